// `npm run instances`: lists the instances of order-service, lets one adopt the orders of another that is gone for good, and
// removes what the broker holds of that one.
import { parseArgs } from 'node:util';
import { type ChannelModel, connect } from 'amqplib';
import { findBroker } from '../local/find-broker.ts';
import { adopt, type FoundInstance, findInstances, InstancesError, memberNamed } from '../local/order-instances.ts';
import { portsFrom, StartError } from '../local/ports.ts';
import { printable, printableLines } from '../local/printable.ts';
import { isUsageError, UsageError } from '../local/usage-error.ts';
import { deadLetterQueueOf, queueOf } from '../shared/contract/topology.ts';

const usage = `Usage: npm run instances -- list
       npm run instances -- adopt NAME --by NAME
       npm run instances -- remove NAME

  list      shows each instance of order-service: whether it is ready, who decides about its orders, how many are open
  adopt     lets an instance take over the orders of one that is gone for good. It must not run; its name is used up.
  remove    deletes the queue of an instance that was adopted, or never accepted an order

  --url URL    the address of an instance, which knows the others; may be given several times (http://127.0.0.1:ORDER_PORT)
  --compose    the broker of docker-compose.yml
  --help       this text

The broker is the one that AMQP_URL names, else the one that npm start uses with DATA_DIR (./data), else
amqp://localhost:5672.

Exit code: 0 done, 1 not done, 2 the command line is wrong.`;

const exitCodes = { done: 0, notDone: 1, usage: 2 };
const adoptionWaitMs = 30_000;

const print = (text: string): void => void process.stdout.write(`${printableLines(text)}\n`);

interface Options {
  readonly urls: readonly string[];
  readonly compose: boolean;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      by: { type: 'string' },
      url: { type: 'string', multiple: true },
      compose: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    print(usage);
    return exitCodes.done;
  }
  const urls = values.url ?? [`http://127.0.0.1:${portsFrom(process.env)['order-service']}`];
  for (const url of urls)
    if (!URL.canParse(url)) throw new UsageError(`--url ${url} is wrong: it must be http://HOST:PORT`);
  const options = { urls: urls.map((url) => url.replace(/\/+$/, '')), compose: values.compose };
  const [command, name, ...rest] = positionals;
  if (rest.length > 0) throw new UsageError(`'${rest[0]}' is one word too many`);
  if (command === 'list' && name === undefined) return list(options);
  if (name === undefined) throw new UsageError(command ? `${command} what?` : 'say what to do: list, adopt or remove');
  if (command === 'remove') return remove(memberNamed(name), options);
  if (command !== 'adopt') throw new UsageError(`there is no command '${command}'`);
  if (values.by === undefined) throw new UsageError('adopt needs --by NAME: the instance that takes over');
  return takeOver(memberNamed(name), memberNamed(values.by), options);
}

async function list({ urls }: Options): Promise<number> {
  const found = await findInstances(urls);
  const counts = found.find(({ answer }) => answer?.ready)?.answer?.orders ?? [];
  const adoptions = new Map(
    found.flatMap(({ answer }) => answer?.adoptions ?? []).map(({ instance, by }) => [instance, by]),
  );
  const rows = found.map(({ name, url, answer }) => {
    const { orders = 0, open = 0 } = counts.find(({ origin }) => origin === name) ?? {};
    const by = adoptions.get(name);
    const state = by ? `adopted by ${by}` : answer?.ready ? 'ready' : answer ? `not ready: ${answer.notReady}` : 'away';
    return [name, url ?? '', `${orders} orders, ${open} open`, state];
  });
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0)) + 2;
  for (const row of rows)
    print(
      row
        .map((text, column) => text.padEnd(width(column)))
        .join('')
        .trimEnd(),
    );
  return exitCodes.done;
}

async function takeOver(instance: string, adopter: string, { urls, compose }: Options): Promise<number> {
  const found = await findInstances(urls);
  const by = found.find(({ name }) => name === adopter);
  if (!by?.answer?.ready)
    throw new InstancesError(`${adopter} is not ready: only an instance that runs can adopt another`);
  refuseRunning(found, instance);
  await withBroker(compose, (connection) => refuseConsumed(connection, instance));
  await adopt(by, instance, adoptionWaitMs);
  print(`${adopter} decides about the orders of ${instance} now. Then: npm run instances -- remove ${instance}`);
  return exitCodes.done;
}

async function remove(instance: string, { urls, compose }: Options): Promise<number> {
  const found = await findInstances(urls);
  refuseRunning(found, instance);
  const answers = found.flatMap(({ answer }) => answer ?? []);
  const isAdopted = answers.some(({ adoptions }) => adoptions.some((adoption) => adoption.instance === instance));
  const hasOrders = answers.some(({ orders = [] }) => orders.some(({ origin }) => origin === instance));
  if (!isAdopted && hasOrders) {
    throw new InstancesError(
      `Nobody decides about the orders of ${instance} but itself: npm run instances -- adopt ${instance} --by ANOTHER, first`,
    );
  }
  await withBroker(compose, async (connection) => {
    await refuseConsumed(connection, instance);
    await deleteQueues(connection, instance);
  });
  print(
    `${instance} is removed from the broker. Take it out of ORDER_SERVICE_URL of all services, and restart them one by one:`,
  );
  print('until then they declare its queue again, and say that its journal cannot be read.');
  return exitCodes.done;
}

function refuseRunning(found: readonly FoundInstance[], instance: string): void {
  const there = found.find(({ name }) => name === instance);
  if (there?.answer) throw new InstancesError(`${instance} runs, at ${there.url}: stop it first, for good`);
}

async function withBroker(compose: boolean, use: (connection: ChannelModel) => Promise<void>): Promise<void> {
  const broker = await findBroker(compose, process.env);
  const connection = await connect(broker.url, { timeout: 10_000, noDelay: true });
  connection.on('error', () => {});
  try {
    await use(connection);
  } finally {
    await connection.close().catch(() => {});
  }
}

/** An instance may run where it cannot be reached over HTTP. */
async function refuseConsumed(connection: ChannelModel, instance: string): Promise<void> {
  const queue = await stateOf(connection, queueOf(instance));
  if (queue && queue.consumerCount > 0)
    throw new InstancesError(`${instance} runs: a process consumes from its queue. Stop it first, for good.`);
}

async function deleteQueues(connection: ChannelModel, instance: string): Promise<void> {
  const dead = await stateOf(connection, deadLetterQueueOf(instance));
  if (dead && dead.messageCount > 0) {
    throw new InstancesError(
      `${dead.messageCount} dead letters of ${instance} are left: npm run dead-letters -- list ${instance}, then discard them`,
    );
  }
  const channel = await connection.createChannel();
  const names = [queueOf(instance), deadLetterQueueOf(instance), `${queueOf(instance)}.owner`];
  for (const name of names) await channel.deleteQueue(name);
}

/** undefined: there is no such queue. A question about one that does not exist ends its channel. */
async function stateOf(connection: ChannelModel, queue: string) {
  const channel = await connection.createChannel();
  channel.on('error', () => {});
  return channel.checkQueue(queue).catch(() => undefined);
}

main().then(
  (exitCode) => {
    process.exitCode = exitCode;
  },
  (error: unknown) => {
    const misused = isUsageError(error);
    const expected = misused || error instanceof InstancesError || error instanceof StartError;
    const message =
      error instanceof Error ? (expected ? error.message : (error.stack ?? error.message)) : String(error);
    process.stderr.write(`${message.split('\n').map(printable).join('\n')}${misused ? `\n\n${usage}` : ''}\n`);
    process.exitCode = misused ? exitCodes.usage : exitCodes.notDone;
  },
);
