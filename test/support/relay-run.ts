// A run of a service's outbox relay over a database that may have been there before: given what it holds, when the broker
// answers or the process dies, then this is what was published and what is left. Messages are named `type#position`.
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import { OutboxRelay, type RelayOptions } from '../../shared/runtime/messaging/outbox-relay.ts';
import { runtimeSchema } from '../../shared/runtime/node/runtime-schema.ts';
import { type Database, openDatabase } from '../../shared/runtime/storage/database.ts';
import { GroupCommit } from '../../shared/runtime/storage/group-commit.ts';
import { type DeadLetterMark, Journal } from '../../shared/runtime/storage/journal.ts';
import { Outbox } from '../../shared/runtime/storage/outbox.ts';
import { FakeBus } from './fake-bus.ts';
import { newDatabasePath } from './files.ts';
import { HandClock } from './hand-clock.ts';

/** The mark follows the confirms within this time. */
export const markMs = 1_000;

interface RunOptions extends Pick<RelayOptions, 'batchMax' | 'tracing' | 'hit'> {
  readonly bus?: FakeBus;
  readonly clock?: HandClock;
  readonly beforeStart?: (run: RelayRun) => void;
}

interface EntryOptions {
  readonly bodyBytes?: number;
  readonly deadLetter?: DeadLetterMark;
}

export class RelayRun {
  readonly path: string;
  readonly db: Database;
  readonly bus: FakeBus;
  readonly clock: HandClock;
  readonly journal: Journal;
  readonly outbox: Outbox;
  readonly commit: GroupCommit;
  readonly relay: OutboxRelay;
  readonly warnings: string[] = [];

  private constructor(
    path: string,
    { bus = new FakeBus(), clock = new HandClock(), beforeStart, ...options }: RunOptions,
  ) {
    this.path = path;
    this.bus = bus;
    this.clock = clock;
    this.db = openDatabase(path, [runtimeSchema.inboxAndOutbox, runtimeSchema.journal]);
    this.journal = new Journal(this.db);
    this.outbox = new Outbox(this.db, this.journal, uuidv7());
    this.commit = new GroupCommit(this.db, clock);
    this.relay = new OutboxRelay({
      ...options,
      journal: this.journal,
      outbox: this.outbox,
      commit: this.commit,
      bus,
      clock,
      log: { ...silentLog, warn: (_fields, message) => void this.warnings.push(message) },
      exchange: 'order.events',
      deadLetterExchange: 'dead-letters',
      mandatory: (type) => type !== 'order.confirmed',
    });
    this.commit.join(this.journal);
    this.commit.join(this.relay.mark);
    bus.start({ delivered() {}, publishingChanged: () => this.relay.publishingChanged() });
    beforeStart?.(this);
    this.relay.start();
  }

  /** The first run of a process that nothing is kept of. */
  static inMemory(options: RunOptions = {}): RelayRun {
    return new RelayRun(':memory:', options);
  }

  /** A run over a file; left out: a new one. */
  static over(path = newDatabasePath(), options: RunOptions = {}): RelayRun {
    return new RelayRun(path, options);
  }

  // ---- given and when

  /** Entries of one transaction, which commits. */
  write(count = 1, type = 'order.placed', options: EntryOptions = {}): this {
    this.commit.submit(
      () => this.append(count, type, options),
      (result) => expect(result.ok, 'written').to.equal(true),
    );
    this.clock.turn();
    return this;
  }

  /** Inside a transaction only. */
  append(count = 1, type = 'order.placed', { bodyBytes = 10, deadLetter }: EntryOptions = {}): void {
    for (let n = 0; n < count; n += 1) {
      const body = Buffer.from(`${type}#${this.journal.nextPosition}`.padEnd(bodyBytes));
      this.journal.append({ eventId: uuidv7(), type, subject: 'o1', body, deadLetter }, this.clock.nowMs());
    }
  }

  /** The broker confirms everything that is on its way, and the mark follows. */
  confirmAll(): this {
    this.bus.answerOpen('confirmed');
    this.clock.advance(markMs);
    return this;
  }

  /** So many `order.placed` have no queue, and the mark has gone past them, since an `order.withdrawn` got through. */
  writeStuck(count: number): this {
    this.write(count);
    this.bus.answerOpen('unroutable');
    this.write(1, 'order.withdrawn');
    this.bus.published.at(-1)?.answer('confirmed');
    for (const retryMs of [200, 400]) {
      this.clock.advance(retryMs);
      this.bus.answerOpen('unroutable');
    }
    this.clock.advance(400);
    return this;
  }

  /** The process is gone, without an orderly stop. */
  die(): void {
    this.relay.stop();
    this.commit.close();
    this.db.close();
  }

  /** The process dies, and is started again over the same file. */
  restart(options: RunOptions = {}): RelayRun {
    this.die();
    return new RelayRun(this.path, options);
  }

  // ---- then

  get sent(): string[] {
    return this.bus.published.map(({ message }) => message.body.toString().trim());
  }

  get open(): string[] {
    return this.bus.open.map(({ message }) => message.body.toString().trim());
  }

  /** What a run that began now would publish. */
  get left(): number[] {
    return [
      ...this.outbox.exceptionsAfter(0, 1_000).map(({ position }) => position),
      ...this.journal.after(this.outbox.confirmedUntil(), 1_000).map(({ position }) => position),
    ];
  }

  get exceptions(): number[] {
    return this.db.prepare<[], number>('SELECT position FROM outbox_exceptions').pluck().all();
  }
}

export function named(type: string, ...positions: number[]): string[] {
  return positions.map((position) => `${type}#${position}`);
}
