// What the model says of a run: what the services did, one work at a time; what their journals hold; when each event was
// published; and their tables at the end.
import { isDeepStrictEqual } from 'node:util';
import type { PerService } from '../../services.ts';
import { perService, serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { uuidText } from '../../shared/contract/event-id.ts';
import type { OutgoingMessage } from '../../shared/runtime/messaging/bus.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import type { Ability } from '../environment/ability.ts';
import type { DeadLetter } from '../environment/dead-letters.ts';
import { publisherOf } from '../environment/saga-event.ts';
import { epochMs } from '../environment/sim-clock.ts';
import type { Violation } from '../environment/violation.ts';
import { promiseAboutEvent } from '../model/promise-about.ts';
import type { ShopModel } from '../model/shop-model.ts';
import type { Inability } from '../model/work.ts';
import type { ExpectedEntry } from '../model/work-log.ts';

/** Once its service can publish, an event is published within this time, however often it was refused before. */
const publishMsMax = 6_000;
/** And within this time if the broker has not refused any of its type lately. */
const publishUnrefusedMsMax = 500;

/** The same for an order whose deadline has passed: it is withdrawn. */
const withdrawMsMax = 20_000;
/** While one deadline could not be met, the others are looked at once a second. */
const withdrawUndisturbedMsMax = 2_500;

/** The runtime's own tables: other checks read them. */
const runtimeTables: ReadonlySet<string> = new Set([
  'inbox',
  'publishers',
  'journal',
  'journal_identity',
  'outbox_marks',
  'outbox_exceptions',
  'suspects',
  'idempotency_keys',
]);

/** Used only where order-service runs as several instances: otherwise they must stay empty. */
const instanceTables: ReadonlySet<string> = new Set(['instance', 'adoptions', 'orders_of_user', 'order_keys']);

export interface ModelChecksOptions {
  readonly model: ShopModel;
  readonly database: (service: ServiceName) => Database;
  readonly published: ReadonlyMap<string, OutgoingMessage>;
  readonly takenAtMs: ReadonlyMap<string, number>;
  readonly publishing: PerService<Ability>;
  /** When order-service could withdraw what was overdue. */
  readonly withdrawing: () => Ability;
  readonly nowMs: () => number;
  readonly deadLetters: () => readonly DeadLetter[];
  /** Retention deletes entries of the journals. */
  readonly pruned: boolean;
}

interface Row {
  readonly position: number;
  readonly event_id: Buffer;
  readonly type: string;
  readonly subject: string;
  readonly body: Buffer;
}

interface Envelope {
  readonly [attribute: string]: unknown;
  readonly causationid: string;
  readonly traceparent: string;
  readonly data: unknown;
}

export class ModelChecks {
  readonly #options: ModelChecksOptions;
  /** Of every journal that there has been, lost ones too: bytes by event id. What was done again may differ in its time. */
  readonly #committed = new Map<string, Pick<Row, 'type' | 'subject'> & { readonly bodies: Buffer[] }>();
  readonly #found: Violation[] = [];
  readonly #putBackAtMs: PerService<number[]> = perService(() => []);

  constructor(options: ModelChecksOptions) {
    this.#options = options;
  }

  /**
   * A service's database is about to be put back: what it is about to lose is looked at now or never.
   * @param kept number of the events in its journal that stay
   * @param expected what its journal must hold after those
   */
  beforePutBack(service: ServiceName, kept: number, expected: readonly ExpectedEntry[]): void {
    this.#putBackAtMs[service].push(this.#options.nowMs());
    this.#found.push(...this.#journalOf(service, { after: kept, expected, atTheEnd: false }));
  }

  *violations(): Generator<Violation> {
    const { model, published } = this.#options;
    yield* this.#found;
    for (const name of serviceNames) {
      if (!model.isModelled(name)) continue;
      const { violations } = model.logs[name];
      yield* violations;
      yield* this.#journalOf(name, { after: 0, expected: model.logs[name].expected, atTheEnd: true });
      yield* this.#tablesOf(name);
      yield* this.#inboxOf(name);
    }
    yield* this.#overdueOrders();
    yield* this.#deadLetters();
    for (const message of published.values()) {
      const text = this.#wrongMessage(message);
      if (text) yield { promise: 'P9', subject: message.correlationId ?? '', text: `${message.routingKey} ${text}` };
    }
  }

  /** The broker has taken what is in the journal, and its properties say of it what people look for. */
  #wrongMessage({ messageId, body, routingKey, correlationId }: OutgoingMessage): string | undefined {
    if (!this.#isModelled(publisherOf(routingKey))) return undefined;
    const committed = this.#committed.get(messageId);
    if (!committed) return this.#options.pruned ? undefined : 'was published and never committed';
    if (!committed.bodies.some((bytes) => bytes.equals(body)))
      return 'was published with other bytes than were committed';
    if (committed.type !== routingKey) return `was published for a ${committed.type}`;
    return committed.subject === correlationId ? undefined : `was published as about ${correlationId}`;
  }

  /** False for an instance: what it holds is compared with what its peers hold. */
  #isModelled(name: string): boolean {
    const { model } = this.#options;
    return serviceNames.some((service) => service === name && model.isModelled(service));
  }

  /** What is in the inbox has taken effect, and what has taken effect is in the inbox. */
  *#inboxOf(service: ServiceName): Generator<Violation> {
    const ids = this.#options
      .database(service)
      .prepare<[], Buffer>('SELECT event_id FROM inbox WHERE dead_letter = 0')
      .pluck()
      .all()
      .map(uuidText);
    const { handled } = this.#options.model.logs[service];
    const subjectOf = (id: string) => this.#options.published.get(id)?.correlationId ?? '';
    for (const id of ids) {
      if (!handled.has(id))
        yield { promise: 'P8', subject: subjectOf(id), text: `${id} is in the inbox of ${service} without effect` };
    }
    if (this.#options.pruned) return;
    const inbox = new Set(ids);
    for (const id of handled) {
      if (!inbox.has(id))
        yield {
          promise: 'P6',
          subject: subjectOf(id),
          text: `${id} has taken effect and is not in the inbox of ${service}`,
        };
    }
  }

  /** What a reaction refuses to handle, it must refuse. */
  *#deadLetters(): Generator<Violation> {
    for (const { service, reason, messageId, subject, type, detail } of this.#options.deadLetters()) {
      const why = inabilities[reason];
      if (!this.#isModelled(service)) continue;
      const owner = serviceNames.find((name) => name === service);
      if (!why || (owner && this.#options.model.logs[owner].rightlyUnable.has(`${why} ${messageId}`))) continue;
      yield {
        promise: 'P8',
        subject,
        text: `${service} dead-lettered ${type} as ${reason}, and could handle it: ${detail}`,
      };
    }
  }

  /** A deadline that passes is met soon. */
  *#overdueOrders(): Generator<Violation> {
    const working = this.#options.withdrawing();
    for (const { orderId, fromMs, untilMs } of this.#options.model.overdue(epochMs, this.#options.nowMs())) {
      const overdueMs = untilMs - fromMs;
      const soon = overdueMs <= withdrawUndisturbedMsMax || !working.undisturbed(fromMs - withdrawMsMax, untilMs);
      const ableMs = overdueMs > withdrawMsMax ? working.longestMs(fromMs, untilMs) : 0;
      if (soon && ableMs <= withdrawMsMax) continue;
      yield { promise: 'P2', subject: orderId, text: `was still pending ${overdueMs} ms after its deadline` };
    }
  }

  *#tablesOf(service: ServiceName): Generator<Violation> {
    const db = this.#options.database(service);
    const { model } = this.#options.model.logs[service];
    yield* model.differences(db);
    const tables = db
      .prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
      .pluck()
      .all();
    for (const table of tables) {
      if (runtimeTables.has(table) || model.tables.includes(table)) continue;
      if (instanceTables.has(table) && db.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get() === undefined) continue;
      if (table === 'deleted_orders' && isUntouched(db)) continue;
      yield { promise: 'P5', subject: '', text: `no check reads the table ${table} of ${service}` };
    }
  }

  /** The journal against what it must hold: each event, in the order of the commits. */
  *#journalOf(
    service: ServiceName,
    { after, expected, atTheEnd }: { after: number; expected: readonly ExpectedEntry[]; atTheEnd: boolean },
  ): Generator<Violation> {
    const rows = this.#options
      .database(service)
      .prepare<[number], Row>(
        `SELECT position, event_id, type, subject, body FROM journal
         WHERE dead_letter IS NULL ORDER BY position LIMIT -1 OFFSET ?`,
      )
      .all(after);
    const waiting = new Map<string, { readonly entry: ExpectedEntry; readonly index: number }[]>();
    expected.forEach((entry, index) => {
      const key = `${entry.type} ${entry.subject}`;
      const known = waiting.get(key);
      if (known) known.push({ entry, index });
      else waiting.set(key, [{ entry, index }]);
    });
    if (this.#options.pruned) dropPruned(waiting, rows);
    let before = -1;
    for (const row of rows) {
      const eventId = uuidText(row.event_id);
      this.#note(eventId, row);
      const match = waiting.get(`${row.type} ${row.subject}`)?.shift();
      if (!match) {
        const text = `${service} has published ${row.type}, which does not follow from what it has done`;
        yield { promise: promiseAboutEvent(row.type), subject: row.subject, text };
        continue;
      }
      if (match.index < before)
        yield { promise: 'P9', subject: row.subject, text: `${row.type} is out of order in the journal` };
      before = match.index;
      yield* this.#entryOf(service, row, eventId, match.entry, atTheEnd);
    }
    for (const left of waiting.values()) {
      for (const { entry } of left) {
        const text = `${service} must have published ${entry.type}, and its journal does not hold it`;
        yield { promise: promiseAboutEvent(entry.type), subject: entry.subject, text };
      }
    }
  }

  #note(eventId: string, { body, type, subject }: Row): void {
    const known = this.#committed.get(eventId);
    if (!known) this.#committed.set(eventId, { type, subject, bodies: [body] });
    else if (!known.bodies.some((bytes) => bytes.equals(body))) known.bodies.push(body);
  }

  *#entryOf(
    service: ServiceName,
    row: Row,
    eventId: string,
    entry: ExpectedEntry,
    atTheEnd: boolean,
  ): Generator<Violation> {
    const late = this.#lateness(service, eventId, entry, atTheEnd);
    if (late) yield { promise: 'P9', subject: entry.subject, text: `${entry.type} ${late}` };
    if (!row.body.equals(bytesOf(service, row, eventId, entry))) yield* this.#differences(service, row, eventId, entry);
  }

  /** What an entry says that it must not, attribute by attribute: it was written in other words than the expected one. */
  *#differences(service: ServiceName, row: Row, eventId: string, entry: ExpectedEntry): Generator<Violation> {
    const { type, subject } = entry;
    const event = JSON.parse(row.body.toString()) as Envelope;
    if (!isDeepStrictEqual(event.data, JSON.parse(JSON.stringify(entry.data)))) {
      const text = `${type} says ${JSON.stringify(event.data)}, and must say ${JSON.stringify(entry.data)}`;
      yield { promise: promiseAboutEvent(type), subject, text };
    }
    for (const [attribute, must] of Object.entries(envelopeOf(service, row, eventId, entry))) {
      if (event[attribute] === must) continue;
      yield {
        promise: 'P9',
        subject,
        text: `${attribute} of ${type} is ${String(event[attribute])}, and must be ${must}`,
      };
    }
    const { cause, follows } = entry;
    const { causationid, traceparent } = event;
    const ownCause = cause ?? { causationId: follows ?? causationid, traceparent };
    if (causationid !== ownCause.causationId || traceparent !== ownCause.traceparent || !isTrace.test(traceparent)) {
      const text = `${type} names the cause ${causationid} (${traceparent}), which is ${JSON.stringify(cause ?? follows)}`;
      yield { promise: 'P9', subject, text };
    }
    if (!cause && !follows && this.#options.published.has(causationid)) {
      yield { promise: 'P9', subject, text: `${type} of a deadline names an event as its cause` };
    }
  }

  /** Undefined: it was published in time. */
  #lateness(
    service: ServiceName,
    eventId: string,
    { type, atMs }: ExpectedEntry,
    atTheEnd: boolean,
  ): string | undefined {
    const takenAtMs = this.#options.takenAtMs.get(eventId);
    if (takenAtMs === undefined) return atTheEnd ? 'was committed and never published' : undefined;
    // What was lost meanwhile could not be published, and came back with another copy.
    if (this.#putBackAtMs[service].some((lostAtMs) => lostAtMs > atMs && lostAtMs < takenAtMs)) return undefined;
    const publishing = this.#options.publishing[service];
    const refused = publishing.wasInTrouble(atMs, takenAtMs, type);
    const boundMs = refused ? publishMsMax : publishUnrefusedMsMax;
    const ableMs = takenAtMs - atMs > boundMs ? publishing.longestMs(atMs, takenAtMs, type) : 0;
    return ableMs > boundMs
      ? `was committed at ${atMs} ms, published at ${takenAtMs} ms, and for ${ableMs} ms nothing kept it from being published`
      : undefined;
  }
}

/** Dead-letter reasons that follow from what a service knows. */
const inabilities: Readonly<Record<string, Inability>> = {
  contradictory: 'ContradictoryEventError',
  'unknown-subject': 'UnknownSubjectError',
};

const isTrace = /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/;

/** Attributes that every event must have. */
function envelopeOf(service: ServiceName, row: Row, eventId: string, { type, subject, nowMs }: ExpectedEntry) {
  return {
    specversion: '1.0',
    id: eventId,
    type,
    source: service,
    subject,
    time: new Date(nowMs).toISOString(),
    datacontenttype: 'application/json',
    dataschema: `urn:choreography-saga:${type}:1`,
    correlationid: subject,
    sequence: String(row.position).padStart(16, '0'),
  };
}

/** The bytes of an event, as a service writes them where its cause is known. */
function bytesOf(service: ServiceName, row: Row, eventId: string, entry: ExpectedEntry): Buffer {
  const { cause, data } = entry;
  const { sequence, ...envelope } = envelopeOf(service, row, eventId, entry);
  const { causationId: causationid = '', traceparent = '' } = cause ?? {};
  return Buffer.from(JSON.stringify({ ...envelope, causationid, traceparent, sequence, data }));
}

/** What retention has deleted are the oldest of each kind. */
function dropPruned(waiting: Map<string, unknown[]>, rows: readonly Row[]): void {
  const left = new Map<string, number>();
  for (const { type, subject } of rows) left.set(`${type} ${subject}`, (left.get(`${type} ${subject}`) ?? 0) + 1);
  for (const [key, entries] of waiting) entries.splice(0, Math.max(0, entries.length - (left.get(key) ?? 0)));
}

/** Nobody deletes orders in a simulation. */
function isUntouched(db: Database): boolean {
  const rows = db.prepare<[], { placed_before_ms: number; amount: number }>('SELECT * FROM deleted_orders').all();
  return rows.length === 1 && rows.every((row) => row.placed_before_ms === 0 && row.amount === 0);
}
