// order-service as a process.
import { runService } from '../shared/runtime/process/run-service.ts';
import { orderRoutes } from './routes.ts';
import { orderService } from './service.ts';

await runService({
  definition: orderService,
  description: 'Takes orders and tells how they go. Money is in integer minor units (cents).',
  routes: orderRoutes,
});
