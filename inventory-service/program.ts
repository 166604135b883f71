// inventory-service with its HTTP interface, ready to be run as a process.
import type { ServiceProgram } from '../shared/runtime/process/service-program.ts';
import { inventoryRoutes } from './routes.ts';
import { type InventoryParts, inventoryService } from './service.ts';

export const inventoryProgram: ServiceProgram<InventoryParts> = {
  definition: inventoryService,
  description:
    'Keeps products and their stock, and reserves stock for orders. Money is in integer minor units (cents).',
  routes: inventoryRoutes,
};
