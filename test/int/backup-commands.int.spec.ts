// The command lines of backup and restore: options, messages, exit codes.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { selectionFrom } from '../../local/backup/selection.ts';
import { UsageError } from '../../local/usage-error.ts';
import { BackupPlace } from '../support/backup-place.ts';

const run = promisify(execFile);

describe('the command lines of backup and restore', () => {
  let place: BackupPlace;
  beforeEach(() => {
    place = new BackupPlace();
  });
  afterEach(() => place.remove());

  it('take the databases from DATA_DIR, or one by one', () => {
    const selection = selectionFrom([], ['order-service=/var/lib/order.db'], '/data');
    expect(selection.services.map(selection.pathOf)).to.deep.equal([
      '/var/lib/order.db',
      '/data/payment-service.db',
      '/data/inventory-service.db',
    ]);
  });

  it('refuse a service that does not exist, and a database of one that is left out', () => {
    expect(() => selectionFrom(['orders'], [], '/data')).to.throw(UsageError, "no service 'orders'");
    expect(() => selectionFrom([], ['order-service'], '/data')).to.throw(UsageError, 'SERVICE=FILE');
    expect(() => selectionFrom(['order-service'], ['payment-service=x.db'], '/data')).to.throw(UsageError, '--only');
  });

  it('exit with 0 after a backup and a restore, 1 after a refusal and 2 when the command is wrong', async () => {
    place.createAll();
    const tool = async (name: string, ...args: string[]): Promise<[exitCode: number, output: string]> => {
      const file = fileURLToPath(new URL(`../../tools/${name}.js`, import.meta.url));
      return run(process.execPath, [file, ...args], { env: { ...process.env, DATA_DIR: place.dataDir } }).then(
        ({ stdout }) => [0, stdout],
        (error: { code: number; stdout: string; stderr: string }) => [error.code, error.stdout + error.stderr],
      );
    };
    for (const name of ['backup', 'restore']) {
      const [helped, help] = await tool(name, '--help');
      expect(helped, help).to.equal(0);
      expect(help).to.include(`Usage: npm run ${name}`);
      const [misused, usage] = await tool(name);
      expect(misused, usage).to.equal(2);
      expect(usage).to.include('name the folder').and.to.include(`Usage: npm run ${name}`);
    }
    const [refused, reason] = await tool('restore', place.folder);
    expect(refused, reason).to.equal(1);
    expect(reason).to.include('manifest.json does not exist').and.to.include('Nothing was changed.');
    const [backedUp, backupOutput] = await tool('backup', place.folder);
    expect(backedUp, backupOutput).to.equal(0);
    expect(backupOutput).to.include(`The backup is complete: ${place.folder}`);
    const [again, refusal] = await tool('backup', place.folder);
    expect(again, refusal).to.equal(1);
    expect(refusal).to.include('not empty').and.to.include('No backup was made.');
    const [restored, restoreOutput] = await tool('restore', place.folder);
    expect(restored, restoreOutput).to.equal(0);
    expect(restoreOutput).to.include('Now start the services again: npm start');
  });
});
