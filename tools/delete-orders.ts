// `npm run delete-orders`: deletes the records of orders that ended long ago, in all services.
import { parseArgs } from 'node:util';
import { urlsFrom } from '../local/audit/urls.ts';
import { deleteOrders } from '../local/order-deletion.ts';
import { isUsageError, UsageError } from '../local/usage-error.ts';

const usage = `Usage: npm run delete-orders -- --older-than AGE [options]

Deletes all orders that were placed longer ago than AGE and have ended: order and facts, payment, reservation and movements of
stock. The ledger stays, and so do balances and totals. It begins with the oldest order and ends at the first that
has not ended; it can be interrupted, and run again, at any time.

  --older-than AGE   such as 400d or 10y (365 days each); more than JOURNAL_RETENTION_MS and a day
  --url SERVICE=URL  where a service is, such as order-service=http://HOST:3001; may be given several times. Of several
                     order-service instances any one will do: it knows the others, and all of them must be running
  --help             this text

ORDER_PORT, PAYMENT_PORT and INVENTORY_PORT are the ports on this machine (3001, 3002, 3003, as for npm start).

Exit code 0: done. 1: not done, or an old order has not ended; the message says what to do. 2: the command line is wrong.`;

const dayMs = 86_400_000;
const daysOf = { d: 1, y: 365 } as const;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      'older-than': { type: 'string' },
      url: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return void process.stdout.write(`${usage}\n`);
  const placedBeforeMs = Date.now() - ageMs(values['older-than']);
  const urls = urlsFrom(values.url, process.env);
  const { deleted, open } = await deleteOrders(urls, placedBeforeMs, (count) => {
    process.stderr.write(`${count} orders deleted\n`);
  });
  process.stdout.write(`${deleted} orders deleted that were placed before ${new Date(placedBeforeMs).toISOString()}\n`);
  if (open === undefined) return;
  process.stderr.write(`Order ${open} has not ended: npm run audit says what keeps it; then run this again.\n`);
  process.exitCode = 1;
}

function ageMs(text: string | undefined): number {
  const [, count = '', unit = ''] = /^([1-9]\d{0,4})([dy])$/.exec(text ?? '') ?? [];
  if (unit !== 'd' && unit !== 'y') throw new UsageError('--older-than must be an age such as 400d or 10y');
  return Number(count) * daysOf[unit] * dayMs;
}

main().catch((error: unknown) => {
  const reason = error instanceof Error ? error.message : String(error);
  process.stderr.write(isUsageError(error) ? `${reason}\n\n${usage}\n` : `${reason}\n`);
  process.exitCode = isUsageError(error) ? 2 : 1;
});
