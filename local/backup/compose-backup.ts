// The databases of a compose system, as sources of a backup and as targets of a restore.
import { createReadStream, createWriteStream } from 'node:fs';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { BackupError } from './backup-error.ts';
import { Compose, type ComposeDatabase } from './compose-service.ts';
import type { Manifest } from './manifest.ts';
import type { Target } from './restore-backup.ts';
import type { Source } from './take-backup.ts';

/** The copy is made in the script's own container, which is gone afterwards, and comes over its standard output. */
const copyScript = `
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
await copyDatabase(path, '/tmp/copy.db');
await pipeline(createReadStream('/tmp/copy.db'), process.stdout);
`;

/**
 * All instances of these services.
 * @throws BackupError when Docker Compose is not installed
 */
export async function composeSources(services: readonly ServiceName[]): Promise<Source[]> {
  const compose = await Compose.find();
  return (await compose.databasesOf(services)).map((database) => ({
    service: database.container,
    description: descriptionOf(database, compose),
    async copyTo(path) {
      const output = createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true });
      await compose.runScript(database, 'copy-database', copyScript, { output });
    },
  }));
}

/**
 * Those instances of these services that the backup contains.
 * @throws BackupError when Docker Compose is not installed
 */
export async function composeTargets(services: readonly ServiceName[], manifest: Manifest): Promise<Target[]> {
  const compose = await Compose.find();
  const databases = await compose.databasesOf(services);
  // A service that is not in it is found to be missing later; a further instance may have been added since.
  const wanted = databases.filter(({ container, service }) => container === service || manifest.services[container]);
  return wanted.map((database) => composeTarget(compose, database));
}

function descriptionOf({ container }: ComposeDatabase, compose: Compose): string {
  return `the volume of ${container} (${compose})`;
}

function composeTarget(compose: Compose, database: ComposeDatabase): Target {
  const { container } = database;
  let staged = false;
  return {
    service: container,
    description: descriptionOf(database, compose),
    async lock() {
      if (await compose.isRunning(container)) {
        throw new BackupError(`${container} is running. Stop it:  ${compose} stop ${container}`);
      }
      // Notices a process of another container as well; the swap locks again.
      await compose.runScript(database, 'replace-database', 'lockDatabase(path).release();');
    },
    async stage(copy, sha256) {
      staged = true;
      const script = `await stageCopy(process.stdin, path, '${sha256}');`;
      await compose.runScript(database, 'replace-database', script, { input: createReadStream(copy) });
    },
    async swapIn(suffix) {
      const script = `
        const lock = lockDatabase(path);
        try {
          console.log(JSON.stringify(swapIn(path, path + '${suffix}')));
        } finally {
          lock.release();
        }`;
      const files = JSON.parse(await compose.runScript(database, 'replace-database', script)) as string[];
      staged = false;
      return files;
    },
    async release() {
      if (staged) await compose.runScript(database, 'replace-database', 'dropStagedCopy(path);');
      staged = false;
    },
  };
}
