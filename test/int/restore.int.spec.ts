// A restore of files: all or nothing, the former files kept, and no mixture after a crash.
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { BackupError } from '../../local/backup/backup-error.ts';
import { readManifest } from '../../local/backup/manifest.ts';
import { DatabaseInUseError, lockDatabase, swapIn } from '../../local/backup/replace-database.ts';
import { localTarget, PartlyRestoredError, type Restored, restoreBackup } from '../../local/backup/restore-backup.ts';
import { serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { UnusableDatabaseError } from '../../shared/runtime/storage/database.ts';
import { addRows, BackupPlace, countsIn, errorOf, flipByte, openSample } from '../support/backup-place.ts';

const nobodyAnswers = async (): Promise<boolean> => false;

describe('a restore', () => {
  let place: BackupPlace;
  beforeEach(() => {
    place = new BackupPlace();
  });
  afterEach(() => place.remove());

  const restore = (services: readonly ServiceName[] = serviceNames, answers = nobodyAnswers): Promise<Restored[]> =>
    restoreBackup(
      place.folder,
      readManifest(place.folder),
      services.map((service) => localTarget(service, place.pathOf(service), answers)),
      () => {},
    );

  it('brings back what was there at the backup, and keeps what came after beside it, -wal included', async () => {
    place.createAll();
    await place.backup();
    const writer = place.startWriter('order-service');
    await writer.commitsMore(5);
    await writer.kill();
    expect(existsSync(`${place.pathOf('order-service')}-wal`)).to.equal(true);
    const restored = await restore();
    for (const service of serviceNames) {
      const db = openSample(place.pathOf(service));
      db.close();
      expect(countsIn(place.pathOf(service)), service).to.deep.equal({ debits: 3, credits: 3 });
    }
    const [former, ...beside] = restored.find(({ service }) => service === 'order-service')?.setAside ?? [];
    expect(beside).to.include(`${former}-wal`);
    expect(countsIn(former ?? '').debits).to.be.at.least(3 + writer.commits);
    expect(readdirSync(place.dataDir).filter((name) => /restore-(part|lock|block)/.test(name))).to.deep.equal([]);
  });

  it('is refused while a process has one of the databases open, and changes none', async () => {
    place.createAll();
    await place.backup();
    const open = openSample(place.pathOf('inventory-service'));
    const before = place.content();
    expect(await errorOf(restore()))
      .to.be.instanceOf(BackupError)
      .with.property('message')
      .that.includes('inventory-service is running');
    expect(place.content()).to.deep.equal(before);
    open.close();
    await restore();
  });

  it('puts back only the service that was asked for', async () => {
    place.createAll();
    await place.backup();
    for (const service of serviceNames) {
      const db = openSample(place.pathOf(service));
      addRows(db, 1);
      db.close();
    }
    await restore(['payment-service']);
    expect(serviceNames.map((service) => countsIn(place.pathOf(service)).debits)).to.deep.equal([4, 3, 4]);
  });

  for (const [what, damage, words] of [
    ['a byte was changed', (path: string) => flipByte(path, readFileSync(path).lastIndexOf('filling')), 'checksum'],
    ['a page was destroyed', (path: string) => flipByte(path, 4_096), 'damaged'],
    ['a file was cut short', (path: string) => truncateSync(path, 4_096), 'damaged'],
    ['a file is missing', (path: string) => rmSync(path), 'missing'],
  ] as const) {
    it(`is refused when ${what} in the backup, and changes nothing`, async () => {
      place.createAll();
      await place.backup();
      damage(join(place.folder, 'inventory-service.db'));
      const before = place.content();
      expect(await errorOf(restore()))
        .to.be.instanceOf(BackupError)
        .with.property('message')
        .that.includes('inventory-service.db')
        .and.includes(words);
      expect(place.content()).to.include(before);
      expect(readdirSync(place.dataDir).filter((name) => name.includes('restore'))).to.deep.equal([]);
    });
  }

  it('is refused without a manifest, and with one that leads out of the folder', async () => {
    place.createAll();
    await place.backup();
    const path = join(place.folder, 'manifest.json');
    const manifest = readFileSync(path, 'utf8');
    writeFileSync(path, manifest.replace('"order-service.db"', '"../data/order-service.db"'));
    expect(() => readManifest(place.folder)).to.throw(BackupError, 'plain file name');
    writeFileSync(path, manifest.slice(0, -10));
    expect(() => readManifest(place.folder)).to.throw(BackupError, 'not JSON');
    rmSync(path);
    expect(() => readManifest(place.folder)).to.throw(BackupError, 'interrupted');
  });

  it('replaces a damaged database, unless the service answers on its port', async () => {
    place.createAll();
    await place.backup();
    writeFileSync(place.pathOf('order-service'), 'not a database');
    expect(await errorOf(restore(serviceNames, async () => true)))
      .to.be.instanceOf(BackupError)
      .with.property('message')
      .that.includes('order-service answers on its port');
    const restored = await restore();
    const [former] = restored.find(({ service }) => service === 'order-service')?.setAside ?? [];
    expect(readFileSync(former ?? '', 'utf8')).to.equal('not a database');
    expect(countsIn(place.pathOf('order-service')).debits).to.equal(3);
  });

  it('needs no database to be there', async () => {
    place.createAll();
    await place.backup();
    rmSync(place.dataDir, { recursive: true });
    const restored = await restore();
    expect(restored.map(({ setAside }) => setAside)).to.deep.equal([[], [], []]);
    expect(countsIn(place.pathOf('payment-service')).debits).to.equal(3);
  });

  it('keeps a service from starting until it is done', () => {
    place.createAll();
    const lock = lockDatabase(place.pathOf('order-service'));
    expect(lock.certain).to.equal(true);
    expect(() => openSample(place.pathOf('order-service'))).to.throw(UnusableDatabaseError, 'locked');
    expect(() => lockDatabase(place.pathOf('order-service'))).to.throw(DatabaseInUseError);
    lock.release();
    openSample(place.pathOf('order-service')).close();
  });

  it('interrupted before its last step leaves a file that no service starts with, and can be run again', async () => {
    place.createAll();
    await place.backup();
    const order = place.pathOf('order-service');
    // The copy that was to be put in place is gone: the last rename fails.
    expect(() => swapIn(order, `${order}.aside`)).to.throw('ENOENT');
    expect(() => openSample(order)).to.throw(UnusableDatabaseError, 'not a database');
    expect(countsIn(`${order}.aside`).debits).to.equal(3);
    await restore();
    expect(countsIn(order).debits).to.equal(3);
  });

  it('that fails in the middle says which databases are restored', async () => {
    place.createAll();
    await place.backup();
    const [first, second] = serviceNames.map((service) => localTarget(service, place.pathOf(service), nobodyAnswers));
    if (!first || !second) throw new Error('no targets');
    const failing = { ...second, swapIn: () => Promise.reject(new Error('disk full')) };
    expect(await errorOf(restoreBackup(place.folder, readManifest(place.folder), [first, failing], () => {})))
      .to.be.instanceOf(PartlyRestoredError)
      .with.property('message')
      .that.includes('payment-service could not be restored: disk full')
      .and.includes('Restored: order-service.');
  });
});
