// Makes a failing run small: fewer orders, then fewer kinds of faults, as long as it still fails with the same seed.
import type { RunOptions, RunResult } from './run.ts';
import { simulate } from './simulation.ts';

/** Tries for at most about so long; what has been found by then is returned. */
const shrinkMsMax = 60_000;

export interface Shrunk {
  readonly options: RunOptions;
  readonly result: RunResult;
}

/** @param failing a run that has violations */
export function shrink(failing: RunOptions, timeMsMax = shrinkMsMax): Shrunk {
  const untilMs = performance.now() + timeMsMax;
  let options = failing;
  const stillFails = (smaller: RunOptions): boolean => {
    if (performance.now() > untilMs) return false;
    if (simulate(smaller).violations.length === 0) return false;
    options = smaller;
    return true;
  };
  // From below: small runs are quick, and the first that fails is the smallest.
  const fewerOrders = () => {
    for (let orders = 1; orders < options.orders; orders = Math.ceil(orders * 1.5)) {
      if (stillFails({ ...options, orders })) return;
    }
  };
  fewerOrders();
  for (const kind of failing.faults) {
    stillFails({ ...options, faults: options.faults.filter((other) => other !== kind) });
  }
  fewerOrders();
  return { options, result: simulate({ ...options, keepHistory: true }) };
}
