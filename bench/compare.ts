// `npm run compare`: the problem of split databases, its three cures, and three ways to share data between services, measured under
// the same load with a process killed in the middle.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { clearBroker } from './compare/clear-broker.ts';
import { pictureOf } from './compare/compare-picture.ts';
import { type Measured, tableOf } from './compare/compare-report.ts';
import { type Durations, measureWay } from './compare/measure-way.ts';
import { Stand } from './compare/stand.ts';
import { type Way, ways } from './compare/ways.ts';
import { type OwnBroker, startOwnBroker } from './stage/own-broker.ts';

const usage = `Usage: npm run compare -- [options]

Lets the same shoppers order, and read their own list back at once, against each of these in turn, and kills a process in the
middle:
${ways.map(({ name, title }) => `  ${name.padEnd(10)} ${title}`).join('\n')}

  --quick        about two minutes: too short for figures to quote (default: about seven)
  --only NAMES   only these, separated by commas; nothing is written then
  --help         this text

Writes the tables into docs/data-synchronisation.md, and the picture to docs/data-synchronisation.svg.
Exit code: 0; 1 when it failed; 2 for wrong arguments; 130 after Ctrl-C, and nothing is left running.
`;

const quickly: Durations = { warmUp: 1, whole: 5, down: 3, again: 2 };
const thoroughly: Durations = { warmUp: 4, whole: 25, down: 10, again: 8 };

const page = 'docs/data-synchronisation.md';
const picture = 'docs/data-synchronisation.svg';

class Interrupted extends Error {}
class UsageError extends Error {}

process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => stopping.abort(new Interrupted()));
}
const startedMs = performance.now();
process.exit(await main());

async function main(): Promise<number> {
  try {
    const { quick, chosen } = readOptions();
    if (chosen === undefined) {
      process.stdout.write(usage);
      return 0;
    }
    const { measured, broker } = await compare(chosen, quick ? quickly : thoroughly);
    const command = `npm run compare${quick ? ' -- --quick' : ''}`;
    const tables = (['databases', 'catalogue'] as const)
      .filter((of) => measured.some(({ way }) => way.of === of))
      .map((of) => tableOf(of, measured));
    process.stdout.write(`\n${tables.join('\n\n')}\n`);
    if (chosen.length === ways.length) write(tables, measured, command, broker);
    return 0;
  } catch (error) {
    if (stopping.signal.aborted) {
      progress('interrupted; everything that was started is stopped');
      return 130;
    }
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\n\n${usage}`);
      return 2;
    }
    process.stderr.write(`the comparison failed: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`);
    return 1;
  }
}

/** @returns `chosen` undefined: only the usage is wanted */
function readOptions(): { readonly quick: boolean; readonly chosen: readonly Way[] | undefined } {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: 'boolean', default: false },
        only: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    const names = values.only?.split(',');
    const unknown = names?.find((name) => !ways.some((way) => way.name === name));
    if (unknown !== undefined) throw new Error(`--only: there is no '${unknown}'`);
    const chosen = names ? ways.filter(({ name }) => names.includes(name)) : ways;
    return { quick: values.quick, chosen: values.help ? undefined : chosen };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

async function compare(
  chosen: readonly Way[],
  durations: Durations,
): Promise<{ readonly measured: readonly Measured[]; readonly broker: string }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'saga-compare-'));
  let broker: OwnBroker | undefined;
  try {
    progress('starting a broker');
    broker = await startOwnBroker(progress, stopping.signal);
    const measured: Measured[] = [];
    for (const way of chosen) {
      stopping.signal.throwIfAborted();
      progress(`${way.name}: starting the services`);
      const { url } = broker.broker;
      const stand = await Stand.start(way, url, join(dataDir, way.name));
      try {
        const tally = await measureWay(stand, durations, progress, stopping.signal);
        measured.push({ way, tally, wholeS: tally.downFromMs / 1_000 });
      } finally {
        await stand.stop();
      }
      await clearBroker(url, way);
    }
    return { measured, broker: broker.broker.description.replace(/, port \d+/, '') };
  } finally {
    await broker?.broker.stop();
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

function write(tables: readonly string[], measured: readonly Measured[], command: string, broker: string): void {
  const [begin, end] = ['<!-- compare:begin -->', '<!-- compare:end -->'];
  const text = readFileSync(page, 'utf8');
  const [from, until] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || until < from) throw new Error(`${page} has no place for the result: ${begin} … ${end}`);
  const date = new Date().toISOString().slice(0, 10);
  const head = `\`${command}\`, ${date}, ${cpus().length} processors, Node ${process.version.slice(1)}, ${broker}`;
  const body = [head, 'Databases of order-service:', tables[0], 'The catalogue:', tables[1]].join('\n\n');
  writeFileSync(page, `${text.slice(0, from + begin.length)}\n\n${body}\n\n${text.slice(until)}`);
  writeFileSync(picture, pictureOf(measured, command));
  progress(`written: ${page}, ${picture}`);
}

function progress(line: string): void {
  process.stderr.write(`${((performance.now() - startedMs) / 1_000).toFixed(0).padStart(5)} s  ${line}\n`);
}
