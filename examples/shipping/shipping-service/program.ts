// shipping-service with its HTTP interface, ready to be run as a process.
import type { ServiceProgram } from '../../../shared/runtime/process/service-program.ts';
import { shippingRoutes } from './routes.ts';
import { type ShippingParts, shippingService } from './service.ts';

export const shippingProgram: ServiceProgram<ShippingParts> = {
  definition: shippingService,
  description: 'Ships confirmed orders.',
  routes: shippingRoutes,
};
