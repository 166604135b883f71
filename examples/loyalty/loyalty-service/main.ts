// loyalty-service as a process.
import { runService } from '../../../shared/runtime/process/run-service.ts';
import { loyaltyProgram } from './program.ts';

await runService(loyaltyProgram);
