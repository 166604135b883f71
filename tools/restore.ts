// `npm run restore -- FOLDER`: puts a backup in the place of the databases.
import { BackupError, reasonOf } from '../local/backup/backup-error.ts';
import { composeTargets } from '../local/backup/compose-backup.ts';
import { type Manifest, readManifest } from '../local/backup/manifest.ts';
import { localTarget, PartlyRestoredError, type Restored, restoreBackup } from '../local/backup/restore-backup.ts';
import { portsFrom, StartError } from '../local/ports.ts';
import { isUsageError } from '../local/usage-error.ts';
import { serviceNames } from '../services.ts';
import type { ServiceName } from '../shared/contract/choreography.ts';
import { readArguments } from './backup/arguments.ts';

const usage = `Usage: npm run restore -- FOLDER [options]

Puts the databases of a backup, made by npm run backup, in the place of the present ones. The services must be
stopped. The whole backup is checked before anything is changed. The present databases are kept beside the restored
ones, under names that contain .before-restore- and the time.

  --only SERVICE            this service only; may be given several times
  --database SERVICE=FILE   the database of a service that is not in DATA_DIR; may be given several times
  --compose                 the databases of the containers that docker-compose.yml describes
  --help                    this text

DATA_DIR names the folder of the databases (./data, as for npm start).`;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  // Wrong names are found before the folder is.
  const asked = readArguments();
  if (!asked) return say(usage);
  const { folder, compose, selection } = asked;
  const manifest = readManifest(folder);
  const services = asked.namesServices ? selection.services : servicesIn(manifest);
  const targets = compose
    ? await composeTargets(services, manifest)
    : services.map((service) => localTarget(service, selection.pathOf(service), answers));
  const restored = await restoreBackup(folder, manifest, targets, say);
  report(manifest, restored, compose);
}

/** A backup made with --only contains some of them. */
function servicesIn(manifest: Manifest): ServiceName[] {
  return serviceNames.filter((service) => manifest.services[service]);
}

function report({ createdAt }: Manifest, restored: readonly Restored[], compose: boolean): void {
  for (const { service, description, setAside } of restored) {
    say(`${service}: restored to the backup of ${createdAt}: ${description}`);
    for (const file of setAside) say(`  kept the former ${file}`);
  }
  say(`Now start the services again: ${compose ? 'docker compose up -d' : 'npm start'}`);
  if (restored.some(({ setAside }) => setAside.length > 0)) {
    say('Delete the former files when everything is as it should be.');
  }
}

async function answers(service: ServiceName): Promise<boolean> {
  const port = portsFrom(process.env)[service];
  try {
    const response = await fetch(`http://127.0.0.1:${port}/health_check`, { signal: AbortSignal.timeout(2_000) });
    return (await response.text()).includes(service);
  } catch {
    return false;
  }
}

main().catch((error: unknown) => {
  const misused = isUsageError(error);
  const expected = error instanceof BackupError || error instanceof StartError;
  const shown = expected || !(error instanceof Error) ? reasonOf(error) : error.stack;
  process.stderr.write(
    misused
      ? `${reasonOf(error)}\n\n${usage}\n`
      : `${shown}\n${error instanceof PartlyRestoredError ? '' : 'Nothing was changed.\n'}`,
  );
  process.exitCode = misused ? 2 : 1;
});
