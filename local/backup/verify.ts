// Whether a file is a whole database, and what identifies it.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import Sqlite from 'better-sqlite3';
import { findDamage } from '../../shared/runtime/storage/integrity.ts';
import { BackupError, reasonOf } from './backup-error.ts';

export interface DatabaseFacts {
  readonly bytes: number;
  readonly sha256: string;
  /** `user_version`: how many migrations the service has run. */
  readonly schemaVersion: number;
}

/**
 * Reads the whole file and lets SQLite check it.
 * @param path a database that no process has open, as copyDatabase makes it
 * @throws BackupError when it is damaged, or when no service has written it
 */
export async function verifyDatabase(path: string): Promise<DatabaseFacts> {
  const schemaVersion = checkedSchemaVersion(path);
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return { bytes: (await stat(path)).size, sha256: hash.digest('hex'), schemaVersion };
}

function checkedSchemaVersion(path: string): number {
  let schemaVersion: number;
  let damage: string | undefined;
  try {
    const db = new Sqlite(path, { readonly: true, fileMustExist: true });
    try {
      damage = findDamage(db);
      schemaVersion = Number(db.pragma('user_version', { simple: true }));
    } finally {
      db.close();
    }
  } catch (error) {
    damage = reasonOf(error);
    schemaVersion = 0;
  }
  if (damage !== undefined) throw new BackupError(`the database is damaged: ${damage}`);
  if (schemaVersion === 0) throw new BackupError('it is not a database of a service: its schema version is 0');
  return schemaVersion;
}
