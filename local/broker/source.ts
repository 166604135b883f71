// What every source of a broker gives (Broker), what a caller may ask for, and the two errors of this module.

export const BROKER_SOURCES = ['url', 'installed', 'docker', 'debian'] as const;
export type BrokerSource = (typeof BROKER_SOURCES)[number];

export interface StartBrokerOptions {
  /** Messages live here and survive stop(), kill() and the end of this process. Left out: a temporary folder that stop() removes. */
  readonly dataDir?: string;
  /** Called with one line at a time while something takes long: download, unpacking, boot. */
  readonly progress?: (line: string) => void;
  /** Ends the start, and whatever it had begun. Has no effect once the broker runs. */
  readonly signal?: AbortSignal;
  /** Where RabbitMQ's own log goes. Default: `log/rabbitmq.log` in the data folder. Of a cluster, each node adds its number. */
  readonly logFile?: string;
  /** Nodes of a cluster: an odd number, so that most of them are left when one is lost. Default 1: no cluster. */
  readonly nodes?: number;
}

/** One node of a broker, to be killed and started again by itself. */
export interface BrokerNode {
  /** For people, at the beginning of a sentence: "Broker node 2". */
  readonly description: string;
  /** Of this node alone. */
  readonly url: string;
  /** Of the process to kill; undefined: it does not run, or is not known here. */
  readonly pid?: number | undefined;
  stop(): Promise<void>;
  kill(): Promise<void>;
  restart(signal?: AbortSignal): Promise<void>;
  ended(signal: AbortSignal): Promise<string>;
}

export interface Broker extends BrokerNode {
  /** For `connect`, user and password included; of a cluster all addresses, see addressesIn(). The same before and after restart(). */
  readonly url: string;
  readonly source: BrokerSource;
  /** For people: "RabbitMQ 3.10.8, private, port 20321". */
  readonly description: string;
  /** Only of a cluster. What is done to the broker is done to all of them. */
  readonly nodes?: readonly BrokerNode[];
  /** Ends the broker and everything that was started for it; removes its data unless `dataDir` was given. May be called twice. */
  stop(): Promise<void>;
  /**
   * `kill -9`: what the kernel had been given stays, for restart().
   *
   * RabbitMQ can forget a queue that it declared in the last second or so, and with it what it confirmed into it. Measured: a quorum
   * queue always (3.10.8, 4.0.5), a durable classic one 6 times in 48 on a loaded machine (3.10.8, whose Mnesia had written the
   * declaration but not yet its commit decision); never after three seconds. So: declare, wait, then kill.
   */
  kill(): Promise<void>;
  /**
   * Starts it again on the same port and data, after kill(), after it died, after stop() where `dataDir` was given, or
   * while it runs. Aborted by the signal, it is left as after kill().
   */
  restart(signal?: AbortSignal): Promise<void>;
  /** Loses everything: ends it at once, removes its data, and starts it again, empty, on the same port. */
  wipe(): Promise<void>;
  /**
   * Resolves when the broker has ended, with how: "SIGKILL", "exit code 1". Never for a broker that was not started here.
   * Rejects when the signal is aborted.
   */
  ended(signal: AbortSignal): Promise<string>;
  /** Freezes it: connections stay open and nobody answers. */
  pause(): void;
  resume(): void;
  /** Runs `rabbitmqctl` against this broker and gives its output. */
  rabbitmqctl(args: readonly string[]): Promise<string>;
}

/** The environment asks for something that does not exist. Takes down the start only; the user must correct the variable. */
export class BrokerSettingError extends Error {
  override name = 'BrokerSettingError';
}

/** No broker is available here. The message lists what was tried, why it did not work, and what to install or set. */
export class BrokerUnavailableError extends Error {
  override name = 'BrokerUnavailableError';
}

/** One source cannot serve; the next one may. */
export class SourceUnavailableError extends Error {
  override name = 'SourceUnavailableError';
}

/** What a source needs to know to start a broker. */
export interface StartContext {
  readonly dataDir: string | undefined;
  readonly logFile: string | undefined;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal | undefined;
  readonly nodes: number;
}

/** @throws SourceUnavailableError */
export function refuseCluster({ nodes }: StartContext, why: string): void {
  if (nodes > 1) throw new SourceUnavailableError(`not with ${nodes} nodes: ${why}`);
}
