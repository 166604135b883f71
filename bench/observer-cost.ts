// `npm run bench:observer`: what the live page costs, in processor time per 1,000 sagas. The same sagas run with and without
// it, by turns; processor time, unlike a rate, hardly depends on what else the machine does.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../local/eventually.ts';
import { observerProcess } from '../local/observer-process.ts';
import { untilCatalogueHas } from '../local/sample-data.ts';
import { defaultSettings, System } from '../local/system.ts';
import { serviceNames } from '../services.ts';
import { HttpClient } from './load/http-client.ts';
import { descendantsOf, erlangMachines, figuresOf } from './stage/process-figures.ts';

const sagasPerTurn = 3_000;
const turns = 5;
const atOnce = 64;
const modes = ['without it', 'with it', 'with it, list open'] as const;
type Mode = (typeof modes)[number];

interface Turn {
  readonly mode: Mode;
  readonly servicesS: number;
  readonly brokerS: number;
  readonly observerS: number;
  readonly observerMb: number;
}

async function main(): Promise<void> {
  const before = new Set(erlangMachines());
  const dataDir = mkdtempSync(join(tmpdir(), 'observer-cost-'));
  const system = await System.start({ dataDir, env: { ...defaultSettings, LOG_LEVEL: 'warn' }, progress: () => {} });
  const brokerPids = erlangMachines().filter((pid) => !before.has(pid) && descendantsOf(process.pid).includes(pid));
  try {
    await supply(system);
    await place(system);
    const all: Turn[] = [];
    for (let turn = 0; turn < turns; turn += 1) {
      // Each mode is first once, so that nothing that drifts counts for one of them.
      for (let index = 0; index < modes.length; index += 1) {
        const mode = modes[(turn + index) % modes.length] ?? modes[0];
        all.push(await measure(system, dataDir, brokerPids, mode));
      }
    }
    report(all);
  } finally {
    await system.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function measure(system: System, dataDir: string, brokerPids: readonly number[], mode: Mode): Promise<Turn> {
  const observer =
    mode === 'without it'
      ? undefined
      : observerProcess(system, { dataDir, port: 0, env: { ...defaultSettings, OBSERVER_RECENT_EVENTS: '0' } });
  await observer?.start();
  const closing = new AbortController();
  const page =
    observer && mode === 'with it, list open'
      ? readPage(`${observer.url}/api/stream?sagas=all`, closing.signal)
      : undefined;
  const servicePids = serviceNames.flatMap((name) => system.services[name].pid ?? []);
  const observerPids = observer?.pid === undefined ? [] : [observer.pid];
  const cpuS = (pids: readonly number[]) => figuresOf(pids)?.cpuS ?? 0;
  // A process that has just been started is slower than one that runs.
  await place(system);
  const begin = { services: cpuS(servicePids), broker: cpuS(brokerPids), observer: cpuS(observerPids) };
  await place(system);
  const turn: Turn = {
    mode,
    servicesS: cpuS(servicePids) - begin.services,
    brokerS: cpuS(brokerPids) - begin.broker,
    observerS: cpuS(observerPids) - begin.observer,
    observerMb: (figuresOf(observerPids)?.rssBytes ?? 0) / 1024 / 1024,
  };
  closing.abort();
  await page;
  await observer?.stop();
  return turn;
}

async function supply(system: System): Promise<void> {
  const put = (url: string, body: object) =>
    fetch(url, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  await put(`${system.urls['payment-service']}/accounts/rich`, { balance: 1_000_000_000 });
  await put(`${system.urls['inventory-service']}/products/CUP`, { name: 'Cup', unitPrice: 10, stock: 1_000_000 });
  await untilCatalogueHas(system.urls['order-service'], ['CUP']);
}

/** Resolves when all sagas of a turn have ended. */
async function place(system: System): Promise<void> {
  const client = new HttpClient(Number(new URL(system.urls['order-service']).port), atOnce);
  const body = JSON.stringify({ userId: 'rich', items: [{ productId: 'CUP', qty: 1 }] });
  const request = `POST /orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  await new Promise<void>((resolve, reject) => {
    let answered = 0;
    for (let n = 0; n < sagasPerTurn; n += 1) {
      client.send(request, (status) => {
        answered += 1;
        if (status !== 202) reject(new Error(`an order was answered ${status}`));
        if (answered === sagasPerTurn) resolve();
      });
    }
  });
  await eventually(
    'every order to end',
    async () =>
      (await (await fetch(`${system.urls['order-service']}/totals`)).json()) as Record<string, { orders: number }>,
    (totals) => totals['pending']?.orders === 0 && totals['cancelling']?.orders === 0,
    120_000,
  );
}

async function readPage(url: string, signal: AbortSignal): Promise<void> {
  try {
    const { body } = await fetch(url, { signal });
    for await (const _ of body ?? []);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function report(all: readonly Turn[]): void {
  const perThousand = (seconds: number) => (seconds * 1_000) / sagasPerTurn;
  // What else the machine does falls on some of the turns.
  const median = (mode: Mode, of: (turn: Turn) => number) => {
    const values = all
      .filter((turn) => turn.mode === mode)
      .map(of)
      .sort((a, b) => a - b);
    const middle = Math.floor(values.length / 2);
    return values[middle] ?? 0;
  };
  console.log(`Processor seconds per 1,000 sagas: medians of ${turns} turns of ${sagasPerTurn} sagas each\n`);
  console.log('| the live page | services | broker | observer | all together | more than without | observer, MB |');
  console.log('| --- | --- | --- | --- | --- | --- | --- |');
  const totalOf = (mode: Mode) => perThousand(median(mode, (one) => one.servicesS + one.brokerS + one.observerS));
  for (const mode of modes) {
    const cells = [
      median(mode, (one) => one.servicesS),
      median(mode, (one) => one.brokerS),
      median(mode, (one) => one.observerS),
    ].map((seconds) => perThousand(seconds).toFixed(3));
    const more = ((totalOf(mode) / totalOf(modes[0]) - 1) * 100).toFixed(1);
    console.log(
      `| ${mode} | ${cells.join(' | ')} | ${totalOf(mode).toFixed(3)} | ${more} % | ${median(mode, (one) => one.observerMb).toFixed(0)} |`,
    );
  }
}

await main();
