// Databases that are put back: a service goes on from an earlier snapshot of its database, as after a restored volume. What
// was lost with the snapshot is noted, since only that may disagree afterwards.
import type { Database } from '../shared/runtime/storage/database.ts';
import type { PutBackEvidence } from './checks/evidence.ts';
import type { ModelChecks } from './checks/model-checks.ts';
import type { SimService } from './environment/sim-service.ts';
import type { ShopModel } from './model/shop-model.ts';
import type { Committed } from './model/work-log.ts';
import type { Answers, Sums } from './workload/answers.ts';

/** A database as it was, and what people had been answered by then. */
export interface Snapshot {
  readonly service: SimService;
  readonly bytes: Buffer;
  readonly sums: readonly { readonly sums: Sums; readonly answered: number }[];
  /** Works that it holds. */
  readonly works: readonly Committed[];
}

export class PutBacks {
  readonly all: PutBackEvidence[] = [];
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
    return { service, bytes: service.database.snapshot(), sums, works: this.#model.logs[service.name].snapshot() };
  }

  /** The service must not be running. */
  putBack({ service, bytes, sums, works }: Snapshot, atMs: number): void {
    this.#checks.beforePutBack(service.name);
    const lostSubjects = this.#model.logs[service.name].putBack(works);
    const before = subjectsIn(service.database.db);
    service.database.putBack(bytes);
    const { db } = service.database;
    const after = subjectsIn(db);
    const { lost } = this.#answers;
    for (const [eventId, subject] of before) if (!after.has(eventId)) lost.add(eventId).add(subject);
    for (const subject of lostSubjects) lost.add(subject);
    for (const { sums: now, answered } of sums) {
      // What was answered since then may be in the database or not.
      now.unanswered += now.answered - answered;
      now.answered = answered;
    }
    const head = db.prepare<[], number>('SELECT coalesce(max(position), 0) FROM journal').pluck().get() ?? 0;
    const ahead = this.#services().flatMap((other) => {
      const cursor = cursorOf(other, service.name);
      return cursor && cursor.position > head ? [{ consumer: other.name, ...cursor }] : [];
    });
    this.all.push({ service: service.name, atMs, ahead });
  }
}

/** The order or product that each entry of a journal is about, by event id. */
function subjectsIn(db: Database): Map<string, string> {
  const rows = db.prepare<[], [string, string]>('SELECT lower(hex(event_id)), subject FROM journal').raw().all();
  return new Map(rows);
}

function cursorOf({ database }: SimService, publisher: string) {
  const find = database.db.prepare<[string], { position: number; eventId: string | null }>(
    'SELECT reconciled_until AS position, reconciled_event_id AS eventId FROM publishers WHERE source = ?',
  );
  return find.get(publisher);
}
