// order-service with its HTTP interface, ready to be run as a process.
import type { ServiceProgram } from '../shared/runtime/process/service-program.ts';
import { addOrderMetrics } from './metrics.ts';
import { orderRoutes } from './routes.ts';
import { type OrderParts, orderService } from './service.ts';

export const orderProgram: ServiceProgram<OrderParts> = {
  definition: orderService,
  description: 'Takes orders and reports how they proceed. Money is in integer minor units (cents).',
  routes: orderRoutes,
  notReady: (node) => node.parts.notReady(),
  addMetrics: addOrderMetrics,
};
