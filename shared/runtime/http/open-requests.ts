// The requests that wait for something: each has a signal that says when there is no use in waiting any longer.

export class OpenRequests {
  readonly #stopping: AbortSignal;
  readonly #open = new Set<AbortController>();

  /** @param stopping aborted when the service stops */
  constructor(stopping: AbortSignal) {
    this.#stopping = stopping;
    // One listener for all: each one more makes the next dearer, and AbortSignal.any() would keep an entry for ever.
    stopping.addEventListener('abort', () => {
      for (const request of this.#open) request.abort();
    });
  }

  get size(): number {
    return this.#open.size;
  }

  /** Aborted when the client goes away, or the service stops. Nothing is kept once the response is closed. */
  signalOf(response: { readonly closed: boolean; once(event: 'close', listener: () => void): unknown }): AbortSignal {
    const request = new AbortController();
    if (this.#stopping.aborted || response.closed) {
      request.abort();
      return request.signal;
    }
    this.#open.add(request);
    response.once('close', () => {
      this.#open.delete(request);
      request.abort();
    });
    return request.signal;
  }
}
