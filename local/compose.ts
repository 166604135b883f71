// Docker Compose, as a command that runs in the project's folder.
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Where docker-compose.yml is. */
export const projectDir = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** @returns `docker compose` (v2), or `docker-compose` (v1), as words; undefined when there is neither */
export async function findCompose(): Promise<readonly [file: string, ...first: string[]] | undefined> {
  for (const command of [['docker', 'compose'], ['docker-compose']] as const) {
    const [file, ...first] = command;
    const works = await run(file, [...first, 'version']).then(
      () => true,
      () => false,
    );
    if (works) return command as readonly [string, ...string[]];
  }
  return undefined;
}
