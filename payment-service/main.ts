// payment-service as a process.
import { runService } from '../shared/runtime/process/run-service.ts';
import { paymentProgram } from './program.ts';

await runService(paymentProgram);
