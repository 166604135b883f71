// payment-service as a process.
import { runService } from '../shared/runtime/process/run-service.ts';
import { paymentRoutes } from './routes.ts';
import { paymentService } from './service.ts';

await runService({
  definition: paymentService,
  description: 'Keeps accounts and a ledger, and pays for orders. Money is in integer minor units (cents).',
  routes: paymentRoutes,
});
