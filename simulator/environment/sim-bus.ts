// The bus of one simulated process: how it publishes, consumes, loses its connections and gets them back.
import type {
  Bus,
  BusListener,
  BusStatus,
  Delivery,
  OutgoingMessage,
  PublishOutcome,
} from '../../shared/runtime/messaging/bus.ts';
import type { SimBroker } from './broker.ts';
import type { Owner } from './schedule.ts';
import { ConsumerLink, type Copy, Link, type Pending, type SimQueue } from './sim-queue.ts';

/** The bus of one process: a connection for publishing, another for consuming, as the real one has. */
export class SimBus implements Bus {
  readonly #broker: SimBroker;
  readonly #queue: SimQueue;
  readonly #process: Owner;
  #listener: BusListener | undefined;
  #publisher: Link | undefined;
  #consumer: ConsumerLink | undefined;
  #consuming = false;
  #stopped = false;
  #cutAtPublish = false;
  #lastError: string | undefined;

  constructor(broker: SimBroker, queue: SimQueue, process: Owner) {
    this.#broker = broker;
    this.#queue = queue;
    this.#process = process;
  }

  start(listener: BusListener): void {
    this.#listener = listener;
    this.#consuming = true;
    this.#later(() => this.#connectPublisher());
    this.#later(() => this.#connectConsumer());
  }

  canPublish(): boolean {
    return this.#publisher !== undefined && !this.#broker.blocked;
  }

  publish(message: OutgoingMessage, done: (outcome: PublishOutcome) => void): void {
    const link = this.#publisher;
    if (!link) throw new Error('publish without a connection');
    const pending = { message, done };
    link.inFlight.add(pending);
    link.outbound.push(pending);
    this.#broker.schedule.after(this.#broker.latencyMs(), () => this.#arrive(link), link);
    if (!this.#cutAtPublish) return;
    this.#cutAtPublish = false;
    this.#broker.schedule.after(this.#broker.random.below(4), () => this.cut('publisher'), link);
  }

  backlog(done: (messages: number | undefined) => void): void {
    const { schedule } = this.#broker;
    schedule.after(this.#broker.latencyMs(), () => done(this.#consumer ? this.#queue.depth : undefined), this.#process);
  }

  status(): BusStatus {
    if (this.#stopped) return { publisher: 'stopped', consumer: 'stopped', lastError: this.#lastError };
    const publisher = !this.#publisher ? 'connecting' : this.#broker.blocked ? 'blocked' : 'connected';
    const consumer = this.#consumer ? 'connected' : this.#consuming ? 'connecting' : 'stopped';
    return { publisher, consumer, lastError: this.#lastError };
  }

  stopConsuming(): Promise<void> {
    this.#consuming = false;
    // What was delivered can still be acked: only the flow ends.
    if (this.#queue.consumer === this.#consumer) this.#queue.consumer = undefined;
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#stopped = true;
    this.#consuming = false;
    this.#broker.disconnect(this);
    return Promise.resolve();
  }

  /** Ends connections. */
  cut(which: 'publisher' | 'consumer' | 'both'): void {
    this.#lastError = 'connection cut';
    if (which !== 'consumer') this.#cutPublisher();
    if (which !== 'publisher') this.#cutConsumer();
  }

  /** Ends the connection for publishing while the next message is on its way, or its confirm is. */
  cutAtPublish(): void {
    this.#cutAtPublish = true;
  }

  blockedChanged(): void {
    this.#noteAbility();
    if (this.#publisher) this.#publishingChanged();
  }

  #noteAbility(): void {
    this.#broker.interference.canPublish?.(this.#queue.name, this.canPublish());
  }

  // ---- publishing

  #connectPublisher(): void {
    if (this.#stopped || this.#publisher) return;
    if (!this.#broker.up) return this.#later(() => this.#connectPublisher(), 300);
    this.#publisher = new Link(0);
    this.#noteAbility();
    this.#listener?.publishingChanged();
  }

  #arrive(link: Link): void {
    const broker = this.#broker;
    const pending = link.outbound[link.outboundHead] as Pending;
    link.outboundHead += 1;
    if (link.outboundHead > 1_000 && link.outboundHead * 2 > link.outbound.length) {
      link.outbound.splice(0, link.outboundHead);
      link.outboundHead = 0;
    }
    const { message } = pending;
    if (broker.faults.on('nack') && broker.random.chance(0.003)) {
      broker.faults.add('nack');
      broker.interference.refused?.(this.#queue.name, message);
      return this.#answer(link, pending, 'nacked');
    }
    const routed = broker.route(message);
    if (!routed && message.mandatory) {
      broker.faults.add('unroutable');
      broker.interference.refused?.(this.#queue.name, message);
      return this.#answer(link, pending, 'unroutable');
    }
    broker.interference.taken?.(message, routed);
    if (broker.faults.on('lost-confirm') && broker.random.chance(0.0005)) {
      broker.faults.add('lost-confirm');
      this.#cutPublisher();
      return;
    }
    this.#answer(link, pending, 'confirmed');
  }

  #answer(link: Link, pending: Pending, outcome: PublishOutcome): void {
    this.#broker.schedule.after(
      this.#broker.latencyMs(),
      () => {
        link.inFlight.delete(pending);
        pending.done(outcome);
      },
      link,
    );
  }

  #cutPublisher(): void {
    const link = this.#publisher;
    if (!link) return;
    link.alive = false;
    this.#publisher = undefined;
    this.#noteAbility();
    const lost = [...link.inFlight];
    this.#broker.schedule.after(
      0,
      () => {
        for (const { done } of lost) done('lost');
        this.#listener?.publishingChanged();
      },
      this.#process,
    );
    this.#later(() => this.#connectPublisher(), 50);
  }

  #publishingChanged(): void {
    this.#broker.schedule.after(0, () => this.#listener?.publishingChanged(), this.#process);
  }

  // ---- consuming

  #connectConsumer(): void {
    if (!this.#consuming || this.#consumer) return;
    if (!this.#broker.up) return this.#later(() => this.#connectConsumer(), 300);
    this.#consumer = new ConsumerLink(this.#broker.prefetch(), (copy, link) => {
      if (this.#consuming) this.#listener?.delivered(this.#delivery(copy, link));
    });
    this.#queue.consumer = this.#consumer;
    this.#listener?.consumingBegan?.();
    this.#broker.pump(this.#queue);
  }

  #delivery(copy: Copy, link: Link): Delivery {
    const { message, headers, redeliveries } = copy;
    return {
      body: message.body,
      messageId: message.messageId,
      contentType: message.contentType,
      exchange: message.exchange,
      routingKey: message.routingKey,
      headers,
      redelivered: redeliveries > 0,
      returns: redeliveries,
      ack: () => this.#ack(copy, link),
      reject: () => this.#reject(copy, link),
    };
  }

  #ack(copy: Copy, link: Link): void {
    const broker = this.#broker;
    if (!link.alive || !link.unacked.has(copy)) return;
    if (broker.faults.on('lost-ack') && broker.random.chance(0.0005)) {
      broker.faults.add('lost-ack');
      broker.schedule.after(broker.random.below(30), () => this.#cutConsumer(), link);
      return;
    }
    link.unacked.delete(copy);
    this.#queue.acked.push(copy);
    broker.pump(this.#queue);
  }

  #reject(copy: Copy, link: Link): void {
    if (!link.alive || !link.unacked.delete(copy)) return;
    this.#broker.deadLetter(this.#queue, copy, 'rejected');
    this.#broker.pump(this.#queue);
  }

  #cutConsumer(): void {
    const link = this.#consumer;
    if (!link) return;
    link.alive = false;
    this.#consumer = undefined;
    if (this.#queue.consumer === link) this.#queue.consumer = undefined;
    this.#broker.giveBack(this.#queue, link.unacked);
    this.#later(() => this.#connectConsumer(), 50);
  }

  #later(run: () => void, delayMs = 1): void {
    if (this.#stopped) return;
    this.#broker.schedule.after(this.#broker.random.between(1, 20) + delayMs, run, this.#process);
  }
}
