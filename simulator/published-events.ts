// Every event that the broker has taken from a service, by id, whether it came alone or in a batch.
import { deadLetterExchange } from '../shared/contract/topology.ts';
import type { OutgoingMessage } from '../shared/runtime/messaging/bus.ts';
import type { Counter } from './environment/faults.ts';
import type { History } from './environment/history.ts';
import { hasSubscribers, publisherOf } from './environment/saga-event.ts';
import type { Schedule } from './environment/schedule.ts';
import { eventIn, unpacked } from './environment/unpacked.ts';
import type { Violation } from './environment/violation.ts';

export class PublishedEvents {
  readonly byId = new Map<string, OutgoingMessage>();
  /** When the broker first took each, by the clock of the run. */
  readonly takenAtMs = new Map<string, number>();
  /** Ids under which the broker has taken different bytes. */
  readonly violations: Violation[] = [];
  readonly #schedule: Schedule;
  readonly #history: History;
  readonly #races: Counter;

  constructor(schedule: Schedule, history: History, races: Counter) {
    this.#schedule = schedule;
    this.#history = history;
    this.#races = races;
  }

  /** The broker has taken a message. Dead letters are no events. */
  taken(message: OutgoingMessage, routed: boolean): void {
    if (!routed) this.#dropped(message);
    if (message.exchange === deadLetterExchange) return;
    const events = unpacked(message);
    if (events.length > 1) this.#races.add('several events in one message', 1);
    for (const event of events) this.#eventTaken(event);
  }

  /** No queue was bound, and the broker was not asked to say so. */
  #dropped({ routingKey, correlationId, messageId }: OutgoingMessage): void {
    if (!hasSubscribers(routingKey)) return;
    const text = `${routingKey} ${messageId} was confirmed and reached no queue`;
    this.violations.push({ promise: 'P9', subject: correlationId ?? '', text });
  }

  #eventTaken(event: OutgoingMessage): void {
    const { messageId, routingKey, correlationId } = event;
    this.#history.add(this.#schedule.nowMs, publisherOf(routingKey), `publishes ${routingKey}`, correlationId);
    this.#history.mix(messageId);
    const known = this.byId.get(messageId);
    if (!known) {
      this.byId.set(messageId, event);
      this.takenAtMs.set(messageId, this.#schedule.nowMs);
    } else if (!known.body.equals(event.body) && eventIn(known).source === eventIn(event).source) {
      const text = `event ${messageId} was published twice with different bytes`;
      this.violations.push({ promise: 'P6', subject: correlationId ?? '', text });
    }
  }
}
