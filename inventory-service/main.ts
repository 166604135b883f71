// inventory-service as a process.
import { runService } from '../shared/runtime/process/run-service.ts';
import { inventoryProgram } from './program.ts';

await runService(inventoryProgram);
