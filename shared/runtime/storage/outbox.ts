// The outbox table: messages that are committed with the state they tell of, and kept until the broker has them.
import type { OutgoingMessage } from '../messaging/bus.ts';
import type { Database } from './database.ts';

/** AUTOINCREMENT: a number is never given twice, so the relay can go on from the last one it has seen. */
export const outboxSchema = `
  CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    exchange TEXT NOT NULL,
    routing_key TEXT NOT NULL,
    message_id TEXT NOT NULL,
    content_type TEXT NOT NULL,
    mandatory INTEGER NOT NULL CHECK (mandatory IN (0, 1)),
    correlation_id TEXT,
    headers TEXT,
    body BLOB NOT NULL,
    written_at_ms INTEGER NOT NULL
  ) STRICT;
`;

export interface OutboxRow {
  readonly seq: number;
  readonly message: OutgoingMessage;
}

interface StoredRow {
  seq: number;
  exchange: string;
  routing_key: string;
  message_id: string;
  content_type: string;
  mandatory: number;
  correlation_id: string | null;
  headers: string | null;
  body: Buffer;
  written_at_ms: number;
}

export class Outbox {
  readonly #append;
  readonly #after;
  readonly #get;
  readonly #forget;
  readonly #count;
  readonly #countOf;

  constructor(db: Database) {
    this.#append = db.prepare(
      `INSERT INTO outbox (exchange, routing_key, message_id, content_type, mandatory, correlation_id, headers, body, written_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#after = db.prepare<[number, number], StoredRow>('SELECT * FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?');
    this.#get = db.prepare<[number], StoredRow>('SELECT * FROM outbox WHERE seq = ?');
    this.#forget = db.prepare('DELETE FROM outbox WHERE seq = ?');
    this.#count = db.prepare<[], number>('SELECT count(*) FROM outbox').pluck();
    this.#countOf = db.prepare<[string], number>('SELECT count(*) FROM outbox WHERE routing_key = ?').pluck();
  }

  /** Only inside the transaction that changes the state which the message tells of. Returns the row as it now stands. */
  append(message: OutgoingMessage, nowMs: number): OutboxRow {
    const { lastInsertRowid } = this.#append.run(
      message.exchange,
      message.routingKey,
      message.messageId,
      message.contentType,
      message.mandatory ? 1 : 0,
      message.correlationId ?? null,
      message.headers ? JSON.stringify(message.headers) : null,
      message.body,
      nowMs,
    );
    return { seq: Number(lastInsertRowid), message };
  }

  /** Rows above `seq`, oldest first. */
  after(seq: number, limit: number): OutboxRow[] {
    return this.#after.all(seq, limit).map(toRow);
  }

  get(seq: number): OutboxRow | undefined {
    const row = this.#get.get(seq);
    return row && toRow(row);
  }

  /** Only for rows that the broker has confirmed and routed. Returns how many there were: 0 when it was forgotten before. */
  forget(seq: number): number {
    return this.#forget.run(seq).changes;
  }

  count(): number {
    return this.#count.get() ?? 0;
  }

  /** Reads the whole table: for people's questions only. */
  countOf(routingKey: string): number {
    return this.#countOf.get(routingKey) ?? 0;
  }
}

function toRow(row: StoredRow): OutboxRow {
  return {
    seq: row.seq,
    message: {
      exchange: row.exchange,
      routingKey: row.routing_key,
      messageId: row.message_id,
      contentType: row.content_type,
      mandatory: row.mandatory === 1,
      correlationId: row.correlation_id ?? undefined,
      headers: row.headers === null ? undefined : (JSON.parse(row.headers) as Record<string, string>),
      body: row.body,
    },
  };
}
