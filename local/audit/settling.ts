// The services go on working while they are read, so what looks like a disagreement may be an order on its way. It is read
// again a few times, and counts only if it disagrees each time.
import type { Disagreement, Timing } from './finding.ts';

/** When a suspect is read again, as parts of the whole time. */
const readAgainAt = [0.1, 0.4, 1];
/** Suspects held in memory at once; the walk waits when there are more. */
const suspectsMax = 5_000;

export class Settling {
  readonly #timing: Timing;
  readonly #look: (id: string) => Promise<Disagreement | undefined>;
  readonly #report: (disagreement: Disagreement) => void;
  /** Reports come in the order in which the suspects came. */
  #reported: Promise<void> = Promise.resolve();
  #held = 0;
  #wake: (() => void) | undefined;
  #failure: unknown;
  #settled = 0;

  /** @param look reads a suspect again and says in what it disagrees now */
  constructor(
    timing: Timing,
    look: (id: string) => Promise<Disagreement | undefined>,
    report: (disagreement: Disagreement) => void,
  ) {
    this.#timing = timing;
    this.#look = look;
    this.#report = report;
  }

  /** Suspects that came to agree. */
  get settled(): number {
    return this.#settled;
  }

  /** Resolves when there is room for another one. @throws what reading a suspect again threw */
  async add(id: string): Promise<void> {
    while (this.#held >= suspectsMax && !this.#failure) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure) throw this.#failure;
    this.#held += 1;
    const verdict = this.#lasting(id);
    this.#reported = Promise.all([verdict, this.#reported])
      .then(([disagreement]) => {
        if (disagreement) this.#report(disagreement);
        else this.#settled += 1;
      })
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#held -= 1;
        this.#wake?.();
      });
  }

  /** Resolves when every suspect is decided. @throws what reading a suspect again threw */
  async finish(): Promise<void> {
    await this.#reported;
    if (this.#failure) throw this.#failure;
  }

  async #lasting(id: string): Promise<Disagreement | undefined> {
    let disagreement: Disagreement | undefined;
    let waited = 0;
    for (const part of readAgainAt) {
      await this.#timing.delay((part - waited) * this.#timing.settleMs);
      waited = part;
      disagreement = await this.#look(id);
      if (!disagreement) return undefined;
    }
    return disagreement;
  }
}
