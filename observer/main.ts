// The observer as a process: settings, log, HTTP, and an orderly end. It can be started and stopped at any time.
import type { AddressInfo } from 'node:net';
import { createLog, type ProcessLog } from '../shared/runtime/environment/log.ts';
import { SettingsError } from '../shared/runtime/process/settings.ts';
import { Observer } from './observer.ts';
import { type ObserverSettings, readObserverSettings } from './settings.ts';

/** Exit code of a start that a person must repair first. */
const cannotStart = 78;
const logFlushMsMax = 1_000;

async function start(settings: ObserverSettings, log: ProcessLog): Promise<void> {
  const observer = new Observer(settings, log);
  const { server } = observer;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(settings.PORT, settings.HOST, resolve);
  });
  await observer.start();
  const { port } = server.address() as AddressInfo;
  log.info({ port }, 'started');
  // For whoever started this process and waits for it.
  process.send?.({ listening: port });
  stopOnSignals(observer, log);
}

/** Nothing here must be finished: whoever reads the page reads it again later. */
function stopOnSignals(observer: Observer, log: ProcessLog): void {
  const stop = (signal: string): void => {
    log.info({ signal }, 'stopping');
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), logFlushMsMax);
    observer.server.close();
    observer.server.closeAllConnections();
    void observer.stop().finally(() => log.flush(() => process.exit(0)));
  };
  process.once('SIGTERM', () => stop('SIGTERM'));
  process.once('SIGINT', () => stop('SIGINT'));
  // The parent went away without a word, perhaps before this. Nobody reads the log any more, and nothing is left to do.
  const end = (): void => void process.kill(process.pid, 'SIGKILL');
  if (process.send) process.once('disconnect', end);
  if (process.send && !process.connected) end();
}

try {
  const settings = readObserverSettings(process.env);
  await start(settings, createLog('observer', settings.LOG_LEVEL));
} catch (error) {
  const { code, port } = error as NodeJS.ErrnoException & { port?: number };
  const taken = code === 'EADDRINUSE' ? `port ${port} is taken; set PORT to another (0: any free one)` : undefined;
  const message =
    error instanceof SettingsError ? error.message : (taken ?? (error instanceof Error ? error.stack : error));
  process.stderr.write(`observer cannot start: ${message}\n`);
  process.exit(cannotStart);
}
