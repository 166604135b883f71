// `npm run simulate -- --mutants`: every planted bug must be found, by one seed or another.
import { mutants } from '../../simulator/mutants/all-mutants.ts';
import type { Mutant } from '../../simulator/mutants/mutant.ts';
import { simulateAll } from '../../simulator/parallel.ts';
import { promisesOf } from '../../simulator/report.ts';
import type { RunResult } from '../../simulator/run.ts';
import type { Settings } from './settings.ts';

const nameWidth = Math.max(...mutants.map(({ name }) => name.length));

/** Returns the exit code. */
export async function findMutants(settings: Settings, signal: AbortSignal): Promise<number> {
  const { seed, orders, faults, seeds, workers } = settings;
  let hidden = mutants;
  console.log(`${orders} orders a run; the seeds ${seed} to ${seed + seeds - 1} are tried\n`);
  console.log(`${'planted bug'.padEnd(nameWidth)}  seeds  promises broken`);
  for (let tried = 1; tried <= seeds && hidden.length > 0; tried++) {
    const found = new Set<string>();
    await simulateAll(
      hidden.map(({ name, faults: own, orders: least = 0, instances = 0 }) => ({
        seed: seed + tried - 1,
        orders: Math.max(orders, least),
        faults: own ?? faults,
        instances,
        mutant: name,
      })),
      (result, { mutant: name }) => {
        const mutant = hidden.find((one) => one.name === name);
        if (!mutant || !promisesOf(result).has(mutant.promise)) return;
        found.add(mutant.name);
        console.log(foundText(mutant, tried, result));
      },
      workers,
      signal,
    );
    hidden = hidden.filter(({ name }) => !found.has(name));
  }
  for (const { name, bug } of hidden) console.log(`${row(name, seeds)}SURVIVED: ${bug}`);
  console.log(`\n${mutants.length} planted bugs, ${mutants.length - hidden.length} found`);
  return hidden.length > 0 ? 1 : 0;
}

function foundText(mutant: Mutant, tried: number, result: RunResult): string {
  const first = result.violations.find(({ promise }) => promise === mutant.promise);
  const { name, bug } = mutant;
  const indent = ' '.repeat(nameWidth + 9);
  return [
    `${row(name, tried)}${[...promisesOf(result)].join(' ')}`,
    `${indent}planted: ${bug}`,
    `${indent}found: ${first?.promise} ${first?.text}`,
  ].join('\n');
}

function row(name: string, seeds: number): string {
  return `${name.padEnd(nameWidth)}  ${String(seeds).padStart(5)}  `;
}
