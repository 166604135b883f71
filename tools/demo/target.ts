// Where the demo plays: a system of its own, or the one that docker compose runs.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { findCompose, projectDir } from '../../local/compose.ts';
import { observerPort, observerProcess, startObserver } from '../../local/observer-process.ts';
import { portsFrom } from '../../local/ports.ts';
import { ServiceLogs } from '../../local/service-log.ts';
import { defaultSettings, foldersIn, System } from '../../local/system.ts';
import { paintFor } from '../../local/terminal.ts';
import { type PerService, perService, serviceNames } from '../../services.ts';
import { DemoError } from './answers.ts';

export interface Target {
  readonly urls: PerService<string>;
  /** Where its sagas can be watched; undefined: nowhere. */
  readonly livePage: string | undefined;
  /** Ending of ids that makes them new in this system. */
  readonly suffix: string;
  /** For people. */
  readonly description: string;
  readonly killCommand: string;
  readonly startCommand: string;
  /** Where to look when something is not as expected. */
  readonly logs: string;
  /** kill -9. @returns when it ended, in milliseconds since 1970 */
  killPayment(): Promise<number>;
  /** Resolves when it answers again. */
  startPayment(): Promise<void>;
  /** @param keepData leaves databases and logs for somebody to look at */
  close(keepData: boolean): Promise<void>;
}

const payment = 'payment-service';

/** A broker and three services of the demo's own, on free ports and with temporary data. */
export async function localTarget(progress: (line: string) => void, signal: AbortSignal): Promise<Target> {
  const dataDir = mkdtempSync(join(tmpdir(), 'choreography-saga-demo-'));
  const folders = foldersIn(dataDir);
  // The demo announces what the services warn of: it goes to the files only.
  const logs = new ServiceLogs(folders.logs, () => {}, paintFor({}));
  const remove = async (): Promise<void> => {
    await logs.close();
    rmSync(dataDir, { recursive: true, force: true });
  };
  const system = await System.start({
    dataDir,
    env: defaultSettings,
    progress,
    signal,
    onLine: (service, line) => logs.line(service, line),
  }).catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  const service = system.services[payment];
  const observer = observerProcess(system, {
    dataDir,
    port: 0,
    env: defaultSettings,
    onLine: (line) => logs.line('observer', line),
  });
  const whyNoPage = await startObserver(observer, 0, '127.0.0.1');
  return {
    urls: system.urls,
    livePage: whyNoPage === undefined ? observer.url : undefined,
    suffix: '',
    description: `${system.broker.description}; the three services on free ports; temporary data`,
    get killCommand() {
      return `kill -9 ${service.pid}    # ${payment}`;
    },
    startCommand: `node dist/${payment}/main.js`,
    logs: folders.logs,
    async killPayment() {
      const killed = service.kill();
      const killedAtMs = Date.now();
      await killed;
      return killedAtMs;
    },
    startPayment: () => service.start(),
    async close(keepData) {
      await observer.stop();
      await system.stop();
      if (keepData) await logs.close();
      else await remove();
    },
  };
}

const run = promisify(execFile);
const readyMsMax = 60_000;
const killMsMax = 10_000;

/** The system of docker-compose.yml, which must be up. */
export async function composeTarget(progress: (line: string) => void, signal: AbortSignal): Promise<Target> {
  const compose = await findCompose();
  if (!compose) {
    throw new DemoError('Neither `docker compose` nor `docker-compose` is there: install Docker with Compose.');
  }
  const ports = portsFrom(process.env);
  const urls = perService((service) => `http://127.0.0.1:${ports[service]}`);
  const shown = compose.join(' ');
  const act = async (...args: string[]): Promise<string> => {
    const [file, ...first] = compose;
    const { stdout } = await run(file, [...first, ...args], { cwd: projectDir });
    return stdout.trim();
  };
  const container = await act('ps', '-q', payment).catch((error: unknown) => {
    throw new DemoError(`${shown} does not work here: ${(error as { stderr?: string }).stderr ?? error}`);
  });
  if (container === '') {
    throw new DemoError(`The compose system is not up: start it with  ${shown} up -d --build  and try again.`);
  }
  for (const name of serviceNames) {
    progress(`Waiting for ${name} and its connection to the broker …`);
    await untilReady(urls[name], name, shown, signal);
  }
  let away = false;
  const startPayment = async (): Promise<void> => {
    await act('start', payment);
    away = false;
    await untilReady(urls[payment], payment, shown, signal);
  };
  return {
    urls,
    livePage: `http://127.0.0.1:${process.env['OBSERVER_PORT'] || observerPort}`,
    // Ids of an earlier run are in the databases already.
    suffix: `-${Date.now().toString(36)}`,
    description: `${shown}: the containers on ports ${serviceNames.map((name) => ports[name]).join(', ')}`,
    killCommand: `${shown} kill -s SIGKILL ${payment}`,
    startCommand: `${shown} start ${payment}`,
    logs: `${shown} logs`,
    async killPayment() {
      away = true;
      await act('kill', '-s', 'SIGKILL', payment);
      return endOf(container, signal);
    },
    startPayment,
    async close() {
      // Interrupted in the middle of it: the system is left as it was found.
      if (away) await act('start', payment);
    },
  };
}

/** When a killed container ended. `kill` may return before Docker has noticed it. */
async function endOf(container: string, signal: AbortSignal): Promise<number> {
  const deadlineMs = Date.now() + killMsMax;
  while (Date.now() < deadlineMs) {
    const format = '{{.State.Running}} {{.State.FinishedAt}}';
    const { stdout } = await run('docker', ['inspect', '-f', format, container]);
    const [running, finishedAt = ''] = stdout.trim().split(' ');
    if (running === 'false') return Date.parse(finishedAt);
    await delay(20, undefined, { signal });
  }
  throw new DemoError(`${payment} still runs ${killMsMax / 1000} s after the kill. Does something start it again?`);
}

async function untilReady(url: string, name: string, compose: string, signal: AbortSignal): Promise<void> {
  const deadlineMs = Date.now() + readyMsMax;
  let last = '';
  while (Date.now() < deadlineMs) {
    try {
      const response = await fetch(`${url}/readyz`, { signal: AbortSignal.any([signal, AbortSignal.timeout(2_000)]) });
      last = await response.text();
      const { broker } = JSON.parse(last) as { broker?: { publisher?: string; consumer?: string } };
      if (response.ok && broker?.publisher === 'connected' && broker.consumer === 'connected') return;
    } catch (error) {
      signal.throwIfAborted();
      last = String(error instanceof Error ? (error.cause ?? error) : error);
    }
    await delay(100, undefined, { signal });
  }
  throw new DemoError(
    `${name} at ${url} is not ready after ${readyMsMax / 1000} s (${last}).\nLook at  ${compose} logs ${name} rabbitmq`,
  );
}
