// The load generator, a process of its own: starts sagas and sees them end. Over HTTP, or by publishing what
// order-service would. The end is seen the same way for all: an auto-ack subscriber of order.confirmed and order.cancelled.
import { type Channel, type ConfirmChannel, type ConsumeMessage, connect } from 'amqplib';
import { exchangeOf } from '../shared/contract/topology.ts';
import { Latencies } from './histogram.ts';
import { HttpClient, postRequest } from './http-client.ts';
import {
  type DriverSettings,
  type FromDriver,
  type Load,
  type LoadResult,
  type Target,
  type ToDriver,
  targets,
} from './load.ts';
import { monotonicMs, startMetronome } from './metronome.ts';
import { rawSagaId, type SampleMessage, sagaSteps } from './saga-messages.ts';
import { arrivalMs, arrivalsOf, dueAfter, isMeasured, tickMs } from './schedule.ts';
import { orderOf } from './shop.ts';

/** How long sagas may take to end once no more are started. */
const drainMs = 20_000;
const progressEveryMs = 1_000;
/** A closed load does not try at once again what was just refused. */
const refusedDelayMs = 20;
/** Most HTTP connections; each has one request at a time. */
const connectionsMax = 256;
/** Several events in one message, should the services pack them: CloudEvents' JSON batch format. */
const batchContentType = 'application/cloudevents-batch+json';

/** When it was due, and whether it belongs to what is measured. */
interface Saga {
  readonly dueMs: number;
  readonly counts: boolean;
}
type Ended = (orderId: string, type: string) => void;
type StartSaga = (index: number, settled: StartSettled) => void;
interface StartSettled {
  started(orderId: string): void;
  refused(): void;
  failed(): void;
}

const settings = await new Promise<DriverSettings>((resolve) => process.once('message', resolve));
// The parent is gone: nobody wants the figures.
process.once('disconnect', () => process.exit(1));
const say = (message: FromDriver): void => void process.send?.(message);
const http = new HttpClient(settings.ordersPort, connectionsMax);
let ended: Ended = () => {};
/** Numbers of sagas go on from load to load: an id is never used twice. */
let nextIndex = 0;
const publishers = {} as Record<Target, ConfirmChannel>;
for (const target of targets) {
  const url = settings.amqpUrls[target];
  if (url !== undefined) publishers[target] = await openTarget(url);
}
process.on('message', (message: ToDriver) => {
  runLoad(message.run).then(
    (result) => say({ is: 'result', result }),
    (error: unknown) => {
      throw error;
    },
  );
});
say({ is: 'ready' });

/** Subscribes to the ends of sagas. @returns a channel to publish their starts */
async function openTarget(url: string): Promise<ConfirmChannel> {
  const connection = await connect(url, { noDelay: true, clientProperties: { connection_name: 'load generator' } });
  const tap: Channel = await connection.createChannel();
  const exchange = exchangeOf('order-service');
  await tap.assertExchange(exchange, 'topic', { durable: true });
  const { queue } = await tap.assertQueue('', { exclusive: true });
  for (const type of ['order.confirmed', 'order.cancelled']) await tap.bindQueue(queue, exchange, type);
  await tap.consume(queue, (message) => message && seen(message), { noAck: true });
  return connection.createConfirmChannel();
}

function seen({ properties, fields, content }: ConsumeMessage): void {
  if (properties.contentType !== batchContentType) return ended(String(properties.correlationId), fields.routingKey);
  const events = JSON.parse(content.toString()) as { readonly subject: string; readonly type: string }[];
  for (const { subject, type } of events) ended(subject, type);
}

function starterOf({ target, scenario }: Load): StartSaga {
  if (target === 'services') {
    return (index, { started, refused, failed }) =>
      http.send(postRequest('/orders', orderOf(settings.shop, scenario, index)), (status, body) => {
        const at = status === 202 ? body.indexOf('"orderId":"') : -1;
        if (at >= 0) started(body.slice(at + 11, at + 47));
        else if (status === 503) refused();
        else failed();
      });
  }
  const placed = settings.samples[scenario][0] as SampleMessage;
  const body = Buffer.from(placed.body, 'base64');
  return (index, { started, failed }) => {
    const id = rawSagaId(scenario, index);
    started(id);
    publishers[target].publish(
      placed.exchange,
      placed.type,
      body,
      {
        persistent: true,
        mandatory: placed.mandatory,
        contentType: placed.contentType,
        type: placed.type,
        appId: placed.appId,
        messageId: id,
        correlationId: id,
      },
      (error: unknown) => error && failed(),
    );
  };
}

function runLoad(load: Load): Promise<LoadResult> {
  const start = starterOf(load);
  const expected = sagaSteps[load.scenario].at(-1);
  const latency = Latencies.empty();
  const acceptance = Latencies.empty();
  const lag = Latencies.empty();
  /** Every saga that was begun and is not over. */
  const open = new Set<Saga>();
  /** Those of them whose id is known. */
  const running = new Map<string, Saga>();
  /** Ends that were seen before the answer to the POST. */
  const early = new Map<string, { readonly type: string; readonly atMs: number }>();
  const count = { ended: 0, refused: 0, failed: 0, unexpected: 0 };
  let counting = false;
  let countingSinceMs = 0;
  let countedMs = 0;
  let allStarted = false;
  let again: (refused: boolean) => void = () => {};

  return new Promise((resolve) => {
    const progress = setInterval(() => say({ is: 'progress', ended: count.ended }), progressEveryMs);

    const settleIfDone = (): void => {
      if (allStarted && open.size === 0) finish();
    };
    let finished = false;
    const finish = (): void => {
      if (finished) return;
      finished = true;
      clearInterval(progress);
      ended = () => {};
      const nowMs = monotonicMs();
      for (const { dueMs, counts } of open) if (counts) latency.record(nowMs - dueMs);
      resolve({
        seconds: countedMs / 1000,
        ended: count.ended,
        perS: count.ended / (countedMs / 1000),
        refused: count.refused,
        failed: count.failed,
        unexpected: count.unexpected,
        unfinished: open.size,
        latency: latency.encode(),
        acceptance: acceptance.encode(),
        lag: lag.encode(),
      });
    };
    const countFrom = (): void => {
      counting = true;
      countingSinceMs = monotonicMs();
      say({ is: 'counting' });
    };
    const countTo = (): void => {
      counting = false;
      countedMs = monotonicMs() - countingSinceMs;
      say({ is: 'counted' });
    };
    const noMore = (): void => {
      allStarted = true;
      setTimeout(finish, drainMs).unref();
      settleIfDone();
    };

    const over = (saga: Saga, refused = false): void => {
      open.delete(saga);
      again(refused);
      settleIfDone();
    };
    const end = (saga: Saga, type: string, atMs: number): void => {
      if (type !== expected) count.unexpected += 1;
      else if (counting) count.ended += 1;
      if (saga.counts) latency.record(atMs - saga.dueMs);
      over(saga);
    };
    ended = (orderId, type) => {
      const atMs = monotonicMs();
      const saga = running.get(orderId);
      if (!saga) return void early.set(orderId, { type, atMs });
      running.delete(orderId);
      end(saga, type, atMs);
    };

    const launch = (dueMs: number, counts: boolean): void => {
      const saga: Saga = { dueMs, counts };
      open.add(saga);
      if (counts) lag.record(monotonicMs() - dueMs);
      nextIndex += 1;
      start(nextIndex, {
        started: (orderId) => {
          if (counts) acceptance.record(monotonicMs() - dueMs);
          const known = early.get(orderId);
          if (!known) return void running.set(orderId, saga);
          early.delete(orderId);
          end(saga, known.type, known.atMs);
        },
        refused: () => {
          count.refused += 1;
          over(saga, true);
        },
        failed: () => {
          count.failed += 1;
          over(saga);
        },
      });
    };

    if (load.kind === 'open') openLoop(load, launch, countFrom, countTo, noMore);
    else {
      again = closedLoop(
        load,
        launch,
        () => count.ended,
        countFrom,
        () => {
          countTo();
          again = () => {};
          noMore();
        },
      );
    }
  });
}

type Launch = (dueMs: number, counts: boolean) => void;

function openLoop(
  load: Extract<Load, { kind: 'open' }>,
  launch: Launch,
  countFrom: () => void,
  countTo: () => void,
  noMore: () => void,
): void {
  const arrivals = arrivalsOf(load);
  // Soon, but not before the metronome's thread is up.
  const startMs = monotonicMs() + 100;
  const everyMs = tickMs(load);
  const ticks = Math.ceil(arrivalMs(load, arrivals) / everyMs) + 1;
  let next = 0;
  let counting = false;
  const stop = startMetronome({ startMs, everyMs, ticks }, (tick) => {
    const due = dueAfter(load, tick * everyMs);
    for (; next < due; next += 1) {
      const counts = isMeasured(load, next);
      if (counts && !counting) {
        counting = true;
        countFrom();
      }
      launch(startMs + arrivalMs(load, next), counts);
    }
    if (next < arrivals || tick < ticks - 1) return;
    stop();
    countTo();
    noMore();
  });
}

/** @returns what to call when a saga is over */
function closedLoop(
  { inFlight, warmUpS, seconds, sagas }: Extract<Load, { kind: 'closed' }>,
  launch: Launch,
  endedSoFar: () => number,
  countFrom: () => void,
  over: () => void,
): (refused: boolean) => void {
  let stopping = false;
  const one = (): void => {
    if (!stopping) launch(monotonicMs(), false);
  };
  setTimeout(() => {
    countFrom();
    const enough = (): void => {
      if (endedSoFar() < sagas) return void setTimeout(enough, 50);
      stopping = true;
      over();
    };
    setTimeout(enough, seconds * 1000);
  }, warmUpS * 1000);
  for (let index = 0; index < inFlight; index += 1) one();
  return (refused) => {
    if (refused) setTimeout(one, refusedDelayMs);
    else one();
  };
}
