// The simulator itself: no promise is broken under all faults, everything is reached, and the net has no holes.
// A failure prints the command that repeats it.
import { execFileSync, spawnSync } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import type { Database } from '../../shared/runtime/storage/database.ts';
import { checkPromises } from '../../simulator/checks/check-promises.ts';
import type { Evidence } from '../../simulator/checks/evidence.ts';
import { neverReached } from '../../simulator/coverage.ts';
import { explore } from '../../simulator/exhaustive/explorer.ts';
import { scenarios } from '../../simulator/exhaustive/scenarios.ts';
import { allFaults, type FaultKind, parseFaults } from '../../simulator/faults.ts';
import { mutants } from '../../simulator/mutants.ts';
import { commandOf, sum, violationsText } from '../../simulator/report.ts';
import type { RunOptions, RunResult } from '../../simulator/run.ts';
import { shrink } from '../../simulator/shrink.ts';
import { simulate } from '../../simulator/simulation.ts';

const tool = fileURLToPath(new URL(`../../tools/simulate${extname(import.meta.url)}`, import.meta.url));

function run(seed: number, orders: number, faults: readonly FaultKind[] = allFaults): RunResult {
  return simulate({ seed, orders, faults });
}

/** Tampers with a database. */
function sql(db: Database, text: string): undefined {
  db.pragma('foreign_keys = OFF');
  db.exec(text);
}

function expectKept(result: RunResult, faults: readonly FaultKind[] = allFaults): void {
  if (result.violations.length === 0) return;
  throw new Error(`${violationsText(result)}\nTo repeat it: ${commandOf({ ...result, faults })}`);
}

describe('the simulator', function () {
  this.timeout(120_000);

  describe('P1 to P10 hold', () => {
    const totals = { faults: new Map<string, number>(), races: new Map<string, number>() };

    for (const seed of [1, 2, 3, 4, 5, 6]) {
      it(`with seed ${seed}, 800 orders and all faults`, () => {
        const result = run(seed, 800);
        sum(totals.faults, result.faults);
        sum(totals.races, result.races);
        expectKept(result);
      });
    }

    it('and every fault, every declared outcome and every race has come about', () => {
      expect(neverReached(totals)).to.deep.equal([]);
    });

    it('without any fault, and then nothing is dead-lettered or sent twice', () => {
      const result = run(11, 300, []);
      expectKept(result, []);
      expect([...result.faults]).to.deep.equal([]);
    });

    for (const kind of allFaults) {
      it(`with ${kind} alone`, () => expectKept(run(12, 60, [kind]), [kind]));
    }
  });

  describe('is deterministic', () => {
    it('the same seed gives the same run to the byte, with or without its history kept', () => {
      const options: RunOptions = { seed: 21, orders: 200, faults: allFaults };
      const { hash } = simulate(options);
      expect(simulate(options).hash).to.equal(hash);
      expect(simulate({ ...options, keepHistory: true }).hash).to.equal(hash);
    });

    it('another seed gives another run', () => {
      expect(run(22, 50).hash).not.to.equal(run(23, 50).hash);
    });
  });

  describe('finds every planted bug', () => {
    for (const mutant of mutants) {
      it(`${mutant.name}: ${mutant.bug}`, () => {
        const found = [1, 2, 3, 4, 5].find((seed) => {
          const faults = mutant.faults ?? allFaults;
          return simulate({ seed, orders: 300, faults, mutant }).violations.length > 0;
        });
        expect(found, 'seeds 1 to 5').not.to.equal(undefined);
      });
    }

    it('and none of them without the faults that bring it to light: the fence, when nothing is overtaken', () => {
      const mutant = mutants.find(({ name }) => name === 'no-fence-in-payment');
      expect(simulate({ seed: 1, orders: 200, faults: [], mutant }).violations).to.deep.equal([]);
    });

    it('and makes the run small, with what happened to the order as a diagram', () => {
      const mutant = mutants.find(({ name }) => name === 'partial-reservation');
      const faults: FaultKind[] = ['reorder', 'cancel', 'poison'];
      const { options, result } = shrink({ seed: 1, orders: 300, faults, mutant }, 60_000);
      expect(options.orders).to.be.lessThan(300);
      expect(options.faults.length).to.be.lessThan(faults.length);
      expect(result.violations[0]?.promise).to.equal('P4');
      expect(result.diagram).to.contain('payment.completed → inventory.rejected');
    });
  });

  describe('has checks that can fail', () => {
    const changes: [promise: string, what: string, change: (evidence: Evidence) => Evidence | undefined][] = [
      ['P1', 'an accepted order is gone', ({ order }) => sql(order, "DELETE FROM orders WHERE status = 'confirmed'")],
      ['P1', 'an order has another total', ({ order }) => sql(order, 'UPDATE orders SET total = total + 1')],
      ['P2', 'an order is still pending', ({ order }) => sql(order, "UPDATE orders SET status = 'pending'")],
      [
        'P2',
        'an order never said its end',
        ({ order }) => sql(order, "DELETE FROM facts WHERE type = 'order.cancelled'"),
      ],
      ['P3', 'a balance is one too high', ({ payment }) => sql(payment, 'UPDATE accounts SET balance = balance + 1')],
      ['P3', 'a refund is missing', ({ payment }) => sql(payment, "DELETE FROM ledger WHERE kind = 'refund'")],
      [
        'P3',
        'money paid in has vanished, and the totals agree',
        ({ payment }) =>
          sql(
            payment,
            "UPDATE accounts SET balance = balance - 1 WHERE user_id = 'rich-1'; INSERT INTO ledger SELECT NULL, 'rich-1', 'deposit', -1, 0, NULL, 0, NULL",
          ),
      ],
      [
        'P4',
        'a stock is one too low',
        ({ inventory }) => sql(inventory, "UPDATE products SET stock = stock - 1 WHERE product_id = 'plenty-1'"),
      ],
      [
        'P4',
        'a line was not set aside',
        ({ inventory }) => sql(inventory, "DELETE FROM movements WHERE kind = 'reserve' AND movement_id % 2 = 0"),
      ],
      [
        'P5',
        'a payment says otherwise',
        ({ payment }) => sql(payment, "UPDATE payments SET status = 'voided' WHERE status = 'completed'"),
      ],
      [
        'P5',
        'the catalogue is out of date',
        ({ order }) => sql(order, 'UPDATE catalogue SET unit_price = unit_price + 1'),
      ],
      [
        'P6',
        'an event was said as two events',
        (evidence) => {
          const [first] = [...evidence.published.values()].filter(({ routingKey }) => routingKey === 'order.placed');
          const published = new Map(evidence.published);
          if (first) published.set('another', { ...first, messageId: 'another' });
          return { ...evidence, published };
        },
      ],
      [
        'P7',
        'a fact does not fit the status',
        ({ order }) => sql(order, "DELETE FROM facts WHERE type = 'inventory.reserved'"),
      ],
      [
        'P8',
        'an acked event is in no inbox',
        ({ payment }) => sql(payment, 'DELETE FROM inbox WHERE event_id = (SELECT event_id FROM inbox LIMIT 1)'),
      ],
      ['P8', 'a poisonous message is nowhere', (evidence) => ({ ...evidence, deadLetters: [] })],
      [
        'P8',
        'a good message is among the dead letters',
        (evidence) => ({
          ...evidence,
          broken: new Set(),
          deadLetters: evidence.deadLetters.map((letter) => ({
            ...letter,
            messageId: 'good',
            cause: 'reaction-failed',
          })),
        }),
      ],
      [
        'P9',
        'an outbox is not empty',
        ({ order }) => sql(order, "INSERT INTO outbox VALUES (NULL, '', '', '', '', 1, NULL, NULL, x'00', 0)"),
      ],
      [
        'P9',
        'an event never reached the broker',
        (evidence) => ({ ...evidence, published: new Map([...evidence.published].slice(0, -20)) }),
      ],
      [
        'P10',
        'there is an order that nobody asked for',
        (evidence) => ({
          ...evidence,
          workload: {
            ...evidence.workload,
            unansweredRequests: 0,
            accepted: new Map([...evidence.workload.accepted].slice(1)),
          },
        }),
      ],
    ];
    for (const [promise, what, change] of changes) {
      it(`${promise} when ${what}`, () => {
        let found: string[] = [];
        const inspect = (evidence: Evidence) => {
          expect(checkPromises(evidence)).to.deep.equal([]);
          found = checkPromises(change(evidence) ?? evidence).map((violation) => violation.promise);
        };
        simulate({ seed: 31, orders: 60, faults: ['poison', 'cancel', 'broken-reaction'], inspect });
        expect(found).to.include(promise);
      });
    }
  });

  describe('small cases, exhaustively', () => {
    for (const scenario of scenarios) {
      it(`${scenario.name}: every order of events, a crash at every point, a cancellation at every step`, () => {
        const found = explore(scenario, { crashes: 1, cancels: 1, deadline: false });
        expect(found.violations.map(({ text, path }) => `${text}: ${path.join('; ')}`)).to.deep.equal([]);
        expect(found.states).to.be.greaterThan(100);
      });

      it(`${scenario.name}: cancelled twice and past its deadline, at every step`, () => {
        const found = explore(scenario, { crashes: 0, cancels: 2, deadline: true });
        expect(found.violations.map(({ text, path }) => `${text}: ${path.join('; ')}`)).to.deep.equal([]);
      });
    }

    for (const name of [
      'no-fence-in-payment',
      'no-fence-in-inventory',
      'confirm-after-withdrawn',
      'no-inbox',
      'refund-unchecked',
    ]) {
      it(`find ${name}`, () => {
        const mutant = mutants.find((one) => one.name === name);
        const found = scenarios.some(
          (scenario) => explore(scenario, { crashes: 0, cancels: 1, deadline: false }, mutant).violations.length > 0,
        );
        expect(found).to.equal(true);
      });
    }
  });

  describe('on the command line', () => {
    const call = (...args: string[]) => spawnSync(process.execPath, [tool, ...args], { encoding: 'utf8' });

    it('prints what it did and ends with 0', () => {
      const output = execFileSync(process.execPath, [tool, '--seed', '5', '--orders', '100'], { encoding: 'utf8' });
      expect(output).to.match(/seed 5: 100 orders, [\d,]+ events, quiet after .* hash [0-9a-f]{16}, ok/);
      expect(output).to.contain('violations: 0');
    });

    for (const [args, words] of [
      [['--orders', 'many'], /--orders takes a whole number/],
      [['--faults', 'gremlins'], /no fault kind 'gremlins'; there are: all, none, reorder/],
      [['--sed', '1'], /--sed/],
      [['--seeds', '0'], /--seeds takes a whole number from 1/],
    ] as const) {
      it(`refuses ${args.join(' ')} with 2`, () => {
        const { status, stderr } = call(...args);
        expect(stderr).to.match(words);
        expect(status).to.equal(2);
      });
    }

    it('knows kinds of faults by name', () => {
      expect(parseFaults('crash, nack')).to.deep.equal(['crash', 'nack']);
      expect(parseFaults('none')).to.deep.equal([]);
    });
  });
});
