// Another process that holds the write lock of a database, as a backup tool or a shell would.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const script = `
  import Sqlite from 'better-sqlite3';
  const db = new Sqlite(process.argv[1], { timeout: 10000 });
  db.exec('BEGIN IMMEDIATE');
  process.stdout.write('locked');
  process.stdin.resume();
  process.stdin.on('end', () => process.exit(0));
`;

/** Resolves once the database is locked, with what releases it. */
export async function lockDatabase(path: string): Promise<() => Promise<void>> {
  const holder = spawn(process.execPath, ['--input-type=module', '--eval', script, path], {
    cwd: import.meta.dirname,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(holder, 'exit');
  await Promise.race([once(holder.stdout, 'data'), ended]);
  return async () => {
    holder.stdin.end();
    await ended;
  };
}
