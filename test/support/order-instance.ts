// A named instance of order-service without a broker: over its real tables in memory, it is handed events, and asked.
import { type OrderParts, orderService } from '../../order-service/service.ts';
import type { CloudEvent } from '../../shared/contract/cloud-event.ts';
import { causedEventId } from '../../shared/contract/event-id.ts';
import { isoTime } from '../../shared/runtime/environment/clock.ts';
import type { Reaction } from '../../shared/runtime/messaging/reaction.ts';
import type { Emission } from '../../shared/runtime/messaging/unit-of-work.ts';
import { type Database, openDatabase } from '../../shared/runtime/storage/database.ts';
import type { Transaction } from '../../shared/saga.ts';
import { eventOf, type samples } from './events.ts';
import { HandClock } from './hand-clock.ts';

export class OrderInstance {
  readonly member: string;
  readonly db: Database;
  readonly clock: HandClock;
  readonly parts: OrderParts;
  /** Everything that it has published, oldest first. */
  readonly published: CloudEvent[] = [];

  /** @param name `a` for order-service.a; it knows what its peers know, and has a catalogue of one product */
  constructor(name: string, { clock = new HandClock(), ready = true } = {}) {
    this.member = `order-service.${name}`;
    this.clock = clock;
    this.db = openDatabase(':memory:', orderService.migrations);
    this.parts = orderService.build(this.db, this.member);
    this.parts.store.instances.ready = ready;
    this.when(eventOf('product.updated'));
  }

  get store() {
    return this.parts.store;
  }

  /** @returns the type of the event that it publishes, or a silent outcome */
  when(event: CloudEvent): string {
    const reactions: Readonly<Record<string, Reaction>> = { ...this.parts.reactions, ...this.parts.peerReactions };
    const at = { nowMs: this.clock.nowMs(), now: isoTime(this.clock.nowMs()) };
    return this.db.transaction(() => {
      const outcome = reactions[event.type]?.(event, at);
      if (outcome === undefined) throw new Error(`order-service has no reaction to ${event.type}`);
      if (typeof outcome === 'string') return outcome;
      this.#publish(outcome, causedEventId(event.id, 'order-service', outcome.type), event.id);
      return outcome.type;
    })();
  }

  /** @returns the types of the events that it publishes */
  asked(command: (tx: Transaction<'order-service'>) => unknown): string[] {
    const before = this.published.length;
    const { clock } = this;
    this.db.transaction(() =>
      command({
        nowMs: clock.nowMs(),
        now: isoTime(clock.nowMs()),
        steadyMs: clock.steadyMs(),
        newId: () => clock.newId(),
        publish: (emission, causeId) => {
          const id = causeId ? causedEventId(causeId, 'order-service', emission.type) : clock.newId();
          return this.#publish(emission, id, causeId);
        },
      }),
    )();
    return this.published.slice(before).map(({ type }) => type);
  }

  #publish({ type, data }: Emission, id: string, causationid = requestId): CloudEvent {
    const time = isoTime(this.clock.nowMs());
    const known = type as keyof typeof samples;
    const event = eventOf(known, data as never, { id, time, source: this.member, causationid });
    this.parts.published?.(event);
    this.published.push(event);
    return event;
  }
}

/** The cause of what somebody asked for. */
const requestId = '01900000-0000-7000-8000-00000000ffff';
