// When a command that runs in the foreground must stop: Ctrl-C, a signal, a closed terminal, or the death of the npm that runs it.

/** The reason of the signal that stopRequests() gives. */
export class StopRequest extends Error {
  override readonly name = 'StopRequest';
}

/** npm passes on the Ctrl-C that the terminal has sent to us as well: that is not a second one. */
const sameCtrlCMs = 500;
const parentCheckMs = 500;

/**
 * Aborted, with a StopRequest, by the first request to stop.
 * @param again called at a second request by a person, who does not want to wait
 */
export function stopRequests(again: () => void): AbortController {
  const stopping = new AbortController();
  let askedAtMs: number | undefined;
  const stop = (): void => {
    askedAtMs ??= Date.now();
    stopping.abort(new StopRequest());
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (askedAtMs !== undefined && signal !== 'SIGHUP' && Date.now() - askedAtMs > sameCtrlCMs) again();
      else stop();
    });
  }
  stopWithNpm(stop);
  // Nobody reads any more (a closed terminal, `| head`): that is no reason to end without stopping things.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  return stopping;
}

/** npm, killed with -9, cannot pass anything on: we then get another parent. Without npm, a new parent is no sign (nohup, setsid). */
function stopWithNpm(stop: () => void): void {
  if (!process.env['npm_lifecycle_event']) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    stop();
  }, parentCheckMs);
  timer.unref();
}
