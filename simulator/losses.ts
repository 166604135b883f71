// What is lost with the database of an instance, or with an instance that is gone for good: events that have not reached
// everybody who subscribes to them. Nothing is promised of those.
import { z } from 'zod';
import { choreography } from '../shared/contract/choreography.ts';
import { uuidText } from '../shared/contract/event-id.ts';
import { consumedBy } from '../shared/contract/language.ts';
import { instanceOf } from '../shared/contract/members.ts';
import type { OutgoingMessage } from '../shared/runtime/messaging/bus.ts';
import type { Database } from '../shared/runtime/storage/database.ts';
import type { SimService } from './environment/sim-service.ts';
import { isHandled } from './handled.ts';
import type { Answers } from './workload/answers.ts';

export class Losses {
  readonly all: { readonly member: string; readonly atMs: number }[] = [];
  /** `member messageId` of what it had taken out of its queue as dead letters, which perhaps nobody will ever see. */
  readonly deadLetters = new Set<string>();
  readonly #answers: Answers;
  readonly #published: ReadonlyMap<string, OutgoingMessage>;
  readonly #services: () => readonly SimService[];

  constructor(
    answers: Answers,
    published: ReadonlyMap<string, OutgoingMessage>,
    services: () => readonly SimService[],
  ) {
    this.#answers = answers;
    this.#published = published;
    this.#services = services;
  }

  /** Its journal cannot be read any more: whoever has not had an event of it will perhaps never have it. */
  instanceLost({ member, database }: SimService, atMs: number): void {
    this.all.push({ member, atMs });
    for (const headers of deadLettersIn(database.db))
      this.deadLetters.add(`${member} ${headers['x-original-message-id']}`);
    const others = this.#services().filter((service) => service.member !== member);
    const rows = database.db.prepare<[], { id: Buffer; type: string; subject: string }>(
      'SELECT event_id AS id, type, subject FROM journal WHERE dead_letter IS NULL',
    );
    for (const { id, type, subject } of rows.all()) {
      const eventId = uuidText(id);
      const everywhere = this.#published.has(eventId) && others.every((other) => hasHad(other, type, eventId));
      if (!everywhere) this.#answers.lost.add(subject).add(eventId);
    }
  }
}

const DeadLetterMark = z.object({ headers: z.record(z.string(), z.unknown()) });

function deadLettersIn(db: Database): Readonly<Record<string, unknown>>[] {
  const marks = db.prepare<[], string>('SELECT dead_letter FROM journal WHERE dead_letter IS NOT NULL').pluck();
  return marks.all().map((text) => DeadLetterMark.parse(JSON.parse(text)).headers);
}

function hasHad({ name, member, database }: SimService, type: string, eventId: string): boolean {
  const types: readonly string[] = consumedBy(choreography, name, instanceOf(member) !== undefined);
  return !types.includes(type) || isHandled(database.db, eventId);
}
