// `npm run erase -- USER`: erases a person from the databases of all services.
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { urlsFrom } from '../local/audit/urls.ts';
import { orderServiceUrls } from '../local/order-instances.ts';
import { requestService } from '../local/service-request.ts';
import { isUsageError, UsageError } from '../local/usage-error.ts';
import { serviceNames } from '../services.ts';
import { Name } from '../shared/contract/event-data.ts';
import { pseudonymPrefix } from '../shared/contract/pseudonym.ts';

const usage = `Usage: npm run erase -- USER [options]

Replaces a user's id by a pseudonym that leads back to nobody, in all that the services keep: orders, facts, accounts,
ledger, payments and journals. Amounts stay, so that the totals still balance. The user's account is closed.

  --pseudonym TEXT     the one of a run that broke off; otherwise a new one is made and printed
  --url SERVICE=URL    where a service is, such as order-service=http://HOST:3001; may be given several times. Of several
                       order-service instances any one will do: it knows the others, and all of them must be running
  --help               this text

ORDER_PORT, PAYMENT_PORT and INVENTORY_PORT are the ports on this machine (3001, 3002, 3003, as for npm start).

Refused while the user has an order that has not ended. Not erased: backups, log files, dead letters in the broker, and
for a day the answers that are kept for repeated requests (Idempotency-Key).

Exit code 0: done. 1: not done, or not everywhere; the message says what to do. 2: the command line is wrong.`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      pseudonym: { type: 'string' },
      url: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return void process.stdout.write(`${usage}\n`);
  const userId = Name.safeParse(positionals[0]);
  if (!userId.success || positionals.length > 1) throw new UsageError('name exactly one user');
  const pseudonym = values.pseudonym ?? `${pseudonymPrefix}${randomUUID()}`;
  if (!pseudonym.startsWith(pseudonymPrefix))
    throw new UsageError(`--pseudonym must be the one of a run that broke off: it begins with ${pseudonymPrefix}`);
  const urls = urlsFrom(values.url, process.env);
  process.stdout.write(`The pseudonym is ${pseudonym}\n`);
  // Order-service first: it refuses while an order is open, and then nothing has been changed anywhere.
  // An instance that is away would keep the person, and give what it knows to one that joins.
  const instances = await orderServiceUrls(urls['order-service']);
  const others = serviceNames.filter((service) => service !== 'order-service');
  for (const { name, url } of [...instances, ...others.map((name) => ({ name, url: urls[name] }))]) {
    await requestService('POST', `${url}/erasures`, { userId: userId.data, pseudonym });
    process.stdout.write(`${name}: erased\n`);
  }
}

main().catch((error: unknown) => {
  const reason = error instanceof Error ? error.message : String(error);
  const again = 'Run it again with --pseudonym and the pseudonym above, so that it is the same everywhere.';
  process.stderr.write(isUsageError(error) ? `${reason}\n\n${usage}\n` : `${reason}\n${again}\n`);
  process.exitCode = isUsageError(error) ? 2 : 1;
});
