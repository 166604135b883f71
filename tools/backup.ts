// `npm run backup -- FOLDER`: copies the databases of all services while they run.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { BackupError, reasonOf } from '../local/backup/backup-error.ts';
import { composeSources } from '../local/backup/compose-backup.ts';
import { selectionFrom, UsageError } from '../local/backup/selection.ts';
import { localSources, takeBackup } from '../local/backup/take-backup.ts';
import { shellWord } from '../local/terminal.ts';

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
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: 'string', multiple: true, default: [] },
      database: { type: 'string', multiple: true, default: [] },
      compose: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return say(usage);
  const [folder, ...more] = positionals;
  if (folder === undefined) throw new UsageError('name the folder for the backup');
  if (more.length > 0) throw new UsageError(`one folder is enough; what is '${more.join(' ')}'?`);
  if (values.compose && values.database.length > 0) throw new UsageError('--compose and --database exclude each other');
  const selection = selectionFrom(values.only, values.database, process.env['DATA_DIR'] || 'data');
  const sources = values.compose ? await composeSources(selection.services) : localSources(selection);
  await takeBackup(sources, resolve(folder), say);
  say(`The backup is complete: ${resolve(folder)}`);
  say(`To put it back, stop the services, then: npm run restore -- ${process.argv.slice(2).map(shellWord).join(' ')}`);
}

main().catch((error: unknown) => {
  const misused =
    error instanceof UsageError || String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS');
  const unexpected = !misused && !(error instanceof BackupError);
  process.stderr.write(
    misused
      ? `${reasonOf(error)}\n\n${usage}\n`
      : `${unexpected && error instanceof Error ? error.stack : reasonOf(error)}\nNo backup was made.\n`,
  );
  process.exitCode = misused ? 2 : 1;
});
