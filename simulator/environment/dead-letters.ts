// The dead letters of a run: taken out of their queues, put back where that can help, and kept as evidence.
import { serviceOf } from '../../shared/contract/members.ts';
import { deadLetterQueueOf, queueOf } from '../../shared/contract/topology.ts';
import type { SimBroker } from './broker.ts';
import type { Faults } from './faults.ts';
import type { Poison } from './poison.ts';
import type { Copy } from './sim-queue.ts';
import { unpacked } from './unpacked.ts';

export interface DeadLetter {
  readonly service: string;
  readonly messageId: string;
  readonly subject: string;
  readonly type: string;
  readonly reason: string;
  readonly detail: string;
  readonly body: Buffer;
}

interface Entry {
  /** Whose dead letter it is: a service, or an instance of one. */
  readonly service: string;
  readonly copy: Copy;
  readonly letter: DeadLetter;
}

export interface DeadLettersOptions {
  /** Services, and instances of them. */
  readonly members: () => readonly string[];
  readonly broker: SimBroker;
  readonly faults: Faults;
  readonly poison: ReadonlyMap<string, Poison>;
  /** `service/type/subject` of reactions that were made to throw. */
  readonly brokenReactions: ReadonlySet<string>;
  /** Whether an event has taken effect in a service. */
  readonly isHandled: (member: string, eventId: string) => boolean;
}

export class DeadLetters {
  readonly #options: DeadLettersOptions;
  readonly #entries: Entry[] = [];
  readonly #putBackForGood = new Set<Entry>();

  constructor(options: DeadLettersOptions) {
    this.#options = options;
  }

  /** Every dead letter of the run so far. */
  all(): DeadLetter[] {
    this.#drain();
    return this.#entries.map(({ letter }) => letter);
  }

  /** Puts back what has arrived since the last time, each so many times. False: there was nothing to put back. */
  redrive(times: number): boolean {
    // What should never have been dead-lettered is left for the checks to find.
    const explained = this.#drain().filter(({ letter }) => this.#isExplained(letter));
    for (const entry of explained) this.#putBack(entry, times);
    return explained.length > 0;
  }

  /**
   * Puts back everything that can be handled and has not been: also what was put back before and was lost with its queue.
   * Once: from now on nothing is lost. False: there was nothing.
   */
  redriveUnhandled(): boolean {
    const refused = new Set(this.all().filter(isRefused).map(keyOf));
    const unhandled = this.#entries.filter((entry) => {
      if (this.#putBackForGood.has(entry)) return false;
      const { letter } = entry;
      if (this.#options.poison.has(letter.messageId) || !this.#isExplained(letter)) return false;
      const events = unpacked(entry.copy.message);
      const ids = events.length > 1 ? events.map(({ messageId }) => messageId) : [letter.messageId];
      const { service } = entry;
      return !ids.every((id) => this.#options.isHandled(service, id) || refused.has(`${service} ${id}`));
    });
    for (const entry of unhandled) {
      this.#putBackForGood.add(entry);
      this.#putBack(entry, 1);
    }
    return unhandled.length > 0;
  }

  /** Puts back every dead letter of the run, wherever it is by now, except those about certain orders. */
  redriveAll(times: number, except: ReadonlySet<string>): void {
    const entries = this.#entries.filter(({ copy }) => {
      return !unpacked(copy.message).some((event) => except.has(subjectOf({ ...copy, message: event })));
    });
    for (const entry of entries) this.#putBack(entry, times);
  }

  #drain(): Entry[] {
    const { members, broker } = this.#options;
    const drained = members().flatMap((service) =>
      broker
        .queue(deadLetterQueueOf(service))
        .drain()
        .map((copy) => ({ service, copy, letter: describe(service, copy) })),
    );
    this.#entries.push(...drained);
    return drained;
  }

  /** A fault of this run explains it. */
  #isExplained({ service, messageId, reason, type, subject }: DeadLetter): boolean {
    const { poison, brokenReactions } = this.#options;
    if (reason !== 'reaction-failed') return reason === 'delivery_limit' || poison.has(messageId);
    return brokenReactions.has(`${serviceOf(service)}/${type}/${subject}`);
  }

  #putBack({ service, copy }: Entry, times: number): void {
    const { broker, faults } = this.#options;
    const { headers, message } = copy;
    for (let i = 0; i < times; i++) {
      faults.add('redrive');
      broker.inject(queueOf(service), {
        exchange: String(headers['x-original-exchange'] ?? message.exchange),
        routingKey: String(headers['x-original-routing-key'] ?? message.routingKey),
        messageId: originalIdOf(copy),
        body: message.body,
        contentType: String(headers['x-original-content-type'] ?? message.contentType),
        mandatory: true,
        correlationId: message.correlationId,
      });
    }
  }
}

/** The service has said that it cannot handle it, whatever had been in the way before. */
function isRefused({ reason }: DeadLetter): boolean {
  return reason === 'unknown-subject' || reason === 'contradictory';
}

function keyOf({ service, messageId }: DeadLetter): string {
  return `${service} ${messageId}`;
}

function describe(service: string, copy: Copy): DeadLetter {
  const { headers, message } = copy;
  return {
    service,
    messageId: originalIdOf(copy),
    subject: subjectOf(copy),
    reason: String(headers['x-cause'] ?? headers['x-first-death-reason'] ?? ''),
    detail: String(headers['x-detail'] ?? ''),
    type: String(headers['x-original-routing-key'] ?? message.routingKey),
    body: message.body,
  };
}

/** Id of the message that was dead-lettered, by the service or by the broker. */
function originalIdOf({ headers, message }: Copy): string {
  return String(headers['x-original-message-id'] ?? message.messageId);
}

function subjectOf({ message }: Copy): string {
  try {
    return String((JSON.parse(message.body.toString()) as { subject?: unknown }).subject);
  } catch {
    return '';
  }
}
