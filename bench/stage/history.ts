// The events of past orders in a database: what its service has published and handled, and that it is done with both.
import { choreography, type EventType, type ServiceName } from '../../shared/contract/choreography.ts';
import { type CloudEvent, encodeEvent, positionOf } from '../../shared/contract/cloud-event.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import { Inbox, type ReconcileCursor } from '../../shared/runtime/storage/inbox.ts';
import { Journal } from '../../shared/runtime/storage/journal.ts';
import { Outbox } from '../../shared/runtime/storage/outbox.ts';

export class History {
  readonly #db: Database;
  readonly #service: ServiceName;
  readonly #nowMs: number;
  readonly #journal: Journal;
  readonly #inbox: Inbox;
  /** The newest event of each publisher: its journal is compared up to there. */
  readonly #newest = new Map<string, ReconcileCursor>();

  constructor(db: Database, service: ServiceName, nowMs: number) {
    this.#nowMs = nowMs;
    this.#db = db;
    this.#service = service;
    // Known to the processes that fill the other databases.
    db.prepare('UPDATE journal_identity SET journal_id = ?').run(service);
    this.#journal = new Journal(db);
    const publishers = Object.values(choreography.events).flatMap(({ by, reactions }) =>
      service in reactions ? [by] : [],
    );
    this.#inbox = new Inbox(db, [...new Set(publishers)]);
  }

  /** The events of one order; those that name a position are in the journals. Inside a transaction only. */
  add(events: readonly CloudEvent[], writtenAtMs: number): void {
    this.#journal.begin();
    for (const event of events) {
      const { id, type, source, subject } = event;
      const position = positionOf(event);
      const own = source === this.#service;
      if (own && position !== undefined)
        this.#journal.append({ eventId: id, type, subject, body: encodeEvent(event) }, writtenAtMs);
      const isHandled = this.#service in choreography.events[type as EventType].reactions;
      if (own || !isHandled) continue;
      this.#inbox.accept({ id, source, position }, writtenAtMs);
      if (position !== undefined) this.#newest.set(source, { journalId: source, position, eventId: id, writtenAtMs });
    }
  }

  /** All of it is confirmed by the broker, and compared. */
  end(): void {
    this.#db
      .transaction(() => {
        new Outbox(this.#db, this.#journal, 'an earlier process').mark(this.#journal.head(), this.#nowMs);
        for (const [source, cursor] of this.#newest) this.#inbox.setCursor(source, cursor);
      })
      .immediate();
  }
}
