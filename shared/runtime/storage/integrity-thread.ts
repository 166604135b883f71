// Looks for damage in a large database in a thread of its own; the thread runs this same file.
import { fileURLToPath } from 'node:url';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import Sqlite from 'better-sqlite3';
import { z } from 'zod';
import { findDamage } from './integrity.ts';

const Task = z.object({ lookForDamageIn: z.string() });

/**
 * Reads a file beside whoever writes it.
 * @returns what is wrong, in SQLite's words; undefined: nothing. Rejects when it could not be read to its end.
 */
export function findDamageInBackground(path: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const task: z.output<typeof Task> = { lookForDamageIn: path };
    const thread = new Worker(fileURLToPath(import.meta.url), { workerData: task });
    thread.unref();
    thread.once('message', resolve);
    thread.once('error', reject);
    thread.once('exit', (code) => reject(new Error(`the thread that looks for damage has ended with ${code}`)));
  });
}

function findDamageIn(path: string): string | undefined {
  const db = new Sqlite(path, { readonly: true, fileMustExist: true });
  try {
    return findDamage(db);
  } catch (error) {
    if (error instanceof Sqlite.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code)) return error.message;
    throw error;
  } finally {
    db.close();
  }
}

const task = Task.safeParse(workerData);
if (task.success) parentPort?.postMessage(findDamageIn(task.data.lookForDamageIn));
