// The live page of a system on this machine: a process of its own, which nothing else depends on.
import { serviceNames } from '../services.ts';
import { urlSettingOf } from '../shared/runtime/process/settings.ts';
import type { ControlServer } from './control-server.ts';
import { portError, StartError } from './ports.ts';
import { ServiceProcess } from './service-process.ts';
import type { System } from './system.ts';

export const observerPort = 8010;

export interface ObserverOptions {
  readonly dataDir: string;
  /** 0: any free port. */
  readonly port: number;
  /** What the page may stop; left out: nothing. */
  readonly control?: ControlServer;
  readonly env?: Readonly<Record<string, string>>;
  readonly onLine?: (line: string) => void;
}

/** Not started yet. */
export function observerProcess(
  system: System,
  { dataDir, port, control, env, onLine }: ObserverOptions,
): ServiceProcess {
  const addresses = Object.fromEntries(
    serviceNames.map((name) => [
      urlSettingOf(name),
      system.processes
        .filter(({ service }) => service === name)
        .map(({ instance, url }) => (instance === undefined ? url : `${instance}=${url}`))
        .join(','),
    ]),
  );
  return new ServiceProcess({
    service: 'observer',
    amqpUrl: system.broker.url,
    dataDir,
    port,
    env: {
      ...addresses,
      ...(control ? { OBSERVER_CONTROL_URL: control.url, OBSERVER_CONTROL_TOKEN: control.token } : {}),
      ...env,
    },
    ...(onLine ? { onLine } : {}),
  });
}

/**
 * The port from the environment.
 * @returns undefined when no page is wanted (OBSERVER=off)
 * @throws StartError for what is neither
 */
export function observerPortFrom(env: NodeJS.ProcessEnv): number | undefined {
  const wanted = env['OBSERVER'] || 'on';
  if (wanted === 'off') return undefined;
  if (wanted !== 'on') throw new StartError(`OBSERVER=${wanted} is wrong: it must be on or off.`);
  const text = env['OBSERVER_PORT'] || String(observerPort);
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new StartError(`OBSERVER_PORT=${text} is wrong: it must be a port number from 0 to 65535.`);
}

/**
 * Starts it. When that is not possible, the system does without.
 * @returns why it does not run, for people; undefined: it runs
 */
export async function startObserver(observer: ServiceProcess, port: number, host: string): Promise<string | undefined> {
  const error = port === 0 ? undefined : await portError(port, host);
  if (error) return `port ${port} cannot be used (${error.code ?? error.message}); OBSERVER_PORT chooses another`;
  return observer.start().then(
    () => undefined,
    (failure: unknown) => (failure instanceof Error ? failure.message : String(failure)),
  );
}
