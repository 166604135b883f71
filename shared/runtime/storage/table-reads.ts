// Reads of whole tables. In a large database they are done by a thread with a connection of its own, since they would hold up
// the event loop for seconds. The thread runs this same file.
import { fileURLToPath } from 'node:url';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import Sqlite, { type Database } from 'better-sqlite3';
import { z } from 'zod';
import { bytesOf } from './integrity.ts';

/** What is read in a few milliseconds. */
const readHereBytesMax = 8 * 1024 * 1024;

const Task = z.object({ readAllIn: z.string(), sql: z.string() });
type Task = z.output<typeof Task>;

/** An error of SQLite would lose its code on its way to another thread. */
const Read = z.union([
  z.object({ rows: z.array(z.unknown()) }),
  z.object({ failed: z.object({ message: z.string(), code: z.string() }) }),
]);
type Read = z.output<typeof Read>;

export class TableReads {
  readonly #db: Database;
  readonly #readHereBytesMax: number;
  /** Who asks while the same is being read gets that answer, too. */
  readonly #running = new Map<string, Promise<unknown[]>>();

  /** @param hereBytesMax a database up to this size is read at once, without a thread; one in memory always is */
  constructor(db: Database, hereBytesMax = readHereBytesMax) {
    this.#db = db;
    this.#readHereBytesMax = hereBytesMax;
  }

  /** @param sql a query without parameters. @returns its rows, of one moment */
  all<T>(sql: string, row: z.ZodType<T>): Promise<T[]> {
    const rows = this.#running.get(sql) ?? this.#read(sql);
    return rows.then((found) => z.array(row).parse(found));
  }

  #read(sql: string): Promise<unknown[]> {
    if (this.#db.memory || bytesOf(this.#db) <= this.#readHereBytesMax)
      return Promise.resolve(this.#db.prepare<[], unknown>(sql).all());
    const rows = readInThread({ readAllIn: this.#db.name, sql });
    this.#running.set(sql, rows);
    const done = (): void => void this.#running.delete(sql);
    rows.then(done, done);
    return rows;
  }
}

function readInThread(task: Task): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(fileURLToPath(import.meta.url), { workerData: task });
    thread.unref();
    thread.once('message', (message: unknown) => {
      const read = Read.parse(message);
      if ('rows' in read) resolve(read.rows);
      else reject(new Sqlite.SqliteError(read.failed.message, read.failed.code));
    });
    thread.once('error', reject);
    thread.once('exit', (code) => reject(new Error(`the thread that reads a table has ended with ${code}`)));
  });
}

function readAll({ readAllIn, sql }: Task): Read {
  let db: Database | undefined;
  try {
    db = new Sqlite(readAllIn, { readonly: true, fileMustExist: true });
    return { rows: db.prepare<[], unknown>(sql).all() };
  } catch (error) {
    if (!(error instanceof Sqlite.SqliteError)) throw error;
    return { failed: { message: error.message, code: error.code } };
  } finally {
    db?.close();
  }
}

const task = Task.safeParse(workerData);
if (task.success) parentPort?.postMessage(readAll(task.data));
