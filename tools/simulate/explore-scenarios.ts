// `npm run simulate -- --exhaustive`: explores every scenario and prints what was found.
import { type Exploration, explore } from '../../simulator/exhaustive/explorer.ts';
import { type Budget, fullBudget, scenarios } from '../../simulator/exhaustive/scenarios.ts';

/** Returns the exit code. */
export function exploreScenarios(budget: Budget = fullBudget): number {
  const { crashes, cancels, deadline } = budget;
  console.log(
    `one order; at most ${crashes} crash${crashes === 1 ? '' : 'es'}, ${cancels} cancellations` +
      `${deadline ? ' and a deadline' : ''} in each run\n`,
  );
  let ok = true;
  for (const scenario of scenarios) {
    const startedMs = performance.now();
    const found = explore(scenario, budget);
    if (found.violations.length > 0) ok = false;
    console.log(explorationText(found, performance.now() - startedMs));
  }
  return ok ? 0 : 1;
}

function explorationText(found: Exploration, realMs: number): string {
  const { scenario, states, steps, runs, duplicates, violations } = found;
  const ends = Object.entries(found.ends).map(([end, count]) => `${count} ${end}`);
  return [
    `${scenario}: ${states.toLocaleString('en')} states, ${steps.toLocaleString('en')} steps, ` +
      `${runs.toLocaleString('en')} runs, ${duplicates.toLocaleString('en')} duplicates; ` +
      `ends: ${ends.join(', ')}; ${Math.round(realMs)} ms; violations: ${violations.length}`,
    ...violations.slice(0, 3).flatMap(({ promise, text, path }) => {
      return [`  ${promise}: ${text}`, ...path.map((step, index) => `    ${index + 1}. ${step}`)];
    }),
  ].join('\n');
}
