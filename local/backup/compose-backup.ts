// The databases of a compose system, as sources of a backup and as targets of a restore.
import { createReadStream, createWriteStream } from 'node:fs';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { BackupError } from './backup-error.ts';
import { Compose } from './compose-service.ts';
import type { Target } from './restore-backup.ts';
import type { Source } from './take-backup.ts';

/** The copy is made in the script's own container, which is gone afterwards, and comes over its standard output. */
const copyScript = `
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
await copyDatabase(path, '/tmp/copy.db');
await pipeline(createReadStream('/tmp/copy.db'), process.stdout);
`;

/** @throws BackupError when Docker Compose is not installed */
export async function composeSources(services: readonly ServiceName[]): Promise<Source[]> {
  const compose = await Compose.find();
  return services.map((service) => ({
    service,
    description: `the volume of ${service} (${compose})`,
    async copyTo(path) {
      const output = createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true });
      await compose.runScript(service, 'copy-database', copyScript, { output });
    },
  }));
}

/** @throws BackupError when Docker Compose is not installed */
export async function composeTargets(services: readonly ServiceName[]): Promise<Target[]> {
  const compose = await Compose.find();
  return services.map((service) => composeTarget(compose, service));
}

function composeTarget(compose: Compose, service: ServiceName): Target {
  let staged = false;
  return {
    service,
    description: `the volume of ${service} (${compose})`,
    async lock() {
      if (await compose.isRunning(service)) {
        throw new BackupError(`${service} is running. Stop it:  ${compose} stop ${service}`);
      }
      // Notices a process of another container as well; the swap locks again.
      await compose.runScript(service, 'replace-database', 'lockDatabase(path).release();');
    },
    async stage(copy, sha256) {
      staged = true;
      const script = `await stageCopy(process.stdin, path, '${sha256}');`;
      await compose.runScript(service, 'replace-database', script, { input: createReadStream(copy) });
    },
    async swapIn(suffix) {
      const script = `
        const lock = lockDatabase(path);
        try {
          console.log(JSON.stringify(swapIn(path, path + '${suffix}')));
        } finally {
          lock.release();
        }`;
      const files = JSON.parse(await compose.runScript(service, 'replace-database', script)) as string[];
      staged = false;
      return files;
    },
    async release() {
      if (staged) await compose.runScript(service, 'replace-database', 'dropStagedCopy(path);');
      staged = false;
    },
  };
}
