// `npm run backup -- FOLDER`: copies the databases of all services while they run.
import { BackupError, reasonOf } from '../local/backup/backup-error.ts';
import { composeSources } from '../local/backup/compose-backup.ts';
import { localSources, takeBackup } from '../local/backup/take-backup.ts';
import { shellWord } from '../local/terminal.ts';
import { isUsageError } from '../local/usage-error.ts';
import { readArguments } from './backup/arguments.ts';

const usage = `Usage: npm run backup -- FOLDER [options]

Copies the databases of the three services into FOLDER, which must be new or empty. The services may run and take
orders meanwhile, or be stopped. Each copy is consistent in itself, is checked, and is readable by its owner only.

  --only SERVICE            this service only; may be given several times
  --database SERVICE=FILE   the database of a service that is not in DATA_DIR; may be given several times
  --compose                 the databases of the containers that docker-compose.yml describes
  --help                    this text

DATA_DIR names the folder of the databases (./data, as for npm start). Run this as the user who runs the services.
npm run restore puts a backup back.`;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const asked = readArguments();
  if (!asked) return say(usage);
  const { folder, compose, selection } = asked;
  const sources = compose ? await composeSources(selection.services) : localSources(selection);
  await takeBackup(sources, folder, say);
  say(`The backup is complete: ${folder}`);
  say(`To put it back, stop the services, then: npm run restore -- ${process.argv.slice(2).map(shellWord).join(' ')}`);
}

main().catch((error: unknown) => {
  const misused = isUsageError(error);
  const unexpected = !misused && !(error instanceof BackupError);
  process.stderr.write(
    misused
      ? `${reasonOf(error)}\n\n${usage}\n`
      : `${unexpected && error instanceof Error ? error.stack : reasonOf(error)}\nNo backup was made.\n`,
  );
  process.exitCode = misused ? 2 : 1;
});
