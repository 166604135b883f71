// The events of past orders in a database: what its service has published and handled, and that it is done with both.
import { choreography, type EventType, type ServiceName } from '../../shared/contract/choreography.ts';
import { type CloudEvent, encodeEvent, positionOf } from '../../shared/contract/cloud-event.ts';
import type { Database } from '../../shared/runtime/storage/database.ts';
import { Inbox } from '../../shared/runtime/storage/inbox.ts';
import { Journal } from '../../shared/runtime/storage/journal.ts';
import { Outbox } from '../../shared/runtime/storage/outbox.ts';

export class History {
  readonly #db: Database;
  readonly #service: ServiceName;
  readonly #nowMs: number;
  readonly #journal: Journal;
  readonly #inbox: Inbox;
  /** The newest event of each publisher. */
  readonly #newest = new Map<string, { readonly event: CloudEvent; readonly writtenAtMs: number }>();

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

  add(events: readonly CloudEvent[], writtenAtMs: number, journaled: boolean): void {
    this.#journal.begin();
    for (const event of events) {
      const { id, type, source, subject } = event;
      const own = source === this.#service;
      if (own && journaled) this.#journal.append({ eventId: id, type, subject, body: encodeEvent(event) }, writtenAtMs);
      const isHandled = this.#service in choreography.events[type as EventType].reactions;
      const position = journaled ? positionOf(event) : undefined;
      if (!own && isHandled) this.#inbox.accept({ id, source, position }, writtenAtMs);
      if (journaled && isHandled) this.#newest.set(source, { event, writtenAtMs });
    }
  }

  end(): void {
    this.#db
      .transaction(() => {
        new Outbox(this.#db, this.#journal, 'an earlier process').mark(this.#journal.head(), this.#nowMs);
        for (const [source, { event, writtenAtMs }] of this.#newest) {
          const position = positionOf(event) ?? 0;
          if (source !== this.#service)
            this.#inbox.setCursor(source, { journalId: source, position, eventId: event.id, writtenAtMs });
        }
      })
      .immediate();
  }
}
