// Databases that are put back: a service goes on from an earlier snapshot of its database, as after a restored volume. What
// was lost with the snapshot is noted, since only that may disagree afterwards.
import type { Database } from '../shared/runtime/storage/database.ts';
import type { PutBackEvidence } from './checks/evidence.ts';
import type { ModelChecks } from './checks/model-checks.ts';
import type { SimService } from './environment/sim-service.ts';
import { isHandled } from './handled.ts';
import type { ShopModel } from './model/shop-model.ts';
import type { WorkSnapshot } from './model/work-log.ts';
import type { Answers, Sums } from './workload/answers.ts';

/** A database as it was, and what people had been answered by then. */
export interface Snapshot {
  readonly service: SimService;
  readonly bytes: Buffer;
  readonly sums: readonly { readonly sums: Sums; readonly answered: number }[];
  readonly works: WorkSnapshot;
  /** Where its journal ended. */
  readonly head: number;
  /** How many databases had been put back before. */
  readonly taken: number;
}

export class PutBacks {
  readonly all: PutBackEvidence[] = [];
  /** Where the journals ended that were put back, in order. */
  readonly #heads: { readonly service: SimService; readonly head: number }[] = [];
  readonly #answers: Answers;
  readonly #model: ShopModel;
  readonly #checks: ModelChecks;
  readonly #services: () => readonly SimService[];

  constructor(answers: Answers, services: () => readonly SimService[], model: ShopModel, checks: ModelChecks) {
    this.#model = model;
    this.#checks = checks;
    this.#answers = answers;
    this.#services = services;
  }

  snapshot(service: SimService): Snapshot {
    const { paidIn, broughtIn } = this.#answers;
    const ofService =
      service.name === 'payment-service' ? [paidIn] : service.name === 'inventory-service' ? [broughtIn] : [];
    const sums = ofService.map((one) => ({ sums: one, answered: one.answered }));
    const works = this.#model.logs[service.name].snapshot();
    const { database } = service;
    const [bytes, head] = [database.snapshot(), headOf(database.db)];
    return { service, bytes, sums, works, head, taken: this.#heads.length };
  }

  /** The service must not be running. */
  putBack({ service, bytes, sums, works, head, taken }: Snapshot, atMs: number): void {
    const log = this.#model.logs[service.name];
    // Earlier snapshots may have been put back since this one was taken.
    const since = this.#heads.slice(taken).filter((other) => other.service === service);
    const kept = Math.min(head, ...since.map((other) => other.head));
    this.#heads.push({ service, head });
    // Of two snapshots the newer one may be put back last: what it brings back is among the events that stay.
    const staying = log.expectedBoth(works);
    this.#checks.beforePutBack(service.name, staying, log.expected.slice(staying));
    const lostSubjects = log.putBack(works);
    const before = subjectsIn(service.database.db, kept);
    service.database.putBack(bytes);
    const after = subjectsIn(service.database.db, kept);
    const { lost } = this.#answers;
    const lostIds = [...before.keys()].filter((eventId) => !after.has(eventId));
    for (const eventId of lostIds) lost.add(eventId).add(before.get(eventId) ?? '');
    for (const subject of lostSubjects) lost.add(subject);
    for (const { sums: now, answered } of sums) {
      // What was answered since then may be in the database or not.
      now.unanswered += now.answered - answered;
      now.answered = answered;
    }
    const ahead = this.#services().flatMap((other) => {
      const cursor = cursorOf(other, service.member);
      return cursor && cursor.position > head ? [{ consumer: other.member, ...cursor }] : [];
    });
    const handled = this.#services().flatMap((other) => {
      const eventIds = other === service ? [] : lostIds.filter((eventId) => isHandled(other.database.db, eventId));
      return eventIds.length > 0 ? [{ consumer: other.member, eventIds }] : [];
    });
    this.all.push({ service: service.name, atMs, ahead, handled });
  }
}

/** The order or product that each later entry of a journal is about, by event id. */
function subjectsIn(db: Database, after: number): Map<string, string> {
  const rows = db.prepare<[number], [string, string]>(
    'SELECT lower(hex(event_id)), subject FROM journal WHERE position > ?',
  );
  return new Map(rows.raw().all(after));
}

function headOf(db: Database): number {
  return db.prepare<[], number>('SELECT coalesce(max(position), 0) FROM journal').pluck().get() ?? 0;
}

function cursorOf({ database }: SimService, publisher: string) {
  const find = database.db.prepare<[string], { position: number; eventId: string | null }>(
    'SELECT reconciled_until AS position, reconciled_event_id AS eventId FROM publishers WHERE source = ?',
  );
  return find.get(publisher);
}
