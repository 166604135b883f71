// The live page of a system that runs in the foreground: started beside it, started again when it ends, stopped before it.
import { ControlServer } from './control-server.ts';
import { observerProcess, startObserver } from './observer-process.ts';
import type { ServiceProcess } from './service-process.ts';
import { Supervisor, supervisedService } from './supervise.ts';
import type { System } from './system.ts';

export interface LivePageOptions {
  readonly dataDir: string;
  /** 0: any free port. */
  readonly port: number;
  readonly host: string;
  readonly say: (line: string) => void;
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
}

export class LivePage {
  /** Why it does not run; undefined: it does. The system runs either way. */
  readonly whyNot: string | undefined;
  readonly #observer: ServiceProcess;
  readonly #control: ControlServer;
  readonly #supervisor: Supervisor;
  readonly #run: Promise<void>;

  private constructor(
    observer: ServiceProcess,
    control: ControlServer,
    whyNot: string | undefined,
    { say, signal }: LivePageOptions,
  ) {
    this.whyNot = whyNot;
    this.#observer = observer;
    this.#control = control;
    this.#supervisor = new Supervisor(supervisedService(observer), say, signal);
    this.#run = whyNot === undefined ? this.#supervisor.run() : Promise.resolve();
  }

  static async start(system: System, options: LivePageOptions): Promise<LivePage> {
    const { dataDir, port, host, onLine } = options;
    const control = await ControlServer.start(system);
    const observer = observerProcess(system, { dataDir, port, control, onLine });
    return new LivePage(observer, control, await startObserver(observer, port, host), options);
  }

  get url(): string {
    return this.#observer.url;
  }

  async restart(): Promise<void> {
    if (this.whyNot === undefined) await this.#supervisor.restart();
  }

  /** After the signal. What the page has paused goes on, so that it can be stopped in order. */
  async stop(): Promise<void> {
    this.#control.stop();
    // First: the supervisor waits for its end.
    await this.#observer.stop();
    await this.#run;
  }
}
