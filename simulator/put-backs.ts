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
    this.#model.logs[service.name].putBack(works);
    const before = contentsOf(service.database.db);
    const eventsBefore = eventIdsOf(service.database.db);
    service.database.putBack(bytes);
    const { db } = service.database;
    const eventsNow = new Set(eventIdsOf(db));
    for (const eventId of eventsBefore) if (!eventsNow.has(eventId)) this.#answers.lost.add(eventId);
    for (const subject of lostSubjects(before, contentsOf(db))) this.#answers.lost.add(subject);
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

/** Rows by table, each with the order or product that it is about. */
type Contents = ReadonlyMap<string, string>;

/** Every row that is about one order or one product, and the events in the journal. */
function contentsOf(db: Database): Contents {
  const tables = db.prepare<[], string>("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all();
  const contents = new Map<string, string>();
  for (const table of tables) {
    const subject = subjectColumnOf(db, table);
    if (!subject) continue;
    for (const row of db.prepare<[], Record<string, unknown>>(`SELECT * FROM ${table}`).iterate()) {
      if (row[subject] !== null) contents.set(`${table} ${textOf(row)}`, String(row[subject]));
    }
  }
  return contents;
}

function eventIdsOf(db: Database): string[] {
  return db.prepare<[], string>('SELECT lower(hex(event_id)) FROM journal').pluck().all();
}

function subjectColumnOf(db: Database, table: string): string | undefined {
  const columns = db.prepare<[string], string>('SELECT name FROM pragma_table_info(?)').pluck().all(table);
  if (table === 'products' || table === 'catalogue' || table === 'customers') return undefined;
  return ['order_id', 'subject'].find((column) => columns.includes(column));
}

function textOf(row: Record<string, unknown>): string {
  return JSON.stringify(row, (key, value) => (key === 'body' ? undefined : value));
}

/** Orders and products of which a row is gone or has gone back to what it was. */
function lostSubjects(before: Contents, after: Contents): string[] {
  return [...before].filter(([row]) => !after.has(row)).map(([, subject]) => subject);
}

function cursorOf({ database }: SimService, publisher: string) {
  const find = database.db.prepare<[string], { position: number; eventId: string | null }>(
    'SELECT reconciled_until AS position, reconciled_event_id AS eventId FROM publishers WHERE source = ?',
  );
  return find.get(publisher);
}
