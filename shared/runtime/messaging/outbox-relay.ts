// Takes rows from the outbox to the broker. A row is forgotten only when the broker has confirmed the message *and*
// routed it; whatever else happens, it is published again. Sending twice is harmless (inbox), not sending is not.

import { backoffMs, type Clock, type Timer } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import type { GroupCommit, GroupParticipant, HitFailpoint } from '../storage/group-commit.ts';
import type { Outbox, OutboxRow } from '../storage/outbox.ts';
import type { Bus, PublishOutcome } from './bus.ts';
import { type Parcel, pack } from './event-batch.ts';

/** Most messages on their way without a confirm. */
const windowMax = 1_000;
/** Most bytes on their way without a confirm. */
const windowBytesMax = 8 * 1024 * 1024;
/** Confirmed rows wait this long for a group to ride along with before they get a transaction of their own. */
const forgetDelayMs = 20;
/** Slow fallback for rows that no wake-up told of: another process sharing the file, or a missed case. */
const rescanMs = 30_000;
const retryMinMs = 200;
const retryMaxMs = 5_000;

export interface RelayOptions {
  readonly outbox: Outbox;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /** Most events in one message; see event-batch.ts. Default 1. */
  readonly batchMax?: number | undefined;
  readonly reached?: HitFailpoint | undefined;
}

export interface RelayStatus {
  /** Rows that the broker does not have yet, as far as this process knows. */
  readonly waiting: number;
  /** Rows that came back because no queue is bound for them, by `exchange/routing key`. */
  readonly unroutable: Readonly<Record<string, number>>;
}

/** A routing key whose messages do not get through: the oldest is tried alone, the others wait behind it. */
interface Retry {
  lowest: number;
  attempt: number;
  timer: Timer | undefined;
  unroutable: boolean;
}

export class OutboxRelay implements GroupParticipant {
  readonly #outbox: Outbox;
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #batchMax: number;
  readonly #reached: HitFailpoint;
  #commit: GroupCommit | undefined;
  /** Highest row handed to the broker. */
  #cursor = 0;
  /** There may be rows above it. */
  #more = true;
  readonly #inFlight = new Map<number, number>();
  #inFlightBytes = 0;
  /** Confirmed, still in the table. */
  readonly #confirmed = new Set<number>();
  /** Those of them that the open transaction is deleting. */
  #forgetting: number[] = [];
  readonly #retries = new Map<string, Retry>();
  #forgetTimer: Timer | undefined;
  #rescanTimer: Timer | undefined;
  #waiting = 0;
  /** By the work that is going on, and by the group as far as it was not undone. */
  #appending: OutboxRow[] = [];
  #appended: OutboxRow[] = [];
  #forgotten = 0;
  #stopped = false;

  constructor({ outbox, bus, clock, log, batchMax = 1, reached = () => {} }: RelayOptions) {
    this.#outbox = outbox;
    this.#bus = bus;
    this.#clock = clock;
    this.#log = log;
    this.#batchMax = batchMax;
    this.#reached = reached;
  }

  /** Begins with whatever an earlier run left behind. */
  start(commit: GroupCommit): void {
    this.#commit = commit;
    this.#waiting = this.#outbox.count();
    this.#rescanLater();
    this.pump();
  }

  stop(): void {
    this.#stopped = true;
    this.#forgetTimer?.cancel();
    this.#rescanTimer?.cancel();
    for (const retry of this.#retries.values()) retry.timer?.cancel();
  }

  /** True when every row is confirmed and forgotten. */
  get drained(): boolean {
    return this.#waiting === 0 && this.#confirmed.size === 0 && this.#inFlight.size === 0;
  }

  /** Rows that the broker does not have yet, as far as this process knows. */
  get waiting(): number {
    return this.#waiting;
  }

  status(): RelayStatus {
    const unroutable: Record<string, number> = {};
    for (const [key, retry] of this.#retries) {
      if (retry.unroutable) unroutable[key] = this.#outbox.countOf(key.slice(key.indexOf('/') + 1));
    }
    return { waiting: this.#waiting, unroutable };
  }

  /** To be called for every row that a transaction appends, inside that transaction. */
  appended(row: OutboxRow): void {
    this.#appending.push(row);
  }

  // ---- riding along with group commits

  begin(): void {
    this.#appending = [];
    this.#appended = [];
    this.#forgotten = 0;
    this.#forgetting = [...this.#confirmed];
    for (const seq of this.#forgetting) this.#forgotten += this.#outbox.forget(seq);
  }

  worked(kept: boolean): void {
    if (kept) this.#appended.push(...this.#appending);
    this.#appending = [];
  }

  committed(): void {
    for (const seq of this.#forgetting) this.#confirmed.delete(seq);
    const rows = this.#appended;
    this.#waiting += rows.length - this.#forgotten;
    this.#forgetting = [];
    this.#appended = [];
    if (rows.length === 0) return;
    if (!this.#more && this.#ready() && rows.length <= this.#room()) return this.#take(rows);
    // They are behind others, or can't go now: they are read from the table when it is their turn.
    this.#more = true;
    this.pump();
  }

  rolledBack(): void {
    this.#forgetting = [];
    this.#appended = [];
    this.#forgetLater();
  }

  // ---- publishing

  /** Publishes as much as the window and the broker allow. Cheap when there is nothing to do. */
  pump(): void {
    while (this.#more && this.#ready() && this.#room() > 0) {
      const room = this.#room();
      const rows = this.#outbox.after(this.#cursor, room);
      this.#more = rows.length === room;
      this.#take(rows);
    }
  }

  /** Publishes rows, which are the next after the cursor. */
  #take(rows: readonly OutboxRow[]): void {
    const fresh: OutboxRow[] = [];
    let bytes = this.#inFlightBytes;
    for (const row of rows) {
      if (bytes > windowBytesMax) {
        this.#more = true;
        break;
      }
      bytes += row.message.body.length;
      this.#cursor = row.seq;
      if (this.#inFlight.has(row.seq) || this.#confirmed.has(row.seq)) continue;
      // What is behind a message that does not get through waits with it.
      if (!this.#retries.has(retryKey(row))) fresh.push(row);
    }
    for (const parcel of pack(fresh, this.#batchMax)) this.#publish(parcel);
  }

  #ready(): boolean {
    return !this.#stopped && this.#bus.canPublish();
  }

  #room(): number {
    return this.#inFlightBytes > windowBytesMax ? 0 : windowMax - this.#inFlight.size;
  }

  #publish({ message, rows }: Parcel): void {
    for (const { seq, message: event } of rows) {
      this.#inFlight.set(seq, event.body.length);
      this.#inFlightBytes += event.body.length;
    }
    this.#reached('before-publish');
    this.#bus.publish(message, (outcome) => {
      for (const row of rows) this.#settled(row, outcome);
      this.pump();
    });
    this.#reached('after-publish');
  }

  #settled(row: OutboxRow, outcome: PublishOutcome): void {
    if (this.#stopped) return;
    const { seq, message } = row;
    this.#inFlight.delete(seq);
    this.#inFlightBytes -= message.body.length;
    const key = retryKey(row);
    if (outcome === 'confirmed') {
      this.#reached('after-confirm');
      this.#confirmed.add(seq);
      this.#forgetLater();
      this.#released(key, seq);
      return;
    }
    let retry = this.#retries.get(key);
    if (outcome === 'lost' && !retry) {
      // Published again, in order, as soon as there is a connection.
      this.#rewind(seq);
      return;
    }
    if (!retry) {
      retry = { lowest: seq, attempt: 0, timer: undefined, unroutable: false };
      this.#retries.set(key, retry);
    }
    if (outcome === 'unroutable' && !retry.unroutable) {
      this.#log.warn(
        { exchange: message.exchange, routingKey: message.routingKey },
        'no queue is bound for this message: it is kept and tried again; declare the queue, or restore its binding',
      );
    }
    retry.unroutable = outcome === 'unroutable';
    retry.lowest = Math.min(retry.lowest, seq);
    this.#retryLater(key, retry);
  }

  #retryLater(key: string, retry: Retry): void {
    if (retry.timer) return;
    retry.attempt += 1;
    retry.timer = this.#clock.after(backoffMs(retry.attempt, retryMinMs, retryMaxMs), () => {
      retry.timer = undefined;
      if (!this.#bus.canPublish() || this.#inFlight.has(retry.lowest)) return this.#retryLater(key, retry);
      const row = this.#outbox.get(retry.lowest);
      if (row) this.#publish({ message: row.message, rows: [row] });
      else this.#released(key, retry.lowest);
    });
  }

  /** If this was the message that held the others of its routing key up, they follow. */
  #released(key: string, seq: number): void {
    const retry = this.#retries.get(key);
    if (!retry || seq !== retry.lowest) return;
    retry.timer?.cancel();
    this.#retries.delete(key);
    this.#rewind(seq);
  }

  #rewind(seq: number): void {
    this.#more = true;
    this.#cursor = Math.min(this.#cursor, seq - 1);
  }

  // ---- forgetting

  #forgetLater(): void {
    if (this.#forgetTimer || this.#stopped || this.#confirmed.size === 0) return;
    this.#forgetTimer = this.#clock.after(forgetDelayMs, () => {
      this.#forgetTimer = undefined;
      if (this.#confirmed.size === 0) return;
      // The work is empty: begin() does the deleting for every group.
      this.#commit?.submit(
        () => {},
        (result) => {
          if (!result.ok) this.#forgetLater();
        },
      );
    });
  }

  #rescanLater(): void {
    this.#rescanTimer = this.#clock.after(rescanMs, () => {
      this.#cursor = 0;
      this.#more = true;
      // Another process sharing the file may have forgotten rows that were counted here, and the other way round.
      this.#waiting = this.#outbox.count();
      this.pump();
      this.#rescanLater();
    });
  }
}

function retryKey({ message }: OutboxRow): string {
  return `${message.exchange}/${message.routingKey}`;
}
