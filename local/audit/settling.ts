// The services go on working while they are read, so what looks like a disagreement may be an order on its way. It is read
// again a few times, and counts only if it disagrees each time.
import type { Disagreement, Timing } from './finding.ts';

/** When suspects are read again, as parts of the whole time. */
const readAgainAt = [0.1, 0.4, 1];
/** A batch of suspects spans at most so many orders of the walk, so that it can be read again as one range. */
const batchSpanMax = 1_000;
/** Suspects in memory at once, as ids; the walk waits when there are more. */
const suspectsMax = 50_000;

/** Suspects that are near each other in the walk, in the order of their ids. */
export interface Suspects {
  /** The order before the first of them in the walk, if there is one. */
  readonly after: string | undefined;
  readonly ids: readonly string[];
}

/** Reads suspects again. @returns what disagrees still, by id */
export type Look = (suspects: Suspects) => Promise<ReadonlyMap<string, Disagreement>>;

export class Settling {
  readonly #timing: Timing;
  readonly #look: Look;
  readonly #report: (disagreement: Disagreement) => void;
  #batch: { readonly place: number; readonly after: string | undefined; readonly ids: string[] } | undefined;
  /** Reports come in the order in which the suspects came. */
  #reported: Promise<void> = Promise.resolve();
  #held = 0;
  #wake: (() => void) | undefined;
  #failure: unknown;
  #settled = 0;

  constructor(timing: Timing, look: Look, report: (disagreement: Disagreement) => void) {
    this.#timing = timing;
    this.#look = look;
    this.#report = report;
  }

  /** Suspects that came to agree. */
  get settled(): number {
    return this.#settled;
  }

  /**
   * Resolves when there is room for another one.
   * @param place how many orders the walk has passed
   * @param after the order before it in the walk
   * @throws what reading suspects again threw
   */
  async add(id: string, place: number, after: string | undefined): Promise<void> {
    if (this.#batch && place >= this.#batch.place + batchSpanMax) this.#close();
    this.#batch ??= { place, after, ids: [] };
    this.#batch.ids.push(id);
    while (this.#held >= suspectsMax && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when every suspect is decided. @throws what reading suspects again threw */
  async finish(): Promise<void> {
    this.#close();
    await this.#reported;
    if (this.#failure !== undefined) throw this.#failure;
  }

  #close(): void {
    const batch = this.#batch;
    if (!batch) return;
    this.#batch = undefined;
    this.#held += batch.ids.length;
    this.#reported = Promise.all([this.#lasting(batch), this.#reported])
      .then(([disagreements]) => {
        for (const disagreement of disagreements) this.#report(disagreement);
        this.#settled += batch.ids.length - disagreements.length;
      })
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#held -= batch.ids.length;
        this.#wake?.();
      });
  }

  async #lasting({ after, ids }: Suspects): Promise<Disagreement[]> {
    let suspects = ids;
    let found: ReadonlyMap<string, Disagreement> = new Map();
    let waited = 0;
    for (const part of readAgainAt) {
      if (suspects.length === 0) return [];
      await this.#timing.delay((part - waited) * this.#timing.settleMs);
      waited = part;
      found = await this.#look({ after, ids: suspects });
      const still = found;
      suspects = suspects.filter((id) => still.has(id));
    }
    return suspects.flatMap((id) => found.get(id) ?? []);
  }
}
