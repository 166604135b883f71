// Virtual time: a heap of what is going to happen. Things of the same instant happen in an order drawn from the seed.
import type { Timer } from '../../shared/runtime/environment/clock.ts';
import type { Random } from './random.ts';

/** A process or a connection. What it has planned is dropped when it is not alive any more. */
export interface Owner {
  readonly alive: boolean;
}

interface Entry extends Timer {
  readonly atMs: number;
  readonly tie: number;
  readonly number: number;
  readonly owner: Owner | undefined;
  run: (() => void) | undefined;
}

export class Schedule {
  /** Milliseconds since the start of the run. */
  nowMs = 0;
  /** Things that have happened. */
  steps = 0;
  readonly #random: Random;
  readonly #heap: Entry[] = [];
  #numbers = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Runs once, `delayMs` from now, unless the owner is not alive then. */
  after(delayMs: number, run: () => void, owner?: Owner): Timer {
    this.#numbers += 1;
    const entry: Entry = {
      atMs: this.nowMs + Math.max(0, delayMs),
      tie: this.#random.uint32(),
      number: this.#numbers,
      owner,
      run,
      cancel: () => {
        entry.run = undefined;
      },
    };
    this.#push(entry);
    return entry;
  }

  /** Lets the next thing happen, if there is one until `untilMs`. False: there is none, and that is the time now. */
  step(untilMs: number): boolean {
    for (;;) {
      const entry = this.#heap[0];
      if (!entry || entry.atMs > untilMs) {
        this.nowMs = Math.max(this.nowMs, untilMs);
        return false;
      }
      this.#pop();
      const { run, owner } = entry;
      if (!run || (owner && !owner.alive)) continue;
      this.nowMs = entry.atMs;
      this.steps += 1;
      run();
      return true;
    }
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as Entry;
      if (!before(entry, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    const { length } = heap;
    if (length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= length) break;
      if (child + 1 < length && before(heap[child + 1] as Entry, heap[child] as Entry)) child += 1;
      const below = heap[child] as Entry;
      if (!before(below, last)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
  }
}

function before(a: Entry, b: Entry): boolean {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs;
  if (a.tie !== b.tie) return a.tie < b.tie;
  return a.number < b.number;
}
