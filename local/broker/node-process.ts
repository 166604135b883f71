// One life of a private node: from the start of its process group (the VM and its epmd) to its end.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { lastLines } from './command.ts';
import { identityOf, killGroup, type ProcessIdentity, signalGroup, stillRuns } from './processes.ts';

const GRACE_MS = 15_000;

// Starts nothing before it is told to `go`: by then the watchdog knows the group, so there is no moment at which our death leaves
// a broker that nobody ends. epmd comes first because a VM that finds none starts one as a daemon outside of the group.
const LAUNCH = `
IFS= read -r word && [ "$word" = go ] || exit 0
exec </dev/null
[ -n "$1" ] || exec "$2"
"$1" -port "$ERL_EPMD_PORT" -address 127.0.0.1 &
epmd=$!
tries=0
until "$1" -port "$ERL_EPMD_PORT" -names >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 200 ] || break
  sleep 0.02
done
kill -0 "$epmd" 2>/dev/null || { echo "epmd: address already in use" >&2; exit 75; }
exec "$2"
`;

export interface LaunchOptions {
  /** undefined: one runs already. */
  readonly epmd: string | undefined;
  readonly serverScript: string;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly consoleFile: string;
  /** Called before anything runs, with the leader of the new process group. */
  readonly beforeGo: (leader: ProcessIdentity) => void;
}

export class NodeProcess {
  readonly #child: ChildProcess;
  readonly #leader: ProcessIdentity;
  readonly #consoleFile: string;

  constructor(options: LaunchOptions) {
    this.#consoleFile = options.consoleFile;
    const consoleFd = openSync(options.consoleFile, 'w');
    try {
      this.#child = spawn('/bin/sh', ['-c', LAUNCH, 'broker-launcher', options.epmd ?? '', options.serverScript], {
        // its own session: Ctrl-C in our terminal must not end the broker before the services have drained
        detached: true,
        cwd: options.cwd,
        env: options.env,
        stdio: ['pipe', consoleFd, consoleFd],
      });
    } finally {
      closeSync(consoleFd);
    }
    this.#child.on('error', () => undefined);
    this.#child.stdin?.on('error', () => undefined);
    // a caller that forgets stop() can still end: the watchdog then does it
    this.#child.unref();
    const leader = this.#child.pid === undefined ? undefined : identityOf(this.#child.pid);
    if (leader === undefined) throw new Error('/bin/sh could not be started');
    this.#leader = leader;
    options.beforeGo(leader);
    this.#child.stdin?.end('go\n');
  }

  /** Of the VM, which the start script becomes. */
  get pid(): number {
    return this.#leader.pid;
  }

  /** Why there is no broker any more, or undefined while it runs. */
  ended(): string | undefined {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) return undefined;
    return `it ended with ${signalCode ?? `code ${exitCode}`}: ${lastLines(this.printed(), 4)}`;
  }

  /** Resolves when it has ended, with how: "SIGKILL", "exit code 1". */
  async whenEnded(signal: AbortSignal): Promise<string> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) await once(this.#child, 'exit', { signal });
    return this.#child.signalCode ?? `exit code ${this.#child.exitCode}`;
  }

  /** What it printed so far; RabbitMQ says there why it cannot start. */
  printed(): string {
    try {
      return readFileSync(this.#consoleFile, 'utf8').replace(/\n\s*\n/g, '\n');
    } catch {
      return '';
    }
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    if (!signalGroup(this.#leader.pid, signal)) throw new Error('the broker does not run');
  }

  kill(): Promise<void> {
    return killGroup(this.#leader);
  }

  /** Lets RabbitMQ close its files; after fifteen seconds, and for epmd, by SIGKILL. */
  async end(): Promise<void> {
    signalGroup(this.#leader.pid, 'SIGCONT');
    if (stillRuns(this.#leader)) process.kill(this.#leader.pid, 'SIGTERM');
    const giveUpMs = Date.now() + GRACE_MS;
    while (stillRuns(this.#leader) && Date.now() < giveUpMs) await delay(20);
    await killGroup(this.#leader);
  }
}
