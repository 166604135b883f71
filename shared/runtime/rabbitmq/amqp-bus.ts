// The bus over RabbitMQ. Two connections, because a broker that is short of memory or disk blocks those that publish,
// and consuming must go on. Both declare the topology, so whichever connects first makes it whole again.
import type {
  BusListener,
  BusStatus,
  BusTraffic,
  MeasuredBus,
  OutgoingMessage,
  PublishOutcome,
} from '../messaging/bus.ts';
import type { AmqpBusOptions } from './amqp-bus-options.ts';
import { Consumer } from './consumer.ts';
import { Publisher } from './publisher.ts';

export class AmqpBus implements MeasuredBus {
  readonly #publisher: Publisher;
  readonly #consumer: Consumer;
  #stopped = false;

  constructor(options: AmqpBusOptions) {
    this.#consumer = new Consumer(options);
    this.#publisher = new Publisher(options, () => this.#consumer.declareSoon());
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

  backlog(done: (messages: number | undefined) => void): void {
    void this.#consumer.backlog().then(done);
  }

  deadLetters(done: (messages: number | undefined) => void): void {
    void this.#consumer.deadLetters().then(done);
  }

  traffic(): BusTraffic {
    const { connection: publisher, unconfirmed } = this.#publisher;
    return {
      unconfirmed,
      reconnects: { publisher: publisher.reconnects, consumer: this.#consumer.connection.reconnects },
    };
  }

  status(): BusStatus {
    const { connection: publisher, blocked } = this.#publisher;
    const { connection: consumer } = this.#consumer;
    const state = (connected: boolean) => (this.#stopped ? 'stopped' : connected ? 'connected' : 'connecting');
    return {
      publisher: blocked ? 'blocked' : state(publisher.connected),
      consumer: state(consumer.connected),
      lastError: publisher.lastError ?? consumer.lastError,
      confirmsNothing: this.#publisher.silent || undefined,
      deadLetters: this.#consumer.deadLettersLately,
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
