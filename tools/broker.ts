// `npm run -s broker`: a RabbitMQ and nothing else, until Ctrl-C. Its URL goes to stdout, everything else to stderr.
import { parseArgs } from 'node:util';
import { untilAborted } from '../local/broker/aborted.ts';
import {
  BrokerSettingError,
  BrokerUnavailableError,
  type StartBrokerOptions,
  startBroker,
} from '../local/broker/start-broker.ts';
import { printable, printableLines } from '../local/printable.ts';
import { stopRequests } from '../local/stop-request.ts';

const usage = `usage: npm run -s broker -- [--data DIR] [--log FILE]

Starts a RabbitMQ, prints its AMQP URL, and stops it at Ctrl-C.

  --data DIR   keep the messages in DIR between starts (default: a temporary folder, removed at the end)
  --log FILE   write RabbitMQ's own log to FILE
  --help       this

AMQP_URL names a broker that is already running; BROKER_SOURCE=url|installed|docker|debian allows one source only.
Exit code: 0 after Ctrl-C, 64 for wrong arguments or settings, 69 if no broker is available.
`;

const exitUsage = 64;
const exitUnavailable = 69;
const exitInterrupted = 130;

const options = readArguments();
// Of a start or a stop that is not waited for, the watchdog removes what is left.
const stopping = stopRequests(() => process.exit(exitInterrupted));
process.exit(await main());

async function main(): Promise<number> {
  const { signal } = stopping;
  // The broker's own handles do not keep this process alive.
  const alive = setInterval(() => {}, 60_000);
  try {
    const broker = await startBroker({ ...options, progress: (line) => say(printable(line)), signal });
    process.stdout.write(`${broker.url}\n`);
    say(`${printable(broker.description)}. Ctrl-C stops it.`);
    const died = await Promise.race([broker.ended(signal), untilAborted(signal)]).catch(() => undefined);
    await broker.stop();
    if (died !== undefined) {
      say(`The broker ended: ${died}.`);
      return exitUnavailable;
    }
    say(broker.source === 'url' ? 'Left running: it was not started here.' : 'Stopped.');
    return 0;
  } catch (error) {
    if (signal.aborted) return 0;
    if (error instanceof BrokerSettingError || error instanceof BrokerUnavailableError) {
      say(printableLines(error.message));
      return error instanceof BrokerSettingError ? exitUsage : exitUnavailable;
    }
    throw error;
  } finally {
    clearInterval(alive);
  }
}

function readArguments(): Pick<StartBrokerOptions, 'dataDir' | 'logFile'> {
  try {
    const { values } = parseArgs({
      options: { data: { type: 'string' }, log: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    });
    if (values.help) {
      process.stdout.write(usage);
      process.exit(0);
    }
    const { data, log } = values;
    return { ...(data === undefined ? {} : { dataDir: data }), ...(log === undefined ? {} : { logFile: log }) };
  } catch (error) {
    say(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    process.exit(exitUsage);
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
