// order-service as a process.
import { runService } from '../shared/runtime/process/run-service.ts';
import { orderProgram } from './program.ts';

await runService(orderProgram);
