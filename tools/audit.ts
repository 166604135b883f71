// `npm run audit`: reads the three services and lists every disagreement, with what would repair it.
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { audit, type Observer, type Summary } from '../local/audit/audit.ts';
import type { Timing } from '../local/audit/finding.ts';
import { repair } from '../local/audit/repair.ts';
import { jsonReport, textReport } from '../local/audit/report.ts';
import { AuditError } from '../local/audit/service-client.ts';
import { Services } from '../local/audit/services.ts';
import { urlsFrom } from '../local/audit/urls.ts';
import { StartError } from '../local/ports.ts';
import { paintFor, printable } from '../local/terminal.ts';
import { isUsageError, UsageError } from '../local/usage-error.ts';

const usage = `Usage: npm run audit -- [options]

Reads what order-service, payment-service and inventory-service hold, compares it order by order, and lists every
disagreement with what would repair it. The services may take orders meanwhile.

  --repair              ask again for orders that are stuck (POST /orders/ID/cancel), then read everything again
  --grace SECONDS       how long after its deadline an order may be open (60)
  --settle SECONDS      how long a disagreement must last to be listed (10)
  --url SERVICE=URL     the address of a service; may be given several times
  --compose             the services that docker-compose.yml describes
  --json                NDJSON: one JSON object a line, the summary last
  --help                this text

ORDER_PORT, PAYMENT_PORT and INVENTORY_PORT are the ports on this machine (3001, 3002, 3003, as for npm start).

Exit code: 0 all agree, 1 disagreements were found, 2 the audit could not be done.`;

const exitCodes = { agree: 0, disagree: 1, notDone: 2 };
const progressEveryMs = 5_000;

interface Options {
  readonly services: Services;
  readonly timing: Timing;
  readonly repair: boolean;
  readonly json: boolean;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      repair: { type: 'boolean', default: false },
      grace: { type: 'string', default: '60' },
      settle: { type: 'string', default: '10' },
      url: { type: 'string', multiple: true, default: [] },
      compose: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${usage}\n`);
    return exitCodes.agree;
  }
  const timing: Timing = {
    nowMs: Date.now,
    delay: (ms) => delay(ms),
    graceMs: secondsIn('grace', values.grace),
    settleMs: secondsIn('settle', values.settle),
  };
  const services = new Services(urlsFrom(values.url, process.env), timing.delay);
  try {
    return await run({ services, timing, repair: values.repair, json: values.json });
  } catch (error) {
    if (!(error instanceof AuditError)) throw error;
    const start = values.compose ? 'docker compose up -d' : 'npm start';
    throw new AuditError(
      `${error.message}\nStart the services (${start}), or name their addresses: --url order-service=http://HOST:PORT`,
    );
  }
}

async function run({ services, timing, repair: wanted, json }: Options): Promise<number> {
  const write = (line: string): void => void process.stdout.write(`${line}\n`);
  const report = json ? jsonReport(write) : textReport(write, paintFor(process.stdout));
  const observer: Observer = { ...report, progress: progressOn(process.stderr) };
  let summary: Summary = await audit(services, timing, observer);
  if (wanted && summary.repairable.length > 0) {
    await repair(services, summary.repairable, timing, (repaired) => report.repaired(repaired));
    report.repairsDone();
    summary = await audit(services, timing, observer);
  }
  report.summary(summary);
  return summary.disagreements === 0 ? exitCodes.agree : exitCodes.disagree;
}

/** Says how far a long walk is. */
function progressOn(stream: NodeJS.WritableStream): Observer['progress'] {
  let nextMs = performance.now() + progressEveryMs;
  return (compared, orders) => {
    if (performance.now() < nextMs) return;
    nextMs = performance.now() + progressEveryMs;
    stream.write(`${compared.toLocaleString('en')} of ${orders.toLocaleString('en')} orders compared\n`);
  };
}

function secondsIn(option: string, text: string): number {
  if (/^\d{1,7}(\.\d{1,3})?$/.test(text)) return Number(text) * 1_000;
  throw new UsageError(`--${option} ${text} is wrong: it must be a number of seconds`);
}

main().then(
  (exitCode) => {
    process.exitCode = exitCode;
  },
  (error: unknown) => {
    const misused = isUsageError(error);
    const expected = misused || error instanceof AuditError || error instanceof StartError;
    const message =
      error instanceof Error ? (expected ? error.message : (error.stack ?? error.message)) : String(error);
    process.stderr.write(`${message.split('\n').map(printable).join('\n')}${misused ? `\n\n${usage}` : ''}\n`);
    process.exitCode = exitCodes.notDone;
  },
);
