// The nodes of a RabbitMQ cluster that a client may connect to. AMQP_URL takes several addresses, separated by commas.

/** A comma may be part of a password: only one before the next address separates. */
export function addressesIn(url: string): string[] {
  return url.split(/,(?=amqps?:\/\/)/);
}

/** Takes turns: whoever cannot be reached, or ends the connection, is tried again after the others. */
export class BrokerAddresses {
  readonly #addresses: readonly string[];
  #index = 0;

  /** @param random in a random order, so that clients spread over the nodes */
  constructor(url: string, random: () => number = Math.random) {
    this.#addresses = addressesIn(url)
      .map((address) => ({ address, place: random() }))
      .sort((a, b) => a.place - b.place)
      .map(({ address }) => address);
  }

  get count(): number {
    return this.#addresses.length;
  }

  get current(): string {
    return this.#addresses[this.#index] ?? '';
  }

  next(): void {
    this.#index = (this.#index + 1) % this.#addresses.length;
  }
}
