// Backup and restore of running services: orders keep coming, and every order answered before the backup is in it.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import Sqlite from 'better-sqlite3';
import { expect } from 'chai';
import { SagaSystem } from '../support/saga-system.ts';
import { eventually } from '../support/wait.ts';

const run = promisify(execFile);
const clients = 8;

describe('npm run backup and npm run restore', function () {
  this.timeout(240_000);
  let system: SagaSystem;
  let root: string;
  /** In the order of their answers. */
  const answered: string[] = [];
  let answeredBefore: readonly string[];

  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'saga-backup-'));
    system = await SagaSystem.start();
    await system.account('alice', 1_000_000_000);
    await system.product('PEN', 1, 1_000_000);
  });
  after(async () => {
    await system?.stop();
    rmSync(root, { recursive: true, force: true });
  });

  const tool = async (name: 'backup' | 'restore'): Promise<{ exitCode: number; output: string }> => {
    const file = fileURLToPath(new URL(`../../tools/${name}.js`, import.meta.url));
    const databases = system.services.map(({ service, databasePath }) => `--database=${service}=${databasePath}`);
    return run(process.execPath, [file, join(root, 'backup'), ...databases]).then(
      ({ stdout }) => ({ exitCode: 0, output: stdout }),
      (error: { code: number; stdout: string; stderr: string }) => ({
        exitCode: error.code,
        output: error.stdout + error.stderr,
      }),
    );
  };

  it('a backup ends while orders keep coming, and has every order that was answered before it began', async () => {
    let placing = true;
    const place = async (): Promise<void> => {
      while (placing) answered.push((await system.place('alice', [{ productId: 'PEN', qty: 1 }])).orderId);
    };
    const stream = Promise.all(Array.from({ length: clients }, place));
    await eventually('200 orders', () => answered.length >= 200);
    answeredBefore = [...answered];
    const { exitCode, output } = await tool('backup');
    const answeredMeanwhile = answered.length - answeredBefore.length;
    placing = false;
    await stream;
    expect(exitCode, output).to.equal(0);
    expect(answeredMeanwhile, 'orders answered during the backup').to.be.above(0);
    const db = new Sqlite(join(root, 'backup', 'order-service.db'), { readonly: true });
    const stored = new Set(db.prepare('SELECT order_id FROM orders').pluck().all());
    db.close();
    expect(answeredBefore.filter((orderId) => !stored.has(orderId))).to.deep.equal([]);
  });

  it('a restore is refused while the services run', async () => {
    const { exitCode, output } = await tool('restore');
    expect(exitCode, output).to.equal(1);
    expect(output).to.include('order-service is running').and.to.include('Nothing was changed.');
  });

  it('a restore of stopped services is what they start with', async () => {
    await Promise.all(system.services.map((service) => service.stop()));
    const { exitCode, output } = await tool('restore');
    expect(exitCode, output).to.equal(0);
    expect(output.match(/restored to the backup/g)).to.have.lengthOf(3);
    await Promise.all(system.services.map((service) => service.start()));
    const last = answeredBefore.at(-1) ?? '';
    expect(await system.view(last)).to.include({ orderId: last, userId: 'alice' });
  });
});
