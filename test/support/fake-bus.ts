// A broker that does what a test asks of it: it keeps what is published until the test decides what became of it.
import { type CloudEvent, cloudEventContentType, encodeEvent } from '../../shared/contract/cloud-event.ts';
import { exchangeOf } from '../../shared/contract/topology.ts';
import type {
  BusListener,
  BusStatus,
  BusTraffic,
  Delivery,
  MeasuredBus,
  OutgoingMessage,
  PublishOutcome,
} from '../../shared/runtime/messaging/bus.ts';

interface Published {
  readonly message: OutgoingMessage;
  outcome: PublishOutcome | undefined;
  answer(outcome: PublishOutcome): void;
}

/** A delivery and what came of it. */
export interface Delivered extends Delivery {
  readonly acks: () => number;
  readonly rejects: () => number;
  /** Resolves with the first ack. */
  readonly acked: Promise<void>;
}

export class FakeBus implements MeasuredBus {
  /** Everything that was ever published, oldest first. */
  readonly published: Published[] = [];
  /** Set: this is what becomes of every message, in the next turn of the event loop. */
  autoAnswer: PublishOutcome | undefined;
  /** Messages that wait in the service's queue; undefined: it cannot be told. */
  waiting: number | undefined = 0;
  /** The same for its dead-letter queue. */
  deadLettersWaiting: number | undefined = 0;
  /** It takes messages and confirms none. */
  confirmsNothing = false;
  /** How often the broker was asked for that. */
  deadLetterQuestions = 0;
  readonly #notices = new Set<() => void>();
  #listener: BusListener | undefined;
  #connected = true;
  #connections = 1;

  start(listener: BusListener): void {
    this.#listener = listener;
  }

  canPublish(): boolean {
    return this.#connected;
  }

  publish(message: OutgoingMessage, done: (outcome: PublishOutcome) => void): void {
    if (!this.#connected) throw new Error('published while canPublish() is false');
    const published: Published = {
      message,
      outcome: undefined,
      answer: (outcome) => {
        if (published.outcome) throw new Error(`answered twice: ${published.outcome}, then ${outcome}`);
        published.outcome = outcome;
        done(outcome);
      },
    };
    this.published.push(published);
    for (const notice of [...this.#notices]) notice();
    const { autoAnswer } = this;
    if (autoAnswer) setImmediate(() => published.answer(autoAnswer));
  }

  backlog(done: (messages: number | undefined) => void): void {
    done(this.#connected ? this.waiting : undefined);
  }

  deadLetters(done: (messages: number | undefined) => void): void {
    this.deadLetterQuestions += 1;
    done(this.#connected ? this.deadLettersWaiting : undefined);
  }

  traffic(): BusTraffic {
    const reconnects = this.#connections - 1;
    return { unconfirmed: this.open.length, reconnects: { publisher: reconnects, consumer: reconnects } };
  }

  status(): BusStatus {
    const state = this.#connected ? 'connected' : 'connecting';
    const { confirmsNothing, deadLettersWaiting: deadLetters } = this;
    return { publisher: state, consumer: state, confirmsNothing: confirmsNothing || undefined, deadLetters };
  }

  async stopConsuming(): Promise<void> {}

  async stop(): Promise<void> {}

  // ---- what a test does

  /** Published and without an answer yet, oldest first. */
  get open(): readonly Published[] {
    return this.published.filter(({ outcome }) => outcome === undefined);
  }

  /** Answers everything that is open now; not what is published because of that. */
  answerOpen(outcome: PublishOutcome): void {
    for (const { answer } of this.open) answer(outcome);
  }

  /** The first event of this type, about this subject if one is given, that is or will be published. */
  next(type: string, subject?: string, timeoutMs = 10_000): Promise<CloudEvent> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = this.published.find(
          ({ message }) => message.routingKey === type && (subject === undefined || message.correlationId === subject),
        );
        if (!found) return;
        clearTimeout(timer);
        this.#notices.delete(look);
        resolve(JSON.parse(found.message.body.toString()) as CloudEvent);
      };
      const timer = setTimeout(() => {
        this.#notices.delete(look);
        reject(new Error(`waited ${timeoutMs} ms for ${type} ${subject ?? ''} to be published`));
      }, timeoutMs);
      this.#notices.add(look);
      look();
    });
  }

  /** Resolves once it is known what became of everything that was published. */
  async answered(): Promise<void> {
    while (this.open.length > 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** The connection breaks: what is open is lost. */
  disconnect(): void {
    this.#connected = false;
    this.answerOpen('lost');
    this.#listener?.publishingChanged();
  }

  connect(): void {
    this.#connected = true;
    this.#connections += 1;
    this.#listener?.publishingChanged();
    this.#listener?.consumingBegan?.();
  }

  /** Hands an event over, as the broker does after its publisher has published it. */
  deliverEvent(event: CloudEvent, properties: Partial<Delivery> = {}): Delivered {
    return this.deliver(encodeEvent(event), {
      messageId: event.id,
      exchange: exchangeOf(event.source),
      routingKey: event.type,
      ...properties,
    });
  }

  deliver(body: Buffer, properties: Partial<Delivery> = {}): Delivered {
    let acks = 0;
    let rejects = 0;
    let resolve: () => void = () => {};
    const acked = new Promise<void>((done) => {
      resolve = done;
    });
    const delivered: Delivered = {
      body,
      messageId: undefined,
      contentType: cloudEventContentType,
      exchange: 'order.events',
      routingKey: 'order.placed',
      headers: {},
      redelivered: false,
      returns: 0,
      ...properties,
      acked,
      acks: () => acks,
      rejects: () => rejects,
      ack: () => {
        acks += 1;
        resolve();
      },
      reject: () => {
        rejects += 1;
      },
    };
    this.#listener?.delivered(delivered);
    return delivered;
  }
}
