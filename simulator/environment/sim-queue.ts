// What a broker is made of: queues with the copies of messages in them, and the connections over which they come and go.
import type { OutgoingMessage, PublishOutcome } from '../../shared/runtime/messaging/bus.ts';
import type { Owner } from './schedule.ts';

/** One message in one queue. */
export interface Copy {
  readonly message: OutgoingMessage;
  readonly headers: Readonly<Record<string, unknown>>;
  /** How often it was redelivered: it came back unacked. */
  redeliveries: number;
}

/** As if somebody had set a policy: RabbitMQ 4 defaults to this limit, and an operator may set it. */
export const deliveryLimit = 20;

export class SimQueue {
  readonly name: string;
  readonly #limit: number;
  readonly deadLetterTo: string | undefined;
  #ready: Copy[] = [];
  #head = 0;
  /** Came back unacked; they go out first. */
  #returned: Copy[] = [];
  consumer: Link | undefined;
  enqueued = 0;
  /** Copies that came back too often; the broker has moved them to the dead-letter queue. */
  readonly deadLettered: Copy[] = [];
  readonly acked: Copy[] = [];
  /** Copies that a fault has destroyed. */
  readonly lost: Copy[] = [];

  constructor(name: string, args: Readonly<Record<string, string | number>>) {
    this.name = name;
    this.#limit = Math.min(Number(args['x-delivery-limit'] ?? Number.POSITIVE_INFINITY), deliveryLimit);
    const target = args['x-dead-letter-routing-key'];
    this.deadLetterTo = target === undefined ? undefined : String(target);
  }

  get depth(): number {
    return this.#ready.length - this.#head + this.#returned.length;
  }

  /** What waits for delivery. */
  get waiting(): Copy[] {
    return [...this.#returned, ...this.#ready.slice(this.#head)];
  }

  put(copy: Copy): void {
    this.enqueued += 1;
    this.#ready.push(copy);
  }

  /** @param overtaking takes one of the next that many instead of the first */
  take(overtaking: (depth: number) => number): Copy | undefined {
    const back = this.#returned.shift();
    if (back) return back;
    const depth = this.#ready.length - this.#head;
    if (depth === 0) return undefined;
    const index = this.#head + overtaking(depth);
    const copy = this.#ready[index] as Copy;
    this.#ready.copyWithin(this.#head + 1, this.#head, index);
    this.#head += 1;
    if (this.#head > 1_000 && this.#head * 2 > this.#ready.length) {
      this.#ready = this.#ready.slice(this.#head);
      this.#head = 0;
    }
    return copy;
  }

  /** Unacked copies come back. Returns those that have come back too often, for the dead-letter queue. */
  giveBack(copies: Iterable<Copy>): Copy[] {
    const exhausted: Copy[] = [];
    const back: Copy[] = [];
    for (const copy of copies) {
      copy.redeliveries += 1;
      (copy.redeliveries > this.#limit ? exhausted : back).push(copy);
    }
    this.#returned = [...back, ...this.#returned];
    return exhausted;
  }

  /** A copy that never got here. */
  lose(copy: Copy): void {
    this.enqueued += 1;
    this.lost.push(copy);
  }

  /** Destroys what waits for delivery. */
  purge(): void {
    this.lost.push(...this.drain());
  }

  /** Destroys everything, and what was delivered and not acked. */
  delete(): void {
    this.purge();
    const { consumer } = this;
    if (!consumer) return;
    this.lost.push(...consumer.unacked);
    consumer.unacked.clear();
  }

  /** Takes everything out, as an operator does with dead letters. */
  drain(): Copy[] {
    const all = this.waiting;
    this.#returned = [];
    this.#ready = [];
    this.#head = 0;
    return all;
  }
}

/** A message that has been published and has no outcome yet. */
export interface Pending {
  readonly message: OutgoingMessage;
  readonly done: (outcome: PublishOutcome) => void;
}

/** One TCP connection; what is on its way is lost with it. */
export class Link implements Owner {
  alive = true;
  prefetch: number;
  /** Publisher: on the way to the broker, in order. */
  readonly outbound: Pending[] = [];
  outboundHead = 0;
  /** Publisher: without an outcome so far. */
  readonly inFlight = new Set<Pending>();
  /** Consumer: on the way to the service, in order. */
  readonly inbound: Copy[] = [];
  inboundHead = 0;
  readonly unacked = new Set<Copy>();

  constructor(prefetch: number) {
    this.prefetch = prefetch;
  }
}

export class ConsumerLink extends Link {
  readonly #deliver: (copy: Copy, link: Link) => void;

  constructor(prefetch: number, deliver: (copy: Copy, link: Link) => void) {
    super(prefetch);
    this.#deliver = deliver;
  }

  deliver(copy: Copy): void {
    this.#deliver(copy, this);
  }

  deliverNext(): void {
    const copy = this.inbound[this.inboundHead] as Copy;
    this.inboundHead += 1;
    if (this.inboundHead > 1_000 && this.inboundHead * 2 > this.inbound.length) {
      this.inbound.splice(0, this.inboundHead);
      this.inboundHead = 0;
    }
    this.#deliver(copy, this);
  }
}
