// payment-service with its HTTP interface, ready to be run as a process.
import type { ServiceProgram } from '../shared/runtime/process/service-program.ts';
import { paymentRoutes } from './routes.ts';
import { type PaymentParts, paymentService } from './service.ts';

export const paymentProgram: ServiceProgram<PaymentParts> = {
  definition: paymentService,
  description: 'Keeps accounts and a ledger, and pays for orders. Money is in integer minor units (cents).',
  routes: paymentRoutes,
};
