// Opens a service's database the way the README of better-sqlite3 does: WAL, and every other setting as it comes. So
// `synchronous` is NORMAL: a commit is not fsynced, and a power cut loses the last ones. better-sqlite3 is the project's
// own, so that it is not compiled a second time.
import Database from 'better-sqlite3';

/** @param {string} schema @param {string} path */
export function openDatabase(schema, path = process.env.DATABASE_PATH ?? ':memory:') {
  const db = new Database(path);
  db.pragma('journal_mode = WAL');
  db.exec(schema);
  return db;
}
