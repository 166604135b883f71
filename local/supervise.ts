// Starts a service again when it ends without being asked to.
import { setTimeout as delay } from 'node:timers/promises';
import { type ServiceProcess, ServiceStartError } from './service-process.ts';

const retryDelayMsMin = 500;
const retryDelayMsMax = 10_000;
/** A service that ran this long was well: the next delay is the shortest again. */
const steadyMs = 30_000;

/** Runs until the signal. The service must be running; it is left as it is then. */
export async function keepRunning(
  service: ServiceProcess,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    const startedMs = Date.now();
    const { pid } = service;
    await service.ended();
    if (signal.aborted) return;
    if (Date.now() - startedMs >= steadyMs) tries = 0;
    const delayMs = Math.min(retryDelayMsMin * 2 ** tries, retryDelayMsMax);
    say(`${service.service} (pid ${pid}) ended: ${service.endedBy}. It is started again in ${delayMs / 1000} s.`);
    const waited = await delay(delayMs, true, { signal }).catch(() => false);
    if (!waited) return;
    try {
      await service.start();
      say(`${service.service} runs again, pid ${service.pid}.`);
    } catch (error) {
      if (signal.aborted) return;
      // Why it ended has been shown, line by line, as it wrote it.
      say(`${error instanceof ServiceStartError ? error.why : String(error)}.`);
    }
  }
}
