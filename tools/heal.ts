// `npm run heal`: loses each thing that can be lost, under load, and measures how long the system takes to heal.
import { parseArgs } from 'node:util';
import { type Broker, startBroker } from '../local/broker/start-broker.ts';
import { type Extent, lossCases } from '../local/losses/cases.ts';
import { Trial } from '../local/losses/trial.ts';

const names = Object.keys(lossCases) as (keyof typeof lossCases)[];
const usage = `Usage: npm run heal [-- CASE...] [--rate ORDERS_PER_S]

Takes something from a running system while customers order: messages, queues, the whole broker, a database, a process.
Prints, for each case:

  orders        accepted in all
  open          not ended when the faults stopped
  seconds       from then on until all had ended, every journal was compared, and the audit found nothing new
  disagree      orders that the services then disagree about: handled again in another order, they were decided otherwise
  dead letters  messages that were set aside

Each case has a system of its own. The broker is started for it: BROKER_SOURCE=installed, docker or debian says which.

Cases: ${names.join(', ')}.`;

/** A database is put back to a copy of this age. */
const copyAgeS = 20;

const columns = [34, 8, 6, 9, 10, 14] as const;

interface Options {
  readonly wanted: typeof names;
  readonly ordersPerS: number;
}

async function main({ wanted, ordersPerS }: Options): Promise<void> {
  // It kills and wipes its broker: never that of somebody else.
  delete process.env['AMQP_URL'];
  const extent: Extent = { ordersPerS, kills: 30, cuts: 30, ordersAfterCopy: copyAgeS * ordersPerS };
  const broker = await startBroker({ progress: (line) => console.error(line) });
  try {
    console.log(`${broker.description}, ${ordersPerS} orders/s`);
    row(['case', 'orders', 'open', 'seconds', 'disagree', 'dead letters']);
    for (const name of wanted) await measure(broker, name, extent);
  } finally {
    await broker.stop();
  }
}

/** @throws when the command line is wrong */
function readOptions(): Options | 'help' {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rate: { type: 'string', default: '100' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) return 'help';
  const unknown = positionals.find((name) => !names.some((known) => known === name));
  if (unknown !== undefined) throw new Error(`there is no case '${unknown}'`);
  if (!/^[1-9]\d{0,3}$/.test(values.rate)) throw new Error('--rate must be a whole number from 1 to 9999');
  const wanted = names.filter((name) => positionals.length === 0 || positionals.includes(name));
  return { wanted, ordersPerS: Number(values.rate) };
}

async function measure(broker: Broker, name: keyof typeof lossCases, extent: Extent): Promise<void> {
  const lossCase = lossCases[name];
  const trial = await Trial.prepare(broker, lossCase);
  try {
    const { orders, open, seconds, disagreements, deadLetters } = await trial.run(lossCase, extent);
    row([lossCase.name, orders, open, seconds.toFixed(1), disagreements.length, deadLetters.length]);
  } finally {
    await trial.stop();
  }
}

function row(cells: readonly (string | number)[]): void {
  const text = cells.map((cell, index) => {
    const width = columns[index] ?? 10;
    return index === 0 ? String(cell).padEnd(width) : String(cell).padStart(width);
  });
  console.log(text.join('  '));
}

try {
  const options = readOptions();
  if (options === 'help') console.log(usage);
  else await main(options);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
