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
    thread.once('message', resolve);
    thread.once('error', reject);
    thread.once('exit', (code) => reject(new Error(`the thread that reads a table has ended with ${code}`)));
  });
}

function readAll({ readAllIn, sql }: Task): unknown[] {
  const db = new Sqlite(readAllIn, { readonly: true, fileMustExist: true });
  try {
    return db.prepare<[], unknown>(sql).all();
  } finally {
    db.close();
  }
}

const task = Task.safeParse(workerData);
if (task.success) parentPort?.postMessage(readAll(task.data));
