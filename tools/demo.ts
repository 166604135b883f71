// `npm run demo`: orders that go through, orders that are rolled back, and a service killed in the middle, over HTTP only.
import { setMaxListeners } from 'node:events';
import { parseArgs } from 'node:util';
import { orderInstancesMax } from '../local/order-processes.ts';
import { paintFor } from '../local/terminal.ts';
import { Client } from './demo/client.ts';
import { playInstances } from './demo/instances/play.ts';
import { InstanceStage } from './demo/instances/stage.ts';
import { Report } from './demo/report.ts';
import { playAll } from './demo/scenes/play-all.ts';
import { Shop } from './demo/shop.ts';
import { composeTarget, localTarget, type Target } from './demo/target.ts';

const [ordersByDefault, ordersMin, ordersMax] = [5_000, 20, 1_000_000];

const usage = `npm run demo -- [--compose] [--keep]
npm run demo -- --order-instances 3 [--orders N]

Plays the saga and its failures, and compares what happens with what is expected. With several instances of order-service,
customers order through the gateway while one is killed, one joins and one loses its database; in the end, all must answer the same.

  --compose   use the system that docker compose runs on ports 3001 to 3003, instead of one of its own
  --keep      keep the demo's own system running at the end, until Ctrl-C, so that the curl lines can be repeated
  --order-instances N   with N instances of order-service (2 to ${orderInstancesMax - 1}), and one more that joins; a system of its own
  --orders N            how many orders (default ${ordersByDefault}); only with --order-instances
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

process.exit(await (options.orderInstances > 1 ? mainWithInstances(options) : main()));

async function mainWithInstances({ orderInstances, orders }: Options): Promise<number> {
  const report = new Report((text) => void process.stdout.write(text), paint);
  const { signal } = interrupt;
  const client = new Client(connectionsMax, signal);
  let stage: InstanceStage | undefined;
  let complete = false;
  try {
    stage = await InstanceStage.start(orderInstances, (line) => report.progress(line), signal);
    await playInstances({ stage, client, report, orders, signal });
    report.verdict();
    complete = report.misses.length === 0;
  } catch (error) {
    if (!signal.aborted)
      report.line(`\n${paint.red('The demo cannot continue.')} ${error instanceof Error ? error.message : error}`);
  } finally {
    client.close();
    const keepData = !complete && !signal.aborted;
    if (signal.aborted) report.line('\nStopping …');
    else if (stage && keepData) report.line(`The services' logs: ${stage.logDir}`);
    await stage?.close(keepData).catch((error: unknown) => report.line(`Stopping failed: ${String(error)}`));
  }
  if (signal.aborted) return 130;
  return complete ? 0 : 1;
}

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

interface Options {
  readonly compose: boolean;
  readonly keep: boolean;
  readonly orderInstances: number;
  readonly orders: number;
}

function readArguments(): Options {
  try {
    const { values } = parseArgs({
      options: {
        help: { type: 'boolean', short: 'h' },
        compose: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        'order-instances': { type: 'string', default: '1' },
        orders: { type: 'string' },
      },
    });
    if (values.help) {
      process.stdout.write(usage);
      process.exit(0);
    }
    const orderInstances = wholeNumber('--order-instances', values['order-instances'], 1, orderInstancesMax - 1);
    const orders = wholeNumber('--orders', values.orders ?? String(ordersByDefault), ordersMin, ordersMax);
    if (orderInstances > 1 && (values.compose || values.keep))
      throw new Error('--order-instances has a system of its own, which ends with it: leave out --compose and --keep');
    if (orderInstances === 1 && values.orders !== undefined) throw new Error('--orders needs --order-instances');
    return { compose: values.compose, keep: values.keep, orderInstances, orders };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    process.exit(2);
  }
}

function wholeNumber(option: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= min && number <= max) return number;
  throw new Error(`${option} must be a number from ${min} to ${max}`);
}
