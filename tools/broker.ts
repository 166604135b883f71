// `npm run broker`: a RabbitMQ until Ctrl-C. The URL goes to stdout, all else to stderr.
import { parseArgs } from 'node:util';
import { BrokerSettingError, BrokerUnavailableError, startBroker } from '../local/broker/start-broker.ts';

const USAGE = `usage: npm run -s broker -- [--data DIR] [--log FILE]
  --data DIR   keep the messages in DIR between starts (default: a temporary folder)
  --log FILE   write RabbitMQ's own log there
BROKER_SOURCE=url|installed|docker|debian chooses where the broker comes from, AMQP_URL names one that runs already.`;

const EXIT_UNAVAILABLE = 69;
const EXIT_USAGE = 64;

async function main(): Promise<number> {
  let values: { data?: string; log?: string; help?: boolean };
  try {
    ({ values } = parseArgs({
      options: { data: { type: 'string' }, log: { type: 'string' }, help: { type: 'boolean' } },
    }));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return EXIT_USAGE;
  }
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ending.abort());
  try {
    const broker = await startBroker({
      ...(values.data === undefined ? {} : { dataDir: values.data }),
      ...(values.log === undefined ? {} : { logFile: values.log }),
      progress: (line) => console.error(line),
      signal: ending.signal,
    });
    console.log(broker.url);
    console.error(`${broker.description}. Ctrl-C stops it.`);
    await untilAborted(ending.signal);
    await broker.stop();
    console.error(broker.source === 'url' ? 'Left running: it is not ours.' : 'Stopped.');
    return 0;
  } catch (error) {
    if (ending.signal.aborted) return 0;
    if (!(error instanceof BrokerUnavailableError || error instanceof BrokerSettingError)) throw error;
    console.error(error.message);
    return error instanceof BrokerSettingError ? EXIT_USAGE : EXIT_UNAVAILABLE;
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  // the broker's own handles do not keep this process alive
  const alive = setInterval(() => undefined, 60_000);
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      clearInterval(alive);
      resolve();
    });
  });
}

process.exitCode = await main();
