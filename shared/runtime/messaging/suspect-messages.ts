// Finds the one event that crashes the process. A crash returns everything that was prefetched, so what has come back
// several times is a suspect, not yet guilty: suspects are handled one at a time, each after its attempt is on disk. Only
// an event that was alone in hand at several crashes is set aside.
import type { Clock, Timer } from '../environment/clock.ts';
import type { GroupCommit } from '../storage/group-commit.ts';
import type { Suspects } from '../storage/suspects.ts';
import type { Delivery } from './bus.ts';

/** Returned to its queue so often, a message is a suspect, and so is each event in it. */
const returnsMax = 3;
/** Handled alone so often without an end, it is guilty. */
const attemptsMax = 5;
/** Time before the first suspect is tried: whatever else kills the process right after its start is not its fault. */
const quietMs = 1_000;

/** Handles one suspect. `crashes` is set when it must be set aside instead; it says why. */
type HandleSuspect = (crashes: string | undefined, done: () => void) => void;

/** Handles several events. `crashed` says that the process has ended while it did so before. */
type HandleGroup = (crashed: boolean, done: () => void) => void;

interface Options {
  readonly suspects: Suspects;
  readonly commit: GroupCommit;
  readonly clock: Clock;
}

export class SuspectMessages {
  readonly #options: Options;
  readonly #queue: { readonly hash: string; readonly handle: HandleSuspect }[] = [];
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

  /**
   * Handles events that come together, and remembers on disk that it does.
   * @param key the same whenever the same events could be among them
   */
  guard(key: string, handle: HandleGroup): void {
    const { suspects, commit } = this.#options;
    commit.submit(
      () => suspects.begin(key),
      (result) => {
        if (this.#stopped) return;
        // Then the events themselves cannot be handled either, and wait as long as they must.
        const crashed = result.ok && result.value > 1;
        handle(crashed, () =>
          commit.submit(
            () => suspects.end(key),
            () => {},
          ),
        );
      },
    );
  }

  /** Handles an event when it is its turn, alone. */
  add(hash: string, handle: HandleSuspect): void {
    this.#queue.push({ hash, handle });
    if (this.#busy || this.#timer) return;
    this.#timer = this.#options.clock.after(quietMs, () => {
      this.#timer = undefined;
      this.#next();
    });
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
    const { hash, handle } = suspect;
    commit.submit(
      () => suspects.begin(hash),
      (result) => {
        if (!result.ok) {
          this.#queue.unshift(suspect);
          return this.#later();
        }
        const attempts = result.value;
        const crashes =
          attempts > attemptsMax
            ? `the process has ended ${attempts - 1} times while it handled this event`
            : undefined;
        handle(crashes, () => {
          commit.submit(
            () => suspects.end(hash),
            () => {},
          );
          this.#next();
        });
      },
    );
  }

  #later(): void {
    // Stryker disable next-line BooleanLiteral: the queue is not empty, and the timer stands for it
    this.#busy = false;
    this.#timer = this.#options.clock.after(quietMs, () => {
      this.#timer = undefined;
      this.#next();
    });
  }
}
