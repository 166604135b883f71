// A service that kills itself at a failpoint, with kill -9, once it has passed it so many times. SERVICE says which service it
// is; the file FAILPOINT_FILE says where and when it dies. Without the file it is the service as it is.
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { inventoryProgram } from '../../inventory-service/program.ts';
import { orderProgram } from '../../order-service/program.ts';
import { paymentProgram } from '../../payment-service/program.ts';
import { runService } from '../../shared/runtime/process/run-service.ts';
import { failpoints, type HitFailpoint } from '../../shared/runtime/storage/group-commit.ts';

export const Death = z.object({ at: z.enum(failpoints), hits: z.int().min(1) });

const Environment = z.object({
  SERVICE: z.enum(['order-service', 'payment-service', 'inventory-service']),
  FAILPOINT_FILE: z.string(),
});

const { SERVICE, FAILPOINT_FILE } = Environment.parse(process.env);

function dying(): HitFailpoint | undefined {
  if (!existsSync(FAILPOINT_FILE)) return undefined;
  const { at, hits } = Death.parse(JSON.parse(readFileSync(FAILPOINT_FILE, 'utf8')));
  let left = hits;
  return (point) => {
    if (point !== at) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, 'SIGKILL');
  };
}

const hit = dying();
if (SERVICE === 'order-service') await runService(orderProgram, hit);
else if (SERVICE === 'payment-service') await runService(paymentProgram, hit);
else await runService(inventoryProgram, hit);
