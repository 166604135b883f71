// Declares exchanges, queues and bindings, and keeps declaring them: what somebody deletes is back within seconds.
import type { Channel, ChannelModel } from 'amqplib';
import { ownPart, type Topology } from '../../contract/topology.ts';
import { type Clock, systemClock, type Timer } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import type { QueueState } from './consumer-watch.ts';

/** A binding that is missing shows nowhere as long as another queue takes the message, so all are declared again regularly. */
const redeclareMs = 5_000;
/** Every so many times also what others consume from: they declare it themselves while they run. */
const wholeEvery = 6;
/** After something that hints at a gap, such as an unroutable message: sooner, but not for every one of them. */
const redeclareSoonMs = 200;

/**
 * Idempotent: what already exists with the same arguments stays.
 * @returns what each queue is like
 */
export async function declareTopology(
  channel: Channel,
  { exchanges, queues, bindings }: Topology,
): Promise<ReadonlyMap<string, QueueState>> {
  await Promise.all(exchanges.map(({ name, type }) => channel.assertExchange(name, type, { durable: true })));
  const declared = await Promise.all(
    queues.map((queue) => channel.assertQueue(queue.name, { durable: true, arguments: queue.arguments })),
  );
  await Promise.all(bindings.map(({ queue, exchange, routingKey }) => channel.bindQueue(queue, exchange, routingKey)));
  return new Map(
    declared.map(({ queue, consumerCount, messageCount }) => [
      queue,
      { consumers: consumerCount, messages: messageCount },
    ]),
  );
}

interface KeeperOptions {
  /** The service, or the named instance of it. */
  readonly service: string;
  /** What it declares when it connects. */
  readonly topology: Topology;
  readonly log: Log;
  /** Left out: the system's. */
  readonly clock?: Clock | undefined;
}

/** Uses a channel of its own: one that the broker closes, since a declaration is refused, takes nothing else with it. */
export class TopologyKeeper {
  readonly #topology: Topology;
  readonly #own: Topology;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #declared: (queues: ReadonlyMap<string, QueueState>) => void;
  #connection: ChannelModel | undefined;
  #channel: Promise<Channel> | undefined;
  #timer: Timer | undefined;
  #soon: Timer | undefined;
  #times = 0;

  /** @param declared called after each declaration with what each of the service's queues is like */
  constructor(
    { service, topology, log, clock = systemClock }: KeeperOptions,
    declared: (queues: ReadonlyMap<string, QueueState>) => void,
  ) {
    this.#declared = declared;
    this.#topology = topology;
    this.#own = ownPart(topology, service);
    this.#log = log;
    this.#clock = clock;
  }

  /** Works over this connection from now on, until `detach`. The topology was just declared on it. */
  attach(connection: ChannelModel): void {
    this.#connection = connection;
    this.#later();
  }

  detach(): void {
    this.#connection = undefined;
    this.#channel = undefined;
    this.#timer?.cancel();
    this.#soon?.cancel();
    this.#soon = undefined;
  }

  /** Something seems to be missing. */
  declareSoon(): void {
    this.#soon ??= this.#clock.after(redeclareSoonMs, () => {
      this.#soon = undefined;
      void this.#declare(this.#topology);
    });
  }

  /** Number of messages that wait in a queue; undefined: it cannot be told now. */
  async waiting(queue: string): Promise<number | undefined> {
    try {
      const channel = await this.#open();
      return (await channel?.checkQueue(queue))?.messageCount;
    } catch {
      return undefined;
    }
  }

  #later(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.after(redeclareMs, () => {
      this.#times += 1;
      void this.#declare(this.#times % wholeEvery === 0 ? this.#topology : this.#own).then(() => {
        if (this.#connection) this.#later();
      });
    });
  }

  async #declare(topology: Topology): Promise<void> {
    try {
      const channel = await this.#open();
      if (channel) this.#declared(await declareTopology(channel, topology));
    } catch (error) {
      if (!this.#connection) return;
      this.#log.error({ error: String(error) }, 'the topology could not be declared again: it is retried');
    }
  }

  #open(): Promise<Channel | undefined> {
    const connection = this.#connection;
    if (!connection) return Promise.resolve(undefined);
    this.#channel ??= this.#create(connection);
    return this.#channel;
  }

  async #create(connection: ChannelModel): Promise<Channel> {
    try {
      const channel = await connection.createChannel();
      const gone = () => {
        this.#channel = undefined;
      };
      channel.on('error', gone);
      channel.on('close', gone);
      return channel;
    } catch (error) {
      this.#channel = undefined;
      throw error;
    }
  }
}
