// The disk of a real broker is full, and free again: what the services say, and that restarting the broker is all it needs.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadSampleData } from '../../local/sample-data.ts';
import { System } from '../../local/system.ts';
import { http, type OrderView } from '../support/saga-system.ts';
import { eventually } from '../support/wait.ts';

const services = ['order-service', 'payment-service', 'inventory-service'] as const;

describe('a broker whose disk is full', function () {
  this.timeout(240_000);
  const usualUrl = process.env['AMQP_URL'];
  let folder: string;
  let disk: string;
  let system: System | undefined;

  before(async function () {
    folder = mkdtempSync(join(tmpdir(), 'saga-broker-disk-'));
    disk = join(folder, 'disk');
    mkdirSync(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=400m', 'tmpfs', disk], { stdio: 'pipe' });
    } catch {
      disk = '';
      console.log('      left out: a disk of its own for the broker needs root on Linux');
      this.skip();
    }
    delete process.env['AMQP_URL'];
    const env = { ORDER_DEADLINE_MS: '600000', RECONCILE_INTERVAL_MS: '3600000' };
    system = await System.start({ dataDir: folder, brokerDir: join(disk, 'broker'), env });
    await loadSampleData(system.urls);
  });
  after(async () => {
    await system?.stop();
    if (usualUrl !== undefined) process.env['AMQP_URL'] = usualUrl;
    if (disk !== '') execFileSync('umount', ['-l', disk]);
    rmSync(folder, { recursive: true, force: true });
  });

  const urls = () => (system as System).urls;
  const filler = () => join(disk, 'filler');

  function fillDisk(): void {
    const file = openSync(filler(), 'w');
    try {
      for (const bytes of [1 << 20, 4096]) fillWith(file, Buffer.alloc(bytes));
    } finally {
      closeSync(file);
    }
  }

  async function order(): Promise<string> {
    const body = { userId: 'alice', items: [{ productId: 'CATALOG-002', qty: 1 }] };
    const { status, body: placed } = await http<OrderView>('POST', `${urls()['order-service']}/orders`, body);
    expect(status).to.equal(202);
    return placed.orderId;
  }

  const ready = (service: (typeof services)[number]) =>
    http<{ warnings: string[]; outbox: { waiting: number } }>('GET', `${urls()[service]}/readyz`);

  it('makes order-service warn and go on accepting; restarted with free space, it gets all that has waited', async () => {
    const orderIds = [await order()];
    fillDisk();
    const warned = await eventually(
      'order-service to warn that nothing is published',
      async () => {
        orderIds.push(await order());
        return (await ready('order-service')).body;
      },
      ({ warnings, outbox }) => outbox.waiting > 0 && /no events are published|confirms none/.test(warnings.join()),
      120_000,
    );
    expect(warned.warnings).to.not.deep.equal([]);
    orderIds.push(await order());
    rmSync(filler());
    await system?.broker.kill();
    await system?.broker.restart();
    for (const orderId of orderIds)
      await eventually(
        `order ${orderId} to be confirmed`,
        () => http<OrderView>('GET', `${urls()['order-service']}/orders/${orderId}`),
        ({ body }) => body.status === 'confirmed',
        120_000,
      );
    for (const service of services)
      await eventually(
        `${service} to have nothing to warn of`,
        () => ready(service),
        ({ body }) => body.warnings.length === 0 && body.outbox.waiting === 0,
        // A broker that has just come back may leave a message without a confirm: it is published again after half a minute.
        120_000,
      );
  });
});

function fillWith(file: number, chunk: Buffer): void {
  try {
    for (;;) writeSync(file, chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
