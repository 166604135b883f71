// shipping-service as a process.
import { runService } from '../../../shared/runtime/process/run-service.ts';
import { shippingProgram } from './program.ts';

await runService(shippingProgram);
