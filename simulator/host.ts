// One service that takes one step at a time, each until no work is left: no network, no waiting, no chance.

import type { SagaService } from '../services.ts';
import type { Clock } from '../shared/runtime/environment/clock.ts';
import { silentLog } from '../shared/runtime/environment/log.ts';
import type { BusListener, OutgoingMessage } from '../shared/runtime/messaging/bus.ts';
import { ServiceNode } from '../shared/runtime/node/service-node.ts';
import { SimDatabase } from './environment/sim-database.ts';
import type { Mutant } from './mutants/mutant.ts';

export type Table = readonly [name: string, rows: readonly unknown[][]];
/** Everything in a database. A table that has not changed is the same object as before. */
export type Rows = readonly Table[];

/** Timers up to this long belong to a step. Longer ones are fallbacks that nothing may depend on. */
const stepMs = 1_500;

export interface HostOptions {
  readonly taken: (message: OutgoingMessage) => void;
  readonly nowMs: () => number;
  readonly newId: () => string;
  readonly failpoint: (point: string) => void;
}

export class Host {
  readonly database: SimDatabase;
  listener: BusListener | undefined;
  /** The database may have changed since it was last saved or restored. */
  dirty = true;
  readonly #definition: SagaService;
  readonly #options: HostOptions;
  readonly #tables: readonly {
    readonly name: string;
    readonly all: () => unknown[][];
    readonly put: Put;
    readonly clear: () => void;
  }[];
  /** What the tables held when they were last captured or restored. */
  #rows: Rows = [];
  #node: ServiceNode | undefined;
  #todo: { readonly afterMs: number; readonly run: () => void }[] = [];

  constructor(definition: SagaService, mutant: Mutant | undefined, options: HostOptions) {
    this.#definition = definition;
    this.#options = options;
    this.database = new SimDatabase(definition.migrations, mutant?.statements?.(definition.name));
    mutant?.opened?.(this.database, definition.name);
    const { db } = this.database;
    this.#tables = db
      .prepare<[], string>("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
      .pluck()
      .all()
      .map((name) => {
        const all = db.prepare(`SELECT * FROM ${name}`).raw();
        const width = db.prepare(`SELECT * FROM ${name}`).columns().length;
        const insert = db.prepare(`INSERT INTO ${name} VALUES (${Array(width).fill('?').join(', ')})`);
        const remove = db.prepare(`DELETE FROM ${name}`);
        return {
          name,
          all: () => all.all() as unknown[][],
          put: (row: unknown[]) => void insert.run(...row),
          clear: () => void remove.run(),
        };
      });
  }

  get node(): ServiceNode {
    if (!this.#node) throw new Error(`${this.#definition.name} is not running`);
    return this.#node;
  }

  boot(): void {
    const clock: Clock = {
      nowMs: this.#options.nowMs,
      steadyMs: this.#options.nowMs,
      newId: this.#options.newId,
      soon: (run) => void this.#todo.push({ afterMs: 0, run }),
      after: (afterMs, run) => {
        const entry = { afterMs, run };
        if (afterMs <= stepMs) this.#todo.push(entry);
        return {
          cancel: () => {
            this.#todo = this.#todo.filter((other) => other !== entry);
          },
        };
      },
    };
    this.#node = new ServiceNode(this.#definition, {
      db: this.database.open(),
      clock,
      log: silentLog,
      hit: (point) => this.#options.failpoint(point),
      bus: {
        start: (listener) => {
          this.listener = listener;
        },
        canPublish: () => true,
        publish: (message, done) => {
          this.#options.taken(message);
          this.#todo.push({ afterMs: 0, run: () => done('confirmed') });
        },
        backlog: (done) => done(0),
        status: () => ({ publisher: 'connected', consumer: 'connected' }),
        stopConsuming: () => Promise.resolve(),
        stop: () => Promise.resolve(),
      },
    });
    this.dirty = true;
    // The alarm sleeps longer than a step; it is a step of its own.
    this.#node.start();
    this.rest();
  }

  crash(): void {
    this.#node = undefined;
    this.#todo = [];
    this.database.rollBack();
  }

  /** Runs what is due, soonest first, until nothing is. */
  rest(): void {
    this.dirty = true;
    for (;;) {
      if (this.#todo.length === 0) return;
      let soonest = 0;
      this.#todo.forEach(({ afterMs }, index) => {
        if (afterMs < (this.#todo[soonest]?.afterMs ?? 0)) soonest = index;
      });
      const [entry] = this.#todo.splice(soonest, 1);
      entry?.run();
    }
  }

  capture(): Rows {
    const before = this.#rows;
    this.#rows = this.#tables.map(({ name, all }, index): Table => {
      const known = before[index];
      const rows = all();
      return known && sameRows(known[1], rows) ? known : [name, rows];
    });
    return this.#rows;
  }

  /** Puts these rows in the place of all, and starts a new process on them: what the old one knew was about other rows. */
  restore(rows: Rows): void {
    this.crash();
    const now = this.dirty ? this.capture() : this.#rows;
    const { db } = this.database;
    db.pragma('foreign_keys = OFF');
    db.exec('BEGIN');
    this.#tables.forEach(({ clear, put }, index) => {
      if (now[index] === rows[index]) return;
      clear();
      for (const row of rows[index]?.[1] ?? []) put(row);
    });
    db.exec('COMMIT');
    db.pragma('foreign_keys = ON');
    this.#rows = rows;
    this.boot();
  }

  /** Ids of the events in the inbox. */
  handled(rows: Rows): string[] {
    const inbox = rows.find(([table]) => table === 'inbox')?.[1] ?? [];
    return inbox.map(([id]) => dashed((id as Buffer).toString('hex')));
  }
}

type Put = (row: unknown[]) => void;

function sameRows(a: readonly unknown[][], b: readonly unknown[][]): boolean {
  return a.length === b.length && a.every((row, index) => sameRow(row, b[index] ?? []));
}

function sameRow(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.every((value, index) => {
    const other = b[index];
    return value === other || (Buffer.isBuffer(value) && Buffer.isBuffer(other) && value.equals(other));
  });
}

/** A UUID from its 32 hexadecimal digits. */
export function dashed(hex: string): string {
  return hex.length === 32
    ? `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
    : hex;
}
