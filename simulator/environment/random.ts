// The only source of chance: sfc32 (Chris Doty-Humphrey, PractRand), seeded by splitmix32. One seed, many streams, so
// that switching one kind of fault off leaves the choices of the others as they were.

export class Random {
  readonly #seed: number;
  #a: number;
  #b: number;
  #c: number;
  #d = 1;

  constructor(seed: number, stream = '') {
    this.#seed = seed;
    let state = (seed ^ hash32(stream)) >>> 0;
    const next = () => {
      state = (state + 0x9e3779b9) >>> 0;
      let t = state ^ (state >>> 16);
      t = Math.imul(t, 0x21f0aaad);
      t ^= t >>> 15;
      t = Math.imul(t, 0x735a2d97);
      return (t ^ (t >>> 15)) >>> 0;
    };
    this.#a = next();
    this.#b = next();
    this.#c = (next() ^ Math.floor(seed / 2 ** 32)) >>> 0;
    for (let i = 0; i < 12; i++) this.uint32();
  }

  /** An independent stream of the same seed. */
  stream(name: string): Random {
    return new Random(this.#seed, name);
  }

  uint32(): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + t) | 0;
    return t >>> 0;
  }

  /** 0 <= x < 1 */
  unit(): number {
    return this.uint32() / 2 ** 32;
  }

  /** An integer, 0 <= x < limit. */
  below(limit: number): number {
    return Math.floor(this.unit() * limit);
  }

  /** An integer, low <= x <= high. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<T>(list: readonly T[]): T {
    const item = list[this.below(list.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  /** Exponentially distributed waiting time, in whole units. */
  waiting(mean: number): number {
    return Math.floor(-Math.log(1 - this.unit()) * mean);
  }

  shuffle<T>(list: T[]): T[] {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const a = list[i] as T;
      list[i] = list[j] as T;
      list[j] = a;
    }
    return list;
  }
}

/** FNV-1a. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
