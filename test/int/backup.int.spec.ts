// A backup of files: consistent under writes, and nothing changed at the source.
import { existsSync, mkdirSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { BackupError } from '../../local/backup/backup-error.ts';
import { readManifest } from '../../local/backup/manifest.ts';
import { selectionFrom } from '../../local/backup/selection.ts';
import { localSources, takeBackup } from '../../local/backup/take-backup.ts';
import { serviceNames } from '../../services.ts';
import { addRows, BackupPlace, countsIn, errorOf, flipByte, openSample, sha256Of } from '../support/backup-place.ts';

describe('a backup', function () {
  this.timeout(60_000);
  let place: BackupPlace;
  beforeEach(() => {
    place = new BackupPlace();
  });
  afterEach(() => place.remove());

  it('is consistent, five times in a row, while another process commits without a pause', async () => {
    // Larger than one step of the copy, so that commits come in between.
    place.createDatabase('order-service', 5_000, 'x'.repeat(1_000));
    const writer = place.startWriter('order-service');
    let before = 0;
    for (let n = 1; n <= 5; n++) {
      await writer.commitsMore(20);
      place.nextFolder(n);
      const steps: number[] = [];
      const [source] = localSources(selectionFrom(['order-service'], [], place.dataDir));
      if (!source) throw new Error('no source');
      const counted = {
        ...source,
        copyTo: (path: string, progress: (part: number) => void) =>
          source.copyTo(path, (part) => {
            steps.push(part);
            progress(part);
          }),
      };
      await takeBackup([counted], place.folder, () => {});
      const { debits, credits } = countsIn(join(place.folder, 'order-service.db'));
      expect(credits, `backup ${n}`).to.equal(debits);
      expect(debits, `backup ${n} has what came since the one before`).to.be.at.least(before + 20);
      // A copy that starts over with a commit would go back.
      expect(steps, `backup ${n}`).to.have.length.above(1);
      expect([...steps].sort((a, b) => a - b)).to.deep.equal(steps);
      before = debits;
    }
  });

  it('copies order-service last, so that no copy knows an order that the copy of order-service does not', async () => {
    place.createAll();
    const lines: string[] = [];
    const all = localSources(selectionFrom([], [], place.dataDir));
    await takeBackup(all, place.folder, (line) => lines.push(line));
    const copied = lines.flatMap((line) => /^(\S+): copying/.exec(line)?.[1] ?? []);
    expect(copied).to.deep.equal(['inventory-service', 'payment-service', 'order-service']);
  });

  it('changes nothing in the database of a running process', async () => {
    place.createAll();
    const open = openSample(place.pathOf('payment-service'));
    addRows(open, 1);
    const before = place.content();
    expect(before).to.have.property('payment-service.db-wal');
    await place.backup(['payment-service']);
    expect(place.content()).to.deep.equal(before);
    // And does not get in its way.
    addRows(open, 1);
    open.close();
  });

  it('copies the database of a stopped service, and changes nothing in it', async () => {
    place.createAll();
    const before = place.content();
    await place.backup();
    expect(place.content()).to.include(before);
    expect(countsIn(join(place.folder, 'inventory-service.db'))).to.deep.equal({ debits: 3, credits: 3 });
  });

  it('contains what a killed process had committed and not moved from the -wal yet', async () => {
    place.createDatabase('order-service', 0);
    const writer = place.startWriter('order-service');
    await writer.commitsMore(5);
    await writer.kill();
    const before = place.content();
    expect(before).to.have.property('order-service.db-wal');
    await place.backup(['order-service']);
    expect(place.content()).to.deep.equal(before);
    expect(countsIn(join(place.folder, 'order-service.db')).debits).to.be.at.least(writer.commits);
  });

  it('is single files that only their owner may read, and a manifest that describes them', async () => {
    place.createAll();
    await place.backup();
    const manifest = readManifest(place.folder);
    const names = [...serviceNames.map((service) => `${service}.db`), 'manifest.json'];
    expect(readdirSync(place.folder)).to.have.members(names);
    for (const name of names) expect(statSync(join(place.folder, name)).mode & 0o777, name).to.equal(0o600);
    for (const service of serviceNames) {
      const file = join(place.folder, `${service}.db`);
      expect(manifest.services[service]).to.deep.equal({
        file: `${service}.db`,
        bytes: statSync(file).size,
        sha256: sha256Of(file),
        schemaVersion: 2,
      });
    }
  });

  it('refuses a folder that is not empty, and leaves it alone', async () => {
    place.createAll();
    mkdirSync(place.folder);
    writeFileSync(join(place.folder, 'notes.txt'), 'mine');
    expect(await errorOf(place.backup()))
      .to.be.instanceOf(BackupError)
      .with.property('message')
      .that.includes('not empty');
    expect(readdirSync(place.folder)).to.deep.equal(['notes.txt']);
  });

  it('names every database that is missing, and creates nothing', () => {
    place.createDatabase('order-service');
    expect(() => localSources(selectionFrom([], [], place.dataDir)))
      .to.throw(BackupError)
      .with.property('message')
      .that.includes(place.pathOf('payment-service'))
      .and.includes(place.pathOf('inventory-service'))
      .and.includes('--database')
      .and.does.not.include(place.pathOf('order-service'));
    expect(existsSync(place.folder)).to.equal(false);
  });

  for (const [what, damage, words] of [
    ['cut short', (path: string) => truncateSync(path, 4_096), 'malformed'],
    ['damaged', (path: string) => flipByte(path, 4_096), 'the database is damaged'],
    ['not a database', (path: string) => writeFileSync(path, 'x'.repeat(8_192)), 'not a database'],
    ['empty', (path: string) => truncateSync(path, 0), 'not a database of a service'],
  ] as const) {
    it(`leaves nothing when one of the databases is ${what}, and names it`, async () => {
      place.createAll();
      damage(place.pathOf('inventory-service'));
      expect(await errorOf(place.backup()))
        .to.be.instanceOf(BackupError)
        .with.property('message')
        .that.includes('inventory-service could not be backed up')
        .and.includes(words);
      expect(existsSync(place.folder)).to.equal(false);
    });
  }
});
