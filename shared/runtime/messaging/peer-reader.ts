// How one instance of a service asks another for what its journal does not say.

export interface PeerReader {
  /** Asks for what the peer answers at a path. Calls back exactly once, with its answer as it came, or with an Error. */
  get(path: string, query: Readonly<Record<string, string>>, done: (answer: unknown) => void): void;
}
