// The epmd of a cluster: the directory in which Erlang nodes find each other. It outlives each node, and ends with the cluster.
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandFailedError, runCommand } from './command.ts';
import { identityOf, killGroup, type ProcessIdentity } from './processes.ts';
import { SourceUnavailableError } from './source.ts';

const START_TIMEOUT_MS = 20_000;
const COMMAND_TIMEOUT_MS = 5_000;

// Nothing runs before the watchdog knows the group. One that is killed is started again: the nodes notice within a minute, and register again.
const LAUNCH = `
IFS= read -r word && [ "$word" = go ] || exit 0
exec </dev/null
while :; do "$1" -port "$2" -address 127.0.0.1; sleep 0.2; done
`;

export class EpmdProcess {
  readonly #leader: ProcessIdentity;

  private constructor(leader: ProcessIdentity) {
    this.#leader = leader;
  }

  /**
   * Resolves when it answers.
   * @param beforeGo called before anything runs, with the leader of the new process group
   * @throws SourceUnavailableError
   */
  static async start(epmd: string, port: number, beforeGo: (leader: ProcessIdentity) => void): Promise<EpmdProcess> {
    const child = spawn('/bin/sh', ['-c', LAUNCH, 'epmd-launcher', epmd, String(port)], {
      detached: true,
      cwd: '/',
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.on('error', () => undefined);
    child.stdin.on('error', () => undefined);
    child.unref();
    const leader = child.pid === undefined ? undefined : identityOf(child.pid);
    if (leader === undefined) throw new Error('/bin/sh could not be started');
    beforeGo(leader);
    child.stdin.end('go\n');
    const process = new EpmdProcess(leader);
    try {
      await untilAnswers(epmd, port);
    } catch (error) {
      await process.kill();
      throw error;
    }
    return process;
  }

  kill(): Promise<void> {
    return killGroup(this.#leader);
  }
}

async function untilAnswers(epmd: string, port: number): Promise<void> {
  for (const endMs = Date.now() + START_TIMEOUT_MS; ; await delay(50)) {
    try {
      await runCommand(epmd, ['-port', String(port), '-names'], { timeoutMs: COMMAND_TIMEOUT_MS });
      return;
    } catch (error) {
      if (!(error instanceof CommandFailedError)) throw error;
      if (Date.now() > endMs) throw new SourceUnavailableError(`epmd did not start: ${error.message}`);
    }
  }
}
