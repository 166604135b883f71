// Finds the one message that crashes the process. A crash returns everything that was prefetched, so a message that has
// come back several times is a suspect, not yet guilty: suspects are handled one at a time, each after its attempt is on
// disk. Only an event that was alone in hand at several crashes is set aside.
import type { Clock, Timer } from '../environment/clock.ts';
import type { GroupCommit } from '../storage/group-commit.ts';
import type { Suspects } from '../storage/suspects.ts';
import type { Delivery } from './bus.ts';

/** Returned to its queue so often, a message is a suspect. */
const returnsMax = 3;
/** Handled alone so often without an end, it is guilty. */
const attemptsMax = 5;
/** Time before the first suspect is tried: whatever else kills the process right after its start is not its fault. */
const quietMs = 1_000;

/** Handles one suspect. `crashes` is set when it must be set aside instead; it says why. */
type HandleSuspect = (crashes: string | undefined, done: () => void) => void;

interface Options {
  readonly suspects: Suspects;
  readonly commit: GroupCommit;
  readonly clock: Clock;
}

export class SuspectMessages {
  readonly #options: Options;
  readonly #queue: { readonly messageHash: string; readonly handle: HandleSuspect }[] = [];
  #timer: Timer | undefined;
  #busy = false;
  #stopped = false;

  constructor(options: Options) {
    this.#options = options;
  }

  get idle(): boolean {
    return !this.#busy && this.#queue.length === 0;
  }

  isSuspect({ returns }: Pick<Delivery, 'returns'>): boolean {
    return returns >= returnsMax;
  }

  add(messageHash: string, handle: HandleSuspect): void {
    this.#queue.push({ messageHash, handle });
    if (this.#busy || this.#timer) return;
    this.#timer = this.#options.clock.after(quietMs, () => {
      this.#timer = undefined;
      this.#next();
    });
  }

  /**
   * Handles events that were fetched: nobody counts how often these have come. `apart` is set when the process has ended
   * several times while it handled what has this key; each of them is a suspect then.
   */
  together(key: string, handle: (apart: boolean, done: () => void) => void): void {
    const { suspects, commit, clock } = this.#options;
    if (this.#stopped) return;
    commit.submit(
      () => suspects.begin(key),
      (result) => {
        if (this.#stopped) return;
        if (!result.ok) return void clock.after(quietMs, () => this.together(key, handle));
        handle(result.value > returnsMax, () => {
          commit.submit(
            () => suspects.end(key),
            () => {},
          );
        });
      },
    );
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#queue.length = 0;
    this.#busy = false;
  }

  #next(): void {
    const suspect = this.#queue.shift();
    this.#busy = suspect !== undefined;
    if (!suspect || this.#stopped) return;
    const { suspects, commit } = this.#options;
    const { messageHash, handle } = suspect;
    commit.submit(
      () => suspects.begin(messageHash),
      (result) => {
        if (!result.ok) {
          this.#queue.unshift(suspect);
          return this.#later();
        }
        const attempts = result.value;
        const crashes =
          attempts > attemptsMax
            ? `the process has ended ${attempts - 1} times while it handled this message`
            : undefined;
        handle(crashes, () => {
          commit.submit(
            () => suspects.end(messageHash),
            () => {},
          );
          this.#next();
        });
      },
    );
  }

  #later(): void {
    this.#busy = false;
    this.#timer = this.#options.clock.after(quietMs, () => {
      this.#timer = undefined;
      this.#next();
    });
  }
}
