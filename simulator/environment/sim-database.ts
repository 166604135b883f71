// The disk of one service: a real SQLite database in memory that outlives the processes on it, and the faults of disks.
import Sqlite, { type Statement } from 'better-sqlite3';
import { type Database, openDatabase } from '../../shared/runtime/storage/database.ts';

/**
 * Sees every statement that the code prepares. Returns the statement itself, or one that behaves differently: this is
 * how faults and planted bugs get in without a switch in the services.
 */
export type StatementHook = (sql: string, statement: Statement, db: Database) => Statement;

/** What a database does with its transactions, as its statements say. `undo`: back to the savepoint. */
export type Transition = 'begin' | 'commit' | 'rollback' | 'save' | 'undo';

export interface Observer {
  /** After it has happened. */
  transition?(what: Transition): void;
  /** A fault of the disk has begun or ended. */
  faultChanged?(): void;
}

export class SimDatabase {
  /** Who is called back; set by whoever wants to know. */
  observer: Observer = {};
  #db: Database;
  readonly #migrations: readonly string[];
  readonly #hook: StatementHook | undefined;
  #onDisk: Buffer | undefined;
  #locked = false;
  #full = false;
  #readOnly = false;
  /** Preparing is the slowest part of starting a process, and statements survive it. */
  readonly #prepared = new Map<string, Statement>();

  constructor(migrations: readonly string[], hook?: StatementHook) {
    this.#migrations = migrations;
    this.#db = openDatabase(':memory:', migrations);
    this.#hook = hook;
  }

  /** The database itself, for checks from outside. */
  get db(): Database {
    return this.#db;
  }

  /** What a process gets when it opens the file. */
  open(): Database {
    const db = this.#db;
    const handle = Object.create(db) as Database;
    handle.prepare = ((sql: string) => {
      const statement = this.#prepared.get(sql) ?? db.prepare(sql);
      this.#prepared.set(sql, statement);
      const transition = transitionOf(sql);
      const observed = transition ? this.#observed(statement, transition) : statement;
      return this.#hook ? this.#hook(sql, observed, db) : observed;
    }) as Database['prepare'];
    return handle;
  }

  #observed(statement: Statement, transition: Transition): Statement {
    return replaced(statement, {
      run: () => {
        if (this.#locked && transition === 'begin') throw new Sqlite.SqliteError('database is locked', 'SQLITE_BUSY');
        const result = statement.run();
        this.observer.transition?.(transition);
        return result;
      },
    });
  }

  /** A fault keeps it from being written. */
  get faulty(): boolean {
    return this.#locked || this.#full || this.#readOnly;
  }

  /** The process that had it open has crashed: what it had not committed is gone. */
  rollBack(): void {
    if (this.#db.inTransaction) this.#db.exec('ROLLBACK');
    this.observer.transition?.('rollback');
  }

  full(yes: boolean): void {
    const pages = yes ? Number(this.#db.pragma('page_count', { simple: true })) : 1_073_741_823;
    this.#db.pragma(`max_page_count = ${pages}`);
    this.#full = yes;
    this.observer.faultChanged?.();
  }

  readOnly(yes: boolean): void {
    this.#db.pragma(`query_only = ${yes ? 1 : 0}`);
    this.#readOnly = yes;
    this.observer.faultChanged?.();
  }

  /** Another process takes the write lock, or gives it back. */
  lock(yes: boolean): void {
    this.#locked = yes;
    this.observer.faultChanged?.();
  }

  /** Every fault of the disk is over. */
  repair(): void {
    this.lock(false);
    this.full(false);
    this.readOnly(false);
  }

  /** A copy of everything that is committed. */
  snapshot(): Buffer {
    return this.#db.serialize();
  }

  /** The database is again what it was then. No process must have it open. */
  putBack(snapshot: Buffer): void {
    this.#replace(snapshot);
  }

  /** The file was deleted: whoever opens it next begins with an empty one. No process must have it open. */
  renew(): void {
    this.#db = openDatabase(':memory:', this.#migrations);
    this.#prepared.clear();
  }

  #replace(contents: Buffer): void {
    const synchronous = Number(this.#db.pragma('synchronous', { simple: true }));
    this.#db = new Sqlite(contents);
    this.#prepared.clear();
    this.#db.pragma(`synchronous = ${synchronous}`);
    this.#db.pragma('foreign_keys = ON');
    this.#db.pragma('temp_store = MEMORY');
    this.#db.pragma('busy_timeout = 0');
  }

  get #durable(): boolean {
    return Number(this.#db.pragma('synchronous', { simple: true })) >= 2;
  }

  /** A checkpoint: with `synchronous=NORMAL` only now what was committed before is on disk. */
  checkpoint(): void {
    if (!this.#durable && !this.#db.inTransaction) this.#onDisk = this.#db.serialize();
  }

  /** With `synchronous=FULL` every commit is on disk. Otherwise the database is as it was at the last checkpoint. */
  losePower(): void {
    this.rollBack();
    if (this.#durable || !this.#onDisk) return;
    this.#replace(this.#onDisk);
  }
}

/** What a statement does with the transaction; undefined: nothing. */
function transitionOf(sql: string): Transition | undefined {
  if (sql === 'BEGIN IMMEDIATE') return 'begin';
  if (sql === 'COMMIT') return 'commit';
  if (sql === 'ROLLBACK') return 'rollback';
  if (sql.startsWith('SAVEPOINT ')) return 'save';
  return sql.startsWith('ROLLBACK TO ') ? 'undo' : undefined;
}

/** A statement with some of its methods replaced. */
export function replaced(
  statement: Statement,
  methods: Partial<Pick<Statement, 'run' | 'get' | 'all' | 'iterate'>>,
): Statement {
  const changed = Object.assign(Object.create(statement) as Statement, methods);
  // These work on the real one only, and return it.
  changed.pluck = (on) => {
    statement.pluck(on ?? true);
    return changed;
  };
  return changed;
}
