// Time, scheduling and identifiers, as things that are handed in: real ones here, seeded ones in the simulator.
// Code that decides anything takes the moment and the ids from here and never from the machine.
import { randomFillSync } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall-clock milliseconds since 1970. It may jump, stop or run backwards. */
  nowMs(): number;
  /**
   * The same without the jumps that it has made since the process began: for deadlines, which must not pass because somebody
   * sets the clock. A new process begins with the wall clock.
   */
  steadyMs(): number;
  /** Runs once this turn of the event loop has taken in what had arrived. */
  soon(run: () => void): void;
  /** Runs once, at least delayMs from now. A pending timer does not keep the process alive. */
  after(delayMs: number, run: () => void): Timer;
  /** A new UUID v7 in its usual text form. */
  newId(): string;
}

/** More than this between two looks, and more than a thousandth of the time between them, is a jump; less is adjustment. */
const jumpMsMin = 1_000;

/** Follows a wall clock that is adjusted little by little, but not when it jumps. */
export class SteadyTime {
  readonly #wallMs: () => number;
  readonly #elapsedMs: () => number;
  #lastWallMs: number;
  #lastElapsedMs: number;
  #jumpedMs = 0;

  /** @param elapsedMs monotonic, from any beginning */
  constructor(wallMs: () => number, elapsedMs: () => number) {
    this.#wallMs = wallMs;
    this.#elapsedMs = elapsedMs;
    this.#lastWallMs = wallMs();
    this.#lastElapsedMs = elapsedMs();
  }

  nowMs(): number {
    const wallMs = this.#wallMs();
    const elapsedMs = this.#elapsedMs();
    const passedMs = elapsedMs - this.#lastElapsedMs;
    const aheadMs = wallMs - this.#lastWallMs - passedMs;
    if (Math.abs(aheadMs) > jumpMsMin + passedMs / 1_000) this.#jumpedMs += aheadMs;
    this.#lastWallMs = wallMs;
    this.#lastElapsedMs = elapsedMs;
    return wallMs - Math.round(this.#jumpedMs);
  }
}

const steadyTime = new SteadyTime(
  () => Date.now(),
  () => performance.now(),
);

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  steadyMs: () => steadyTime.nowMs(),
  soon: (run) => void setImmediate(run),
  after: (delayMs, run) => {
    const timer = setTimeout(run, Math.min(delayMs, 2 ** 31 - 1)).unref();
    return { cancel: () => clearTimeout(timer) };
  },
  newId: newUuid,
};

const randomPool = new Uint8Array(16 * 256);
let randomUsed = randomPool.length;
let lastMs = 0;
let sequence = 0;

/**
 * As uuid's own v7(), ids of one process increase also within a millisecond. Its random bytes are drawn 256 ids at a time:
 * one system call an id makes an id dozens of times as slow, and a saga takes about ten ids.
 */
function newUuid(): string {
  if (randomUsed === randomPool.length) {
    randomFillSync(randomPool);
    randomUsed = 0;
  }
  const random = randomPool.subarray(randomUsed, randomUsed + 16);
  randomUsed += 16;
  const nowMs = Date.now();
  if (nowMs > lastMs) {
    lastMs = nowMs;
    // 31 random bits: the increments of one millisecond never overflow the 32 that there are.
    sequence = new DataView(random.buffer, random.byteOffset).getUint32(0) >>> 1;
  } else {
    sequence += 1;
  }
  return uuidv7({ random, msecs: lastMs, seq: sequence });
}

export function isoTime(ms: number): string {
  if (ms !== isoLast.ms) isoLast = { ms, text: new Date(ms).toISOString() };
  return isoLast.text;
}
/** A group commit asks for the same millisecond again and again. */
let isoLast = { ms: 0, text: new Date(0).toISOString() };

/** Waiting time before attempt number `attempt` (from 1): doubles from minMs up to maxMs. */
export function backoffMs(attempt: number, minMs: number, maxMs: number): number {
  return Math.min(maxMs, minMs * 2 ** Math.min(attempt - 1, 30));
}
