// The static checks of a choreography: mistakes in the contract that can be found before anything runs. Each rule has
// its own file in this folder, with the reason for the rule.

import type { Choreography } from '../language.ts';
import { checkCompensationComplete } from './compensation-complete.ts';
import { checkConsumedOrFinal } from './consumed-or-final.ts';
import type { Finding } from './finding.ts';
import { checkHasPublisher } from './has-publisher.ts';
import { checkNoFailureAfterConfirm } from './no-failure-after-confirm.ts';
import { checkNoLoops } from './no-loops.ts';
import { checkPathsEnd } from './paths-end.ts';
import { checkRacesCovered } from './races-covered.ts';
import { SagaGraph } from './saga-graph.ts';
import { undisturbedPaths, withdrawnPaths } from './saga-paths.ts';

export { type Finding, type RuleName, rules } from './finding.ts';

/**
 * Checks a contract against every rule. Pure: the same contract gives the same findings.
 * @returns the findings in the order of `rules`; a gap that several paths share is reported once, with the shortest path
 */
export function checkChoreography(contract: Choreography): Finding[] {
  const graph = new SagaGraph(contract);
  const paths = [...undisturbedPaths(graph), ...withdrawnPaths(graph)];
  return withoutRepeats([
    ...checkHasPublisher(graph),
    ...checkConsumedOrFinal(graph),
    ...checkNoLoops(graph),
    ...checkPathsEnd(graph, paths),
    ...checkCompensationComplete(graph, paths),
    ...checkRacesCovered(graph, paths),
    ...checkNoFailureAfterConfirm(graph, paths),
  ]);
}

function withoutRepeats(findings: readonly Finding[]): Finding[] {
  const shortest = new Map<string, Finding>();
  for (const finding of findings) {
    const key = `${finding.rule}: ${finding.message}`;
    const known = shortest.get(key);
    if (!known || finding.path.length < known.path.length) shortest.set(key, finding);
  }
  return [...shortest.values()];
}
