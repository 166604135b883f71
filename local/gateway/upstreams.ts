// The addresses behind a gateway, and which of them can take requests now: asked every second, and left out at once when one
// of them cannot be reached.
const checkEveryMs = 1_000;
const checkTimeoutMs = 2_000;

export class Upstream {
  readonly url: string;
  ready = false;
  #looking: Promise<void> | undefined;

  constructor(url: string) {
    this.url = url;
  }

  /** Asks whether it is ready; once, however many want to know at the same time. */
  look(): Promise<void> {
    this.#looking ??= isReady(this.url).then((ready) => {
      this.ready = ready;
      this.#looking = undefined;
    });
    return this.#looking;
  }
}

/** The processes of one service. */
export class Upstreams {
  readonly #all: readonly Upstream[];
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(urls: readonly string[]) {
    this.#all = urls.map((url) => new Upstream(url));
  }

  /** Resolves after the first look at all of them. */
  async start(): Promise<void> {
    await this.#look();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Those to try, one after the other: each request begins with the next one that is ready. */
  candidates(): Upstream[] {
    const ready = this.#all.filter((upstream) => upstream.ready);
    this.#turn += 1;
    const first = ready.length === 0 ? 0 : this.#turn % ready.length;
    return [...ready.slice(first), ...ready.slice(0, first)];
  }

  get ready(): number {
    return this.#all.filter((upstream) => upstream.ready).length;
  }

  async #look(): Promise<void> {
    await Promise.all(this.#all.map((upstream) => upstream.look()));
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#look(), checkEveryMs).unref();
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(checkTimeoutMs) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
