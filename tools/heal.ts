// `npm run heal`: loses each thing that can be lost, under load, and measures how long the system takes to heal.
import { parseArgs } from 'node:util';
import { type Broker, startBroker } from '../local/broker/start-broker.ts';
import { type Extent, lossCases } from '../local/losses/cases.ts';
import { Trial } from '../local/losses/trial.ts';

const names = Object.keys(lossCases) as (keyof typeof lossCases)[];
const usage = `Usage: npm run heal [-- CASE...] [--rate ORDERS_PER_S]

Takes something from a running system while customers order: messages, queues, the whole broker, a database, a process.
Prints how many orders had not ended when the faults stopped, and how long it took until all had ended and the audit found
that the services agree. Each case has a system and a virtual host of its own; the broker is the installed one, one in
Docker or Debian's packages; BROKER_SOURCE names one of them.

Cases: ${names.join(', ')}.`;

const columns = [34, 8, 6, 9, 10, 14] as const;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rate: { type: 'string', default: '100' }, help: { type: 'boolean', short: 'h' } },
  });
  const wanted = names.filter((name) => positionals.length === 0 || positionals.includes(name));
  const ordersPerS = Number(values.rate);
  const unknown = positionals.some((name) => !names.some((known) => known === name));
  if (values.help || unknown || !(ordersPerS > 0)) {
    console.log(usage);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  // A system loses what it is given: no broker of anybody else.
  delete process.env['AMQP_URL'];
  const extent: Extent = { ordersPerS, kills: 30, cuts: 30, ordersAfterCopy: 20 * ordersPerS };
  const broker = await startBroker({ progress: (line) => console.error(line) });
  try {
    console.log(`${broker.description}, ${ordersPerS} orders/s`);
    row(['case', 'orders', 'open', 'seconds', 'disagree', 'dead letters']);
    for (const name of wanted) await measure(broker, name, extent);
  } finally {
    await broker.stop();
  }
}

async function measure(broker: Broker, name: keyof typeof lossCases, extent: Extent): Promise<void> {
  const lossCase = lossCases[name];
  const trial = await Trial.prepare(broker, lossCase);
  try {
    const { orders, open, seconds, disagreements, deadLetters } = await trial.run(lossCase, extent);
    row([lossCase.name, orders, open, seconds.toFixed(1), disagreements.length, deadLetters.length]);
    if (process.env['HEAL_DEBUG']) {
      console.log(JSON.stringify(disagreements.slice(0, 4), null, 1));
      console.log(
        JSON.stringify(
          disagreements
            .map((d) => d.broken.map((b) => b.rule).join())
            .reduce((m, r) => ({ ...m, [r]: (m[r] ?? 0) + 1 }), {} as Record<string, number>),
        ),
      );
      console.log(deadLetters.slice(0, 3));
      const errors = trial.stage
        .errors()
        .map((e) =>
          `${e.service} ${e.msg} ${JSON.stringify({ ...e, service: undefined, msg: undefined, time: undefined, pid: undefined, hostname: undefined })}`.slice(
            0,
            400,
          ),
        );
      console.log(errors.length, errors.slice(0, 10).join('\n'));
    }
  } catch (error) {
    if (process.env['HEAL_DEBUG'])
      console.log(
        trial.stage.log
          .filter((e) => e.msg !== 'handled')
          .slice(-60)
          .map((e) => JSON.stringify(e))
          .join('\n'),
      );
    throw error;
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

await main();
