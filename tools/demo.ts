// `npm run demo`: orders that go through, orders that are rolled back, and a service killed in the middle, over HTTP only.
import { setMaxListeners } from 'node:events';
import { parseArgs } from 'node:util';
import { paintFor } from '../local/terminal.ts';
import { Client } from './demo/client.ts';
import { Report } from './demo/report.ts';
import { playAll } from './demo/scenes/play-all.ts';
import { Shop } from './demo/shop.ts';
import { composeTarget, localTarget, type Target } from './demo/target.ts';

const usage = `npm run demo -- [--compose] [--keep]

Plays the saga and its failures, and compares what happens with what is expected.

  --compose   use the system that docker compose runs on ports 3001 to 3003, instead of one of its own
  --keep      keep the demo's own system running at the end, until Ctrl-C, so that the curl lines can be repeated
  --help      this

Exit code: 0 if everything was as expected, 1 if not, 2 for wrong arguments, 130 after Ctrl-C.
`;

const connectionsMax = 64;
/** Npm passes the Ctrl-C on that the terminal has sent to us as well: that is not a second one. */
const sameCtrlCMs = 500;

class Interrupted extends Error {}

const options = readArguments();
const paint = paintFor(process.stdout);
process.stdout.on('error', () => {});

const interrupt = new AbortController();
// Each request under way listens to it.
setMaxListeners(0, interrupt.signal);
let interruptedAtMs: number | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // What is left ends with us: the services lose their parent, the broker has a watchdog.
    if (interruptedAtMs !== undefined && Date.now() - interruptedAtMs > sameCtrlCMs) process.exit(130);
    interruptedAtMs ??= Date.now();
    interrupt.abort(new Interrupted());
  });
}

process.exit(await main());

async function main(): Promise<number> {
  const report = new Report((text) => void process.stdout.write(text), paint);
  const progress = (line: string): void => report.progress(line);
  let target: Target | undefined;
  let complete = false;
  try {
    target = await (options.compose ? composeTarget : localTarget)(progress, interrupt.signal);
    report.progress(target.description);
    if (target.livePage) report.line(`Watch it live: ${paint.bold(target.livePage)}`);
    complete = await play(target, report);
    if (options.keep) await keep(target, report);
  } catch (error) {
    if (!interrupt.signal.aborted) {
      report.line();
      report.line(`${paint.red('The demo cannot continue.')} ${error instanceof Error ? error.message : error}`);
      if (target) report.line(whatNext(target));
    }
  } finally {
    const interrupted = interrupt.signal.aborted;
    const keepData = target !== undefined && !complete && !interrupted;
    if (interrupted) report.line('\nStopping …');
    await target?.close(keepData).catch((error: unknown) => report.line(`Stopping failed: ${String(error)}`));
  }
  if (complete) return 0;
  return interrupt.signal.aborted ? 130 : 1;
}

/** @returns whether everything was as expected */
async function play(target: Target, report: Report): Promise<boolean> {
  const { signal } = interrupt;
  const client = new Client(connectionsMax, signal);
  const shop = new Shop(target.urls, client, report, target.suffix, signal);
  try {
    const measured = await playAll({ shop, report, target, signal });
    report.verdict();
    if (report.misses.length > 0) report.line(whatNext(target));
    report.line(measured);
    return report.misses.length === 0;
  } finally {
    client.close();
  }
}

function whatNext({ logs }: Target): string {
  const again = options.compose ? '' : '\nRun it with --keep to keep the system running, and query it yourself.';
  return `The services' logs: ${logs}${again}`;
}

async function keep(target: Target, report: Report): Promise<void> {
  const { signal } = interrupt;
  const urls = [...Object.values(target.urls), ...(target.livePage ? [target.livePage] : [])];
  report.line(`\nEverything keeps running until Ctrl-C: ${urls.join(', ')}`);
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
}

function readArguments(): { readonly compose: boolean; readonly keep: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        help: { type: 'boolean', short: 'h' },
        compose: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(usage);
      process.exit(0);
    }
    return values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    process.exit(2);
  }
}
