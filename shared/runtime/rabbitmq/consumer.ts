// Consumes this service's queue and acks what the service is done with.
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { deadLetterQueueOf, queueOf } from '../../contract/topology.ts';
import { type Clock, systemClock } from '../environment/clock.ts';
import type { BusListener, Delivery } from '../messaging/bus.ts';
import type { AmqpBusOptions } from './amqp-bus-options.ts';
import { AmqpConnection, endWith } from './amqp-connection.ts';
import { ConsumerWatch, type QueueState } from './consumer-watch.ts';
import { declareTopology, TopologyKeeper } from './declare-topology.ts';
import { QueueOwner } from './queue-owner.ts';

/**
 * How long an ack waits for others to leave with. The broker writes each ack to its log; what a crash returns in between is
 * recognised.
 */
const ackDelayMs = 100;
/** So many leave at once, or a quarter of what may be unacked: the broker must not run out of what it may deliver. */
const acksAtOnce = 32;

export class Consumer {
  readonly connection: AmqpConnection;
  readonly #options: AmqpBusOptions;
  readonly #clock: Clock;
  readonly #keeper: TopologyKeeper;
  readonly #owner: QueueOwner;
  #listener: BusListener | undefined;
  #channel: Channel | undefined;
  #consumerTag: string | undefined;
  #cancelled = false;
  readonly #watch: ConsumerWatch;
  /** As the broker said when it was last asked. */
  #deadLetters: number | undefined;
  #end: ((reason: Error) => void) | undefined;
  /** Delivered on the present channel and not yet acked to the broker, in the order of delivery. */
  #unacked: ConsumeMessage[] = [];
  /** Those of them that the service is done with. */
  readonly #done = new Set<ConsumeMessage>();
  #flushing = false;
  #ackTimer: NodeJS.Timeout | undefined;

  constructor(options: AmqpBusOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#watch = new ConsumerWatch(queueOf(options.service));
    this.#keeper = new TopologyKeeper(options, (queues) => this.#look(queues));
    this.#owner = new QueueOwner(options);
    this.connection = new AmqpConnection({
      url: options.url,
      name: `${options.service} consumer`,
      log: options.log,
      clock: options.clock,
      setUp: (connection, end) => this.#setUp(connection, end),
      closing: async () => {
        this.#flushAcks();
        await this.#channel?.close();
      },
      lost: () => this.#lost(),
    });
  }

  start(listener: BusListener): void {
    this.#listener = listener;
    this.connection.start();
  }

  /** Something of the topology seems to be missing. */
  declareSoon(): void {
    this.#keeper.declareSoon();
  }

  /** Number of messages that wait in the queue; undefined: it cannot be told now. */
  backlog(): Promise<number | undefined> {
    return this.#keeper.waiting(queueOf(this.#options.service));
  }

  /** The same for the dead-letter queue. */
  deadLetters(): Promise<number | undefined> {
    return this.#keeper.waiting(deadLetterQueueOf(this.#options.service));
  }

  /** The same as of a few seconds ago, for those who cannot wait. */
  get deadLettersLately(): number | undefined {
    return this.#deadLetters;
  }

  async cancel(): Promise<void> {
    this.#cancelled = true;
    const tag = this.#consumerTag;
    this.#consumerTag = undefined;
    // A channel that is gone needs no cancelling.
    if (tag !== undefined) await this.#channel?.cancel(tag).catch(() => {});
  }

  /** Tells the broker what is done: as one ack for all that are done without a gap, one each for the others. */
  #flushAcks(): void {
    this.#flushing = false;
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    const channel = this.#channel;
    if (!channel || this.#done.size === 0) return;
    try {
      let last: ConsumeMessage | undefined;
      let count = 0;
      for (const message of this.#unacked) {
        if (!this.#done.delete(message)) break;
        last = message;
        count += 1;
      }
      if (last) channel.ack(last, true);
      this.#unacked.splice(0, count);
      if (this.#done.size === 0) return;
      for (const message of this.#done) channel.ack(message);
      this.#unacked = this.#unacked.filter((message) => !this.#done.has(message));
      this.#done.clear();
    } catch (error) {
      this.#options.log.warn(
        { error: String(error) },
        'acks could not be sent: the broker delivers those messages again',
      );
    }
  }

  async #setUp(connection: ChannelModel, end: (reason: Error) => void): Promise<void> {
    const { service, topology, prefetch, log } = this.#options;
    const channel = await connection.createChannel();
    endWith(channel, 'consuming', end);
    await declareTopology(channel, topology);
    await channel.prefetch(prefetch);
    await this.#owner.claim(connection, end);
    if (this.#cancelled) return;
    this.#channel = channel;
    const { consumerTag } = await channel.consume(queueOf(service), (message) => {
      if (message) this.#delivered(channel, message);
      else end(new Error(`the queue '${queueOf(service)}' was deleted`));
    });
    this.#consumerTag = consumerTag;
    this.#watch.begin();
    this.#end = end;
    this.#keeper.attach(connection);
    log.info({ queue: queueOf(service) }, 'connected to the broker');
    this.#listener?.consumingBegan?.();
  }

  /** A queue that is deleted and declared anew at the same moment can lose its consumer without a word of the broker. */
  #look(queues: ReadonlyMap<string, QueueState>): void {
    const { service } = this.#options;
    this.#deadLetters = queues.get(deadLetterQueueOf(service))?.messages;
    const queue = queues.get(queueOf(service));
    if (this.#consumerTag === undefined || !queue) return;
    const wrong = this.#watch.look(queue, this.#unacked.length, this.#clock.steadyMs());
    if (wrong !== undefined) return this.#end?.(new Error(wrong));
    if (this.#watch.suspects) this.#keeper.declareSoon();
  }

  #delivered(channel: Channel, message: ConsumeMessage): void {
    // Cancelled, but sent before the broker knew.
    if (this.#channel !== channel || this.#cancelled) return;
    this.#unacked.push(message);
    this.#watch.delivered();
    const { properties, fields, content: body } = message;
    // A second answer would close the channel.
    let answered = false;
    const answers = (): boolean => {
      const first = !answered && this.#channel === channel;
      answered = true;
      return first;
    };
    const delivery: Delivery = {
      body,
      messageId: properties.messageId as string | undefined,
      contentType: properties.contentType as string | undefined,
      exchange: fields.exchange,
      routingKey: fields.routingKey,
      headers: properties.headers ?? {},
      redelivered: fields.redelivered,
      returns: returnsOf(message),
      ack: () => {
        if (answers()) this.#ackLater(message);
      },
      reject: () => {
        if (!answers()) return;
        this.#unacked = this.#unacked.filter((other) => other !== message);
        channel.reject(message, false);
      },
    };
    this.#listener?.delivered(delivery);
  }

  #ackLater(message: ConsumeMessage): void {
    this.#done.add(message);
    if (this.#flushing) return;
    if (this.#done.size < Math.min(acksAtOnce, this.#options.prefetch / 4)) {
      this.#ackTimer ??= setTimeout(() => this.#flushAcks(), ackDelayMs);
      return;
    }
    // What else is done in this turn leaves with them.
    this.#flushing = true;
    setImmediate(() => this.#flushAcks());
  }

  #lost(): void {
    this.#keeper.detach();
    this.#channel = undefined;
    this.#end = undefined;
    this.#consumerTag = undefined;
    this.#unacked = [];
    this.#done.clear();
    clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
  }
}

/** Quorum queues count how often a message was returned; RabbitMQ leaves the header out at first. */
function returnsOf({ properties, fields }: ConsumeMessage): number {
  const count: unknown = properties.headers?.['x-delivery-count'];
  return typeof count === 'number' ? count : fields.redelivered ? 1 : 0;
}
