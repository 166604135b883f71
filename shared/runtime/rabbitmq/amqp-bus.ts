// The bus over RabbitMQ. Two connections, because a broker that is short of memory or disk blocks those that publish,
// and consuming must go on. Both declare the topology, so whichever is there first makes it whole again.
import type { Channel, ChannelModel, ConfirmChannel, ConsumeMessage } from 'amqplib';
import { queueOf, type Topology } from '../../contract/topology.ts';
import type { Log } from '../environment/log.ts';
import type { Bus, BusListener, BusStatus, Delivery, OutgoingMessage, PublishOutcome } from '../messaging/bus.ts';
import { AmqpConnection } from './amqp-connection.ts';

interface Options {
  readonly url: string;
  readonly service: string;
  readonly topology: Topology;
  /** Messages that may be delivered and not yet acked. */
  readonly prefetch: number;
  readonly log: Log;
}

export class AmqpBus implements Bus {
  readonly #publisher: Publisher;
  readonly #consumer: Consumer;
  #stopped = false;

  constructor(options: Options) {
    this.#publisher = new Publisher(options);
    this.#consumer = new Consumer(options);
  }

  start(listener: BusListener): void {
    this.#publisher.start(listener);
    this.#consumer.start(listener);
  }

  canPublish(): boolean {
    return this.#publisher.canPublish;
  }

  publish(message: OutgoingMessage, done: (outcome: PublishOutcome) => void): void {
    this.#publisher.publish(message, done);
  }

  status(): BusStatus {
    const { connection: publisher, blocked } = this.#publisher;
    const { connection: consumer } = this.#consumer;
    const state = (connected: boolean) => (this.#stopped ? 'stopped' : connected ? 'connected' : 'connecting');
    return {
      publisher: blocked ? 'blocked' : state(publisher.connected),
      consumer: state(consumer.connected),
      lastError: publisher.lastError ?? consumer.lastError,
    };
  }

  stopConsuming(): Promise<void> {
    return this.#consumer.cancel();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([this.#consumer.connection.stop(), this.#publisher.connection.stop()]);
  }
}

/** Idempotent: what stands already, with the same arguments, stays. */
export async function declareTopology(channel: Channel, { exchanges, queues, bindings }: Topology): Promise<void> {
  await Promise.all(exchanges.map((name) => channel.assertExchange(name, 'topic', { durable: true })));
  await Promise.all(
    queues.map((queue) => channel.assertQueue(queue.name, { durable: true, arguments: queue.arguments })),
  );
  await Promise.all(bindings.map(({ queue, exchange, routingKey }) => channel.bindQueue(queue, exchange, routingKey)));
}

/** Ends the connection when the server closes the channel: it is made anew as a whole, with everything declared. */
function endWith(channel: Channel, what: string, end: (reason: Error) => void): void {
  channel.on('error', (error: Error) => end(error));
  channel.on('close', () => end(new Error(`the ${what} channel was closed`)));
}

class Publisher {
  readonly connection: AmqpConnection;
  readonly #topology: Topology;
  readonly #service: string;
  readonly #log: Log;
  #listener: BusListener | undefined;
  #channel: ConfirmChannel | undefined;
  #blocked = false;
  /** Published on the present channel, and neither confirmed nor given up. */
  readonly #pending = new Map<number, (outcome: PublishOutcome) => void>();
  #lastNumber = 0;
  /** Message ids that came back; their confirm follows. */
  readonly #returned = new Set<string>();

  constructor({ url, service, topology, log }: Options) {
    this.#topology = topology;
    this.#service = service;
    this.#log = log;
    this.connection = new AmqpConnection({
      url,
      name: `${service} publisher`,
      log,
      setUp: (connection, end) => this.#setUp(connection, end),
      closing: async () => this.#channel?.close(),
      lost: () => this.#lost(),
    });
  }

  get canPublish(): boolean {
    return this.#channel !== undefined && !this.#blocked;
  }

  get blocked(): boolean {
    return this.#blocked;
  }

  start(listener: BusListener): void {
    this.#listener = listener;
    this.connection.start();
  }

  publish(message: OutgoingMessage, done: (outcome: PublishOutcome) => void): void {
    const channel = this.#channel;
    const number = ++this.#lastNumber;
    this.#pending.set(number, done);
    if (!channel) return void setImmediate(() => this.#settle(number, 'lost'));
    try {
      channel.publish(
        message.exchange,
        message.routingKey,
        message.body,
        {
          persistent: true,
          mandatory: message.mandatory,
          contentType: message.contentType,
          messageId: message.messageId,
          // People look for the type in RabbitMQ's own pages, where the routing key is not always shown.
          ...(message.exchange === '' ? {} : { type: message.routingKey }),
          ...(message.correlationId === undefined ? {} : { correlationId: message.correlationId }),
          ...(message.headers === undefined ? {} : { headers: message.headers }),
          appId: this.#service,
        },
        (error: unknown) => {
          // The error of a nack and that of a dying channel look alike; a dying channel has said so by the next turn.
          if (error) setImmediate(() => this.#settle(number, 'nacked'));
          else this.#settle(number, this.#returned.delete(message.messageId) ? 'unroutable' : 'confirmed');
        },
      );
      this.connection.gather();
    } catch (error) {
      this.#log.warn({ error: String(error) }, 'a message could not be handed to the broker');
      setImmediate(() => this.#settle(number, 'lost'));
    }
  }

  #settle(number: number, outcome: PublishOutcome): void {
    const done = this.#pending.get(number);
    if (this.#pending.delete(number)) done?.(outcome);
  }

  async #setUp(connection: ChannelModel, end: (reason: Error) => void): Promise<void> {
    connection.on('blocked', (reason: string) => {
      this.#blocked = true;
      this.#log.warn(
        { reason },
        'the broker is short of memory or disk and takes no messages: they wait in the outbox',
      );
    });
    connection.on('unblocked', () => {
      this.#blocked = false;
      this.#log.info({}, 'the broker takes messages again');
      this.#listener?.publishingChanged();
    });
    const channel = await connection.createConfirmChannel();
    endWith(channel, 'publishing', end);
    channel.on('return', (message) => this.#returned.add(String(message.properties.messageId)));
    await declareTopology(channel, this.#topology);
    this.#channel = channel;
    this.#listener?.publishingChanged();
  }

  #lost(): void {
    this.#channel = undefined;
    this.#blocked = false;
    this.#returned.clear();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const done of pending) done('lost');
    this.#listener?.publishingChanged();
  }
}

class Consumer {
  readonly connection: AmqpConnection;
  readonly #options: Options;
  #listener: BusListener | undefined;
  #channel: Channel | undefined;
  #consumerTag: string | undefined;
  #cancelled = false;
  /** Delivered on the present channel and not yet acked to the broker, in the order of delivery. */
  #unacked: ConsumeMessage[] = [];
  /** Those of them that the service is done with. */
  readonly #done = new Set<ConsumeMessage>();
  #flushing = false;

  constructor(options: Options) {
    this.#options = options;
    this.connection = new AmqpConnection({
      url: options.url,
      name: `${options.service} consumer`,
      log: options.log,
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
    if (this.#cancelled) return;
    this.#channel = channel;
    const { consumerTag } = await channel.consume(queueOf(service), (message) => {
      if (message) this.#delivered(channel, message);
      else end(new Error(`the queue '${queueOf(service)}' was deleted`));
    });
    this.#consumerTag = consumerTag;
    log.info({ queue: queueOf(service) }, 'connected to the broker');
  }

  #delivered(channel: Channel, message: ConsumeMessage): void {
    // Cancelled, but sent before the broker knew.
    if (this.#channel !== channel || this.#cancelled) return;
    this.#unacked.push(message);
    const { properties, fields, content: body } = message;
    const delivery: Delivery = {
      body,
      messageId: properties.messageId as string | undefined,
      contentType: properties.contentType as string | undefined,
      exchange: fields.exchange,
      routingKey: fields.routingKey,
      headers: properties.headers ?? {},
      redelivered: fields.redelivered,
      ack: () => {
        if (this.#channel !== channel) return;
        this.#done.add(message);
        if (this.#flushing) return;
        this.#flushing = true;
        setImmediate(() => this.#flushAcks());
      },
    };
    this.#listener?.delivered(delivery);
  }

  #lost(): void {
    this.#channel = undefined;
    this.#consumerTag = undefined;
    this.#unacked = [];
    this.#done.clear();
  }
}
