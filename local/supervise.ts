// Starts what has ended without being asked to, again and again, until told to stop.
import { setTimeout as delay } from 'node:timers/promises';
import type { Broker, BrokerNode } from './broker/start-broker.ts';
import { type ServiceProcess, ServiceStartError } from './service-process.ts';

const retryDelayMsMin = 500;
const retryDelayMsMax = 10_000;
/** What ran this long was well: the next delay is the shortest again. */
const steadyMs = 30_000;

/** Something that runs now. */
export interface Supervised {
  /** For people, at the beginning of a sentence: "payment-service (pid 12)". */
  readonly description: string;
  /** Resolves when it has ended, with how: "SIGKILL". May reject when the signal is aborted. */
  ended(signal: AbortSignal): Promise<string>;
  /** Ends it in order. */
  stop(): Promise<void>;
  /** Resolves when it is back. May reject when the signal is aborted. */
  start(signal: AbortSignal): Promise<void>;
}

export class Supervisor {
  readonly #what: Supervised;
  readonly #say: (line: string) => void;
  readonly #signal: AbortSignal;
  /** A restart that was asked for and has not begun. */
  #restarting = false;
  #waiting = new AbortController();

  constructor(what: Supervised, say: (line: string) => void, signal: AbortSignal) {
    this.#what = what;
    this.#say = say;
    this.#signal = signal;
  }

  /** Runs until the signal, and leaves things as they are then. */
  async run(): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      const startedMs = Date.now();
      const { description } = this.#what;
      const how = await this.#what.ended(this.#signal).catch(String);
      if (this.#signal.aborted) return;
      if (Date.now() - startedMs >= steadyMs) tries = 0;
      const delayMs = Math.min(retryDelayMsMin * 2 ** tries, retryDelayMsMax);
      if (!this.#restarting) {
        this.#say(`${description} ended: ${how}. Starting it again in ${delayMs / 1000} s.`);
        this.#waiting = new AbortController();
        const either = AbortSignal.any([this.#signal, this.#waiting.signal]);
        await delay(delayMs, undefined, { signal: either }).catch(() => {});
        if (this.#signal.aborted) return;
      }
      this.#restarting = false;
      await this.#start();
      if (this.#signal.aborted) return;
    }
  }

  /** Ends it in order; `run` starts it again at once, also when it was waiting to. */
  async restart(): Promise<void> {
    this.#restarting = true;
    this.#waiting.abort();
    await this.#what.stop();
  }

  async #start(): Promise<void> {
    try {
      await this.#what.start(this.#signal);
      this.#say(`${this.#what.description} is running again.`);
    } catch (error) {
      // Why it ended has been shown, line by line, as it wrote it.
      const why = error instanceof ServiceStartError ? error.why : String(error);
      if (!this.#signal.aborted && !this.#restarting) this.#say(`${why}.`);
    }
  }
}

export function supervisedService(service: ServiceProcess): Supervised {
  return {
    get description() {
      return `${service.name} (pid ${service.pid})`;
    },
    async ended() {
      await service.ended();
      return service.endedBy ?? 'it was not started';
    },
    stop: () => service.stop(),
    start: () => service.start(),
  };
}

/** The broker, or each node of a cluster: started again on the same port and with the same data, so that the services find it. */
export function supervisedBroker(broker: Broker): Supervised[] {
  const nodes: readonly BrokerNode[] = broker.nodes ?? [broker];
  return nodes.map((node) => ({
    get description() {
      return broker.nodes ? `${node.description} (pid ${node.pid})` : 'The broker';
    },
    ended: (signal) => node.ended(signal),
    stop: () => node.stop(),
    start: (signal) => node.restart(signal),
  }));
}
