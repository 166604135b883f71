// The load generator, a process of its own: starts sagas over HTTP, or by publishing what order-service would, and
// reports how they ended. All targets are observed in the same way, by a subscriber of the events that end a saga.
import { type ConfirmChannel, connect } from 'amqplib';
import { HttpClient } from './http-client.ts';
import {
  type FromLoadGenerator,
  type Load,
  type LoadGeneratorSettings,
  type ToLoadGenerator,
  targets,
} from './load.ts';
import { LoadRun } from './load-run.ts';
import { type Ended, subscribeToEnds } from './saga-ends.ts';
import type { SampleMessage } from './saga-messages.ts';
import { type StartSaga, startByHttp, startByPublishing } from './saga-starts.ts';

/** Most HTTP connections; each has one request at a time. More than the services take on at once. */
const connectionsMax = 6_000;

const settings = await new Promise<LoadGeneratorSettings>((resolve) => process.once('message', resolve));
// Without the parent there is no reader for the result.
process.once('disconnect', () => process.exit(1));
const report = (message: FromLoadGenerator): void => void process.send?.(message);

const ignoreEnd: Ended = () => {};
let ended = ignoreEnd;
/** Numbers of sagas go on from load to load: an id is never used twice. */
let sagasStarted = 0;
const http = new HttpClient(settings.ordersPort, connectionsMax);
const publishers = new Map<string, ConfirmChannel>();
for (const target of targets) {
  const url = settings.amqpUrls[target];
  if (url !== undefined) publishers.set(target, await openTarget(url));
}
process.on('message', (message: ToLoadGenerator) => {
  // A rejection is left unhandled on purpose: it ends the process, and the main process shows why.
  void runLoad(message.run);
});
report({ is: 'ready' });

/** Subscribes to the ends of sagas. @returns a channel to publish their starts */
async function openTarget(url: string): Promise<ConfirmChannel> {
  const connection = await connect(url, { noDelay: true, clientProperties: { connection_name: 'load generator' } });
  await subscribeToEnds(connection, (orderId, type) => ended(orderId, type));
  return connection.createConfirmChannel();
}

async function runLoad(load: Load): Promise<void> {
  const run = new LoadRun({ load, start: starterOf(load), nextIndex: () => ++sagasStarted, report });
  ended = (orderId, type) => run.ended(orderId, type);
  const result = await run.result();
  ended = ignoreEnd;
  report({ is: 'result', result });
}

function starterOf({ target, scenario }: Load): StartSaga {
  if (target === 'services') return startByHttp(http, settings.shop, scenario);
  const publisher = publishers.get(target);
  if (!publisher) throw new Error(`no broker URL was given for ${target}`);
  return startByPublishing(publisher, settings.samples[scenario][0] as SampleMessage, scenario);
}
