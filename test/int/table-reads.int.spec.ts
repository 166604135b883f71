// Whole tables of a large database are read beside the event loop.
import { expect } from 'chai';
import { z } from 'zod';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import { TableReads } from '../../shared/runtime/storage/table-reads.ts';
import { newDatabasePath, removeDatabases } from '../support/files.ts';

const sql = 'SELECT count(*) AS rows, sum(n) AS total FROM numbers';
const Row = z.object({ rows: z.int(), total: z.int() });
const migrations = ['CREATE TABLE numbers (n INTEGER NOT NULL) STRICT; INSERT INTO numbers VALUES (1), (2), (3)'];

describe('a read of a whole table', () => {
  afterEach(removeDatabases);

  for (const [where, hereBytesMax] of [
    ['at once, in a small database', 1_000_000],
    ['by a thread, in a larger one', 0],
  ] as const)
    it(`gives what is committed: ${where}`, async () => {
      const db = openDatabase(newDatabasePath(), migrations);
      const reads = new TableReads(db, hereBytesMax);
      expect(await reads.all(sql, Row)).to.deep.equal([{ rows: 3, total: 6 }]);
      db.exec('INSERT INTO numbers VALUES (4)');
      expect(await reads.all(sql, Row)).to.deep.equal([{ rows: 4, total: 10 }]);
      db.close();
    });

  it('is one read for all who ask while it lasts, and does not wait for the event loop', async () => {
    const db = openDatabase(newDatabasePath(), migrations);
    const reads = new TableReads(db, 0);
    const first = reads.all(sql, Row);
    // A read of its own would see this row.
    db.exec('INSERT INTO numbers VALUES (5)');
    const second = reads.all(sql, Row);
    expect(await second).to.deep.equal(await first);
    db.close();
  });

  it('fails for all who ask when it cannot be done, and is tried anew after that', async () => {
    const db = openDatabase(newDatabasePath(), migrations);
    const reads = new TableReads(db, 0);
    const errors = await Promise.all([1, 2].map(() => reads.all('SELECT * FROM missing', Row).catch(String)));
    for (const error of errors) expect(error).to.match(/no such table: missing/);
    db.exec('CREATE TABLE missing (rows INTEGER, total INTEGER)');
    expect(await reads.all('SELECT * FROM missing', Row)).to.deep.equal([]);
    db.close();
  });
});
