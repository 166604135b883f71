// inventory-service as a process.
import { runService } from '../shared/runtime/process/run-service.ts';
import { inventoryRoutes } from './routes.ts';
import { inventoryService } from './service.ts';

await runService({
  definition: inventoryService,
  description:
    'Keeps products and their stock, and sets stock aside for orders. Money is in integer minor units (cents).',
  routes: inventoryRoutes,
});
