// Publishes to RabbitMQ with confirms, and says what became of each message.
import type { ChannelModel, ConfirmChannel } from 'amqplib';
import type { Topology } from '../../contract/topology.ts';
import { type Clock, systemClock, type Timer } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import type { BusListener, OutgoingMessage, PublishOutcome } from '../messaging/bus.ts';
import type { AmqpBusOptions } from './amqp-bus-options.ts';
import { AmqpConnection, endWith } from './amqp-connection.ts';
import { ConfirmWatch, confirmTimeoutMs } from './confirm-watch.ts';
import { declareTopology } from './declare-topology.ts';

/** From so many unconfirmed messages on, confirms are read at once: the relay's window must not fill up. */
export const readAtOnceFrom = 100;

export class Publisher {
  readonly connection: AmqpConnection;
  readonly #topology: Topology;
  readonly #service: string;
  readonly #log: Log;
  readonly #clock: Clock;
  #listener: BusListener | undefined;
  #channel: ConfirmChannel | undefined;
  #blocked = false;
  /** Published on the present channel, and neither confirmed nor given up. */
  readonly #pending = new Map<number, (outcome: PublishOutcome) => void>();
  #lastNumber = 0;
  readonly #confirms = new ConfirmWatch();
  #watch: Timer | undefined;
  readonly #unroutable: () => void;
  /** Message ids that came back; their confirm follows. */
  readonly #returned = new Set<string>();

  /** @param unroutable called for every message that came back since no queue is bound for it */
  constructor({ url, service, topology, log, clock = systemClock }: AmqpBusOptions, unroutable: () => void) {
    this.#unroutable = unroutable;
    this.#topology = topology;
    this.#service = service;
    this.#log = log;
    this.#clock = clock;
    this.connection = new AmqpConnection({
      url,
      name: `${service} publisher`,
      log,
      clock,
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

  /** The broker has confirmed nothing for so long that the connection was given up, and nothing since. */
  get silent(): boolean {
    return this.#confirms.silent;
  }

  /** Messages that were published and are neither confirmed nor given up. */
  get unconfirmed(): number {
    return this.#pending.size;
  }

  start(listener: BusListener): void {
    this.#listener = listener;
    this.connection.start();
  }

  publish(message: OutgoingMessage, done: (outcome: PublishOutcome) => void): void {
    const channel = this.#channel;
    const number = ++this.#lastNumber;
    this.#confirms.published(this.#pending.size, this.#clock.steadyMs());
    this.#pending.set(number, done);
    if (!channel) return void setImmediate(() => this.#answer(number, 'lost'));
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
          if (error) setImmediate(() => this.#answer(number, 'nacked'));
          else this.#answer(number, this.#returned.delete(message.messageId) ? 'unroutable' : 'confirmed');
        },
      );
      this.connection.cork();
      if (this.#pending.size < readAtOnceFrom) this.connection.readLater();
      else this.connection.readNow();
    } catch (error) {
      // It can never be encoded: like a nack, so that it is retried ever more slowly and holds up only its own kind.
      this.#log.warn({ error: String(error), routingKey: message.routingKey }, 'a message could not be encoded');
      setImmediate(() => this.#answer(number, 'nacked'));
    }
  }

  #answer(number: number, outcome: PublishOutcome): void {
    const done = this.#pending.get(number);
    if (!this.#pending.delete(number)) return;
    if (outcome !== 'lost') this.#confirms.answered(number, this.#clock.steadyMs());
    done?.(outcome);
  }

  /** A broker whose disk is full keeps the connection and confirms nothing, for ever; one that lost a message never confirms that. */
  #watchConfirms(end: (reason: Error) => void): void {
    this.#watch = this.#clock.after(confirmTimeoutMs / 10, () => {
      this.#watchConfirms(end);
      const [oldest] = this.#pending.keys();
      if (this.#blocked || !this.#confirms.look(oldest, this.#clock.steadyMs())) return;
      this.#log.error(
        { unconfirmed: this.#pending.size },
        `the broker has not confirmed what was published ${confirmTimeoutMs / 1_000} s ago: connecting again; if this goes on, look at its disk and log, and restart it`,
      );
      end(new Error('the broker does not confirm'));
    });
  }

  async #setUp(connection: ChannelModel, end: (reason: Error) => void): Promise<void> {
    connection.on('blocked', (reason: string) => {
      this.#blocked = true;
      this.#log.warn(
        { reason },
        'the broker is short of memory or disk and takes no messages: they wait in the outbox',
      );
      this.#listener?.publishingChanged();
    });
    connection.on('unblocked', () => {
      this.#blocked = false;
      this.#confirms.beginAgain(this.#clock.steadyMs());
      this.#log.info({}, 'the broker takes messages again');
      this.#listener?.publishingChanged();
    });
    const channel = await connection.createConfirmChannel();
    endWith(channel, 'publishing', end);
    channel.on('return', (message) => {
      this.#returned.add(String(message.properties.messageId));
      this.#unroutable();
    });
    await declareTopology(channel, this.#topology);
    this.#channel = channel;
    this.#watchConfirms(end);
    this.#listener?.publishingChanged();
  }

  #lost(): void {
    this.#watch?.cancel();
    this.#channel = undefined;
    this.#blocked = false;
    this.#returned.clear();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const done of pending) done('lost');
    this.#listener?.publishingChanged();
  }
}
