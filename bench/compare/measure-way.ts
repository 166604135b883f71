// Measures one way: everything runs, one process is killed, it is started again, and then all is quiet.
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../local/eventually.ts';
import { call } from './http.ts';
import { probePrices } from './prices.ts';
import { lookForAll, probeWrites, shop } from './shoppers.ts';
import type { Stand } from './stand.ts';
import { type Phase, Tally } from './tally.ts';

/** Seconds. */
export interface Durations {
  readonly warmUp: number;
  readonly whole: number;
  readonly down: number;
  readonly again: number;
}

const quietMsMax = 15_000;

export async function measureWay(
  stand: Stand,
  durations: Durations,
  progress: (line: string) => void,
  signal: AbortSignal,
): Promise<Tally> {
  const { name, killed } = stand.way;
  const closing = new AbortController();
  const pause = (seconds: number) => delay(seconds * 1_000, undefined, { signal });
  try {
    progress(`${name}: warming up`);
    const warm = new AbortController();
    const warming = shop(stand, new Tally(), warm.signal);
    await pause(durations.warmUp).finally(() => warm.abort());
    await warming;
    const tally = new Tally();
    const probing = stand.way.of === 'databases' ? probeWrites : probePrices;
    const shopping = shop(stand, tally, closing.signal);
    const probed = probing(stand, tally, closing.signal);
    const begin = (phase: Phase, doing: string) => {
      tally.phase = phase;
      progress(`${name}: ${doing}`);
    };
    begin('whole', `everything runs, ${durations.whole} s`);
    await pause(durations.whole);
    begin('down', `${killed} is killed, ${durations.down} s without it`);
    tally.downFromMs = tally.nowMs;
    await stand.victim.kill();
    await pause(durations.down);
    await stand.victim.start();
    tally.downUntilMs = tally.nowMs;
    begin(
      'again',
      `${killed} is back, ${durations.again} s; ${tally.accepted.whole + tally.accepted.down} orders so far`,
    );
    await pause(durations.again);
    closing.abort();
    const accepted = await shopping;
    await probed;
    progress(`${name}: waiting until it is quiet, and looking for every order`);
    await untilQuiet(stand);
    await lookForAll(stand, tally, accepted);
    return tally;
  } finally {
    closing.abort();
  }
}

/** No order is open, as each process that answers reads sees it. Where that never comes, what there is then is measured. */
async function untilQuiet(stand: Stand): Promise<void> {
  for (const { name, url } of stand.readers) {
    await eventually(
      `no order to be open at ${name}`,
      () => call('GET', `${url}/totals`),
      ({ text }) => /"pending":{"orders":0,.*"cancelling":{"orders":0,/.test(text),
      quietMsMax,
    ).catch(() => undefined);
  }
}
