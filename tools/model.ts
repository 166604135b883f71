// `npm run model`: a model checker explores the saga's model, must find the errors planted in it, and must know the
// journals of every simulated order. Exit code 0: so it is; 1: it is not; 2: wrong arguments, or a tool is missing.
import { parseArgs } from 'node:util';
import { isUsageError, UsageError } from '../local/usage-error.ts';
import { endingsOfModel, endingsOfServices, endingsOfSimulator, withOneWithdrawal } from './model/endings.ts';
import { contractName, eventName, serviceName } from './model/event-names.ts';
import { type Bounds, largeRuns, type ModelRun, plantedErrors, runs } from './model/model-runs.ts';
import { Checker, SpinError, toolVersions, type Verdict } from './model/spin.ts';

const usage = `npm run model -- [options]

  --large      explores more: minutes instead of seconds
  --trails     prints the steps that lead to each planted error
  --orders N   simulated orders whose journals are looked up (default 300)
  --help
`;

/** Bugs planted in the services, not in the model: the model must not know the journals of some of their orders. */
const simulatorMutants = ['confirm-after-withdrawn', 'cancelled-too-early'];
const mutantOrders = 100;

try {
  process.exitCode = main();
} catch (error) {
  const expected = error instanceof SpinError || isUsageError(error);
  console.error(expected && error instanceof Error ? error.message : error);
  process.exitCode = 2;
}

function main(): number {
  const options = {
    large: { type: 'boolean' },
    trails: { type: 'boolean' },
    orders: { type: 'string' },
    help: { type: 'boolean' },
  } as const;
  const { large, trails, orders, help } = parseArgs({ options }).values;
  if (help) {
    console.log(usage);
    return 0;
  }
  const simulatedOrders = ordersOf(orders ?? '300');
  console.log(`${toolVersions()}\n`);
  const promises = new Checker('promises');
  const endings = new Checker('endings');
  try {
    const ok = [
      explore(promises, large ? [...runs, ...largeRuns] : runs),
      findPlanted(promises, trails === true),
      compareEndings(endings, simulatedOrders),
    ];
    return ok.every(Boolean) ? 0 : 1;
  } finally {
    promises.close();
    endings.close();
  }
}

/** @throws UsageError */
function ordersOf(text: string): number {
  const orders = Number(text);
  if (Number.isInteger(orders) && orders > 0) return orders;
  throw new UsageError(`--orders takes a whole number from 1, not '${text}'`);
}

function explore(checker: Checker, asked: readonly ModelRun[]): boolean {
  let ok = true;
  for (const { name, bounds } of asked) {
    const verdict = checker.check(bounds);
    console.log(
      `${name}; faults in a run: ${bounds.faults}, orders that ask again: ${bounds.asks}\n  ${verdictText(verdict)}`,
    );
    if (!verdict.broken) continue;
    ok = false;
    console.log(stepsText(checker, bounds, 0));
  }
  return ok;
}

function findPlanted(checker: Checker, trails: boolean): boolean {
  console.log('\nplanted in the model');
  let found = 0;
  for (const [index, { what, promise, bounds }] of plantedErrors.entries()) {
    const { broken } = checker.check(bounds, index + 1);
    if (broken === promise) found += 1;
    console.log(`  ${broken === promise ? `found, ${promise}` : `NOT FOUND as ${promise}, but ${broken}`}: ${what}`);
    if (broken && (trails || broken !== promise)) console.log(stepsText(checker, bounds, index + 1));
  }
  console.log(`  ${found} of ${plantedErrors.length} found`);
  return found === plantedErrors.length;
}

function compareEndings(checker: Checker, orders: number): boolean {
  const verdict = checker.check({ orders: 1, faults: 1, asks: 1, funds: [0, 1], units: [0, 1] });
  const possible = endingsOfModel(verdict.output);
  console.log(
    `\njournals\n  the model: one order can end with ${possible.size} different journals; ${verdictText(verdict)}`,
  );
  const seen = endingsOfSimulator(orders);
  const unknown = [...seen.keys()].filter((text) => !possible.has(text));
  const simulated = [...seen.values()].reduce((sum, count) => sum + count, 0);
  console.log(
    `  the simulator: ${simulated} orders ended with ${seen.size} of them, and with ${unknown.length} others`,
  );
  for (const text of unknown) console.log(`    UNKNOWN to the model: ${text}`);
  const same = compareWithServices(possible);
  const missed = simulatorMutants.filter((mutant) => {
    const strange = [...endingsOfSimulator(mutantOrders, mutant).keys()].filter((text) => !possible.has(text));
    console.log(`  planted in the services: ${mutant}: ${strange.length} journals that the model does not know`);
    return strange.length === 0;
  });
  return same && !verdict.broken && simulated > 0 && unknown.length === 0 && missed.length === 0;
}

/** The model and the services' own code can end one order with the same journals: neither knows a way that the other does not. */
function compareWithServices(possible: ReadonlySet<string>): boolean {
  const [ofModel, ofServices] = [withOneWithdrawal(possible), endingsOfServices()];
  const onlyModel = [...ofModel].filter((text) => !ofServices.has(text));
  const onlyServices = [...ofServices].filter((text) => !ofModel.has(text));
  console.log(
    `  the services, one order, withdrawn at most once, explored: ${ofServices.size} different journals; the model: ${ofModel.size}; ` +
      `${onlyModel.length + onlyServices.length} differ`,
  );
  for (const text of onlyModel) console.log(`    only in the model: ${text}`);
  for (const text of onlyServices) console.log(`    only in the services: ${text}`);
  return ofServices.size > 0 && onlyModel.length === 0 && onlyServices.length === 0;
}

function verdictText({ states, seconds, broken }: Verdict): string {
  const result = broken ? `BROKEN: ${broken}` : 'nothing is broken';
  return `${states.toLocaleString('en')} states, ${seconds.toFixed(1)} s; ${result}`;
}

/** The steps that lead to the violation that was found last. */
function stepsText(checker: Checker, bounds: Bounds, planted: number): string {
  const steps = checker.replay(bounds, planted).matchAll(/^\s*step (\d+) (\w+) (\w+) ?(\d+)?$/gm);
  return [...steps]
    .map(([, order, first = '', second = '', third = '']) => {
      const who = bounds.orders > 1 ? `order ${order}: ` : '';
      if (first === 'publishes') return `      ${who}  publishes ${contractName(eventName(Number(second)))}`;
      const service = serviceName(Number(first));
      if (second === 'loses') return `      ${who}what waits for ${service} is lost`;
      return `      ${who}${service} gets ${contractName(eventName(Number(third)))}`;
    })
    .join('\n');
}
