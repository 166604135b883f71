// Every path that one saga can take, by the contract alone. A path is a set of events with one outcome per reaction, not
// a line: an event with three readers goes on in three directions, and all of them belong to the same saga.
//
// Two kinds of choice are told apart. A service may succeed or refuse, and nobody knows which: each is a path of its own.
// What a join, an undoing or a late arrival does follows from what happened before, so there the walk takes the outcome
// that fits. The order of arrival is not walked: races-covered looks at both orders of each pair instead.
import { isSilent } from '../language.ts';
import type { SagaGraph } from './saga-graph.ts';

export interface SagaPath {
  /** Each event of the path in the order of the walk, with the events whose reactions led to it. */
  readonly said: ReadonlyMap<string, readonly string[]>;
  /** What each reaction did: an event type or a silent outcome, by `reactionKey`. */
  readonly outcomes: ReadonlyMap<string, string>;
  /** Whether the saga was taken back on this path. */
  readonly withdrawn: boolean;
}

interface Reaction {
  readonly type: string;
  readonly service: string;
}

/** One thing that may happen next: these reactions together have this outcome. */
interface Move {
  readonly reactions: readonly Reaction[];
  readonly outcome: string;
}

export function reactionKey(type: string, service: string): string {
  return `${type} at ${service}`;
}

/** The paths of a saga that nobody takes back, in the order in which the contract lists the outcomes. */
export function undisturbedPaths(graph: SagaGraph): SagaPath[] {
  const { starts } = graph.contract;
  return graph.spec(starts) ? walk(graph, newPath([starts], false)) : [];
}

/** The paths of a saga that is taken back, at each of the moments that make a difference. */
export function withdrawnPaths(graph: SagaGraph): SagaPath[] {
  const { starts, withdrawal } = graph.contract;
  return graph.spec(starts) && graph.spec(withdrawal) ? walk(graph, newPath([starts, withdrawal], true)) : [];
}

/** Whether `earlier` must have been said before `later` on this path: it led to it, or it is what that compensates. */
export function ledTo(graph: SagaGraph, path: SagaPath, earlier: string, later: string): boolean {
  const causesOf = (type: string) => [...(path.said.get(type) ?? []), graph.spec(type)?.compensates ?? []].flat();
  const before = new Set(causesOf(later));
  for (const type of before) for (const cause of causesOf(type)) before.add(cause);
  return before.has(earlier);
}

/** What the service that says the end of a path is sure to know by then: what made it say so, and its own words. */
export function knownAtEnd(graph: SagaGraph, path: SagaPath, end: string): string[] {
  const own = [...path.said.keys()].filter((type) => type !== end && graph.spec(type)?.by === graph.spec(end)?.by);
  return [...new Set([...own, ...(path.said.get(end) ?? [])])];
}

function newPath(roots: readonly string[], withdrawn: boolean): SagaPath {
  return { said: new Map(roots.map((type) => [type, []])), outcomes: new Map(), withdrawn };
}

function walk(graph: SagaGraph, path: SagaPath): SagaPath[] {
  const moves = nextMoves(graph, path);
  return moves.length === 0 ? [path] : moves.flatMap((move) => walk(graph, take(path, move)));
}

function take(path: SagaPath, { reactions, outcome }: Move): SagaPath {
  const outcomes = new Map(path.outcomes);
  for (const { type, service } of reactions) outcomes.set(reactionKey(type, service), outcome);
  if (isSilent(outcome)) return { ...path, outcomes };
  return {
    ...path,
    outcomes,
    said: new Map(path.said).set(
      outcome,
      reactions.map(({ type }) => type),
    ),
  };
}

/**
 * The alternatives of the reaction whose turn it is. Steps come first, then joins on the way, then undoing, then the
 * withdrawal, then the end: so each of them finds everything on the path that it depends on.
 */
function nextMoves(graph: SagaGraph, path: SagaPath): Move[] {
  const pending = pendingReactions(graph, path);
  const ofKind = (kind: Kind) => pending.filter((reaction) => kindOf(graph, reaction) === kind);
  const [step] = ofKind('step');
  if (step) return stepMoves(graph, path, step);
  const joins = joinMoves(graph, path, ofKind('join'));
  if (joins.length > 0) return joins;
  const undoing = ofKind('undo')[0] ?? ofKind('withdrawal')[0];
  if (undoing) return undoMoves(graph, path, undoing);
  return joinMoves(graph, path, ofKind('end'));
}

function pendingReactions(graph: SagaGraph, path: SagaPath): Reaction[] {
  return [...path.said.keys()]
    .filter((type) => !graph.isEnd(type))
    .flatMap((type) => graph.readersOf(type).map((service) => ({ type, service })))
    .filter(({ type, service }) => !path.outcomes.has(reactionKey(type, service)));
}

type Kind = 'step' | 'join' | 'undo' | 'withdrawal' | 'end';

function kindOf(graph: SagaGraph, { type, service }: Reaction): Kind {
  if (type === graph.contract.withdrawal) return 'withdrawal';
  if (graph.isCompensating(type, service)) return 'undo';
  if (!graph.outcomesOf(type, service).includes('waits')) return 'step';
  return graph.eventsOf(type, service).every((outcome) => graph.isEnd(outcome)) ? 'end' : 'join';
}

function stepMoves(graph: SagaGraph, path: SagaPath, reaction: Reaction): Move[] {
  const { type, service } = reaction;
  const declared = graph.outcomesOf(type, service);
  // Whoever took the saga back knows it, and goes no further.
  const isStopped = path.withdrawn && service === graph.withdrawer;
  const outcomes = graph
    .eventsOf(type, service)
    .filter((outcome) => !path.said.has(outcome) && !(isStopped && graph.forward.has(outcome)));
  if (declared.includes('noted')) outcomes.push('noted');
  const hearsWithdrawal = graph.readersOf(graph.contract.withdrawal).includes(service);
  if (path.withdrawn && hearsWithdrawal && declared.includes('fenced')) outcomes.push('fenced');
  if (outcomes.length === 0) outcomes.push(declared.find(isSilent) ?? 'noted');
  return outcomes.map((outcome) => ({ reactions: [reaction], outcome }));
}

/** A service takes back what it said; or has settled it already; or says that it never will do anything. */
function undoMoves(graph: SagaGraph, path: SagaPath, reaction: Reaction): Move[] {
  const { type, service } = reaction;
  const possible = graph.eventsOf(type, service).filter((outcome) => !path.said.has(outcome));
  const undoing = possible.find((outcome) => path.said.has(graph.spec(outcome)?.compensates ?? ''));
  if (undoing) return [{ reactions: [reaction], outcome: undoing }];
  const hasSpoken = [...path.said.keys()].some((other) => other !== type && graph.spec(other)?.by === service);
  const voiding = hasSpoken ? [] : possible.filter((outcome) => graph.isVoiding(outcome));
  const outcomes = voiding.length > 0 ? voiding : ['compensated'];
  return outcomes.map((outcome) => ({ reactions: [reaction], outcome }));
}

/** The joins that what has been said so far completes: all reactions that wait for the same outcome end together. */
function joinMoves(graph: SagaGraph, path: SagaPath, waiting: readonly Reaction[]): Move[] {
  for (const service of new Set(waiting.map((reaction) => reaction.service))) {
    const own = waiting.filter((reaction) => reaction.service === service);
    const outcomes = new Set(own.flatMap(({ type }) => graph.eventsOf(type, service)));
    const moves = [...outcomes]
      .map((outcome) => ({
        reactions: own.filter(({ type }) => graph.outcomesOf(type, service).includes(outcome)),
        outcome,
      }))
      .filter((move) => isComplete(graph, path, move));
    if (moves.length > 0) return moves;
  }
  return [];
}

/**
 * Going forward takes a word from everybody whom the join waits for, and no refusal. Going back takes those who have
 * something to say on this path: who was never asked is not waited for.
 */
function isComplete(graph: SagaGraph, path: SagaPath, { reactions, outcome }: Move): boolean {
  const service = reactions[0]?.service;
  if (path.said.has(outcome)) return false;
  if (graph.isEnd(outcome) && [...path.said.keys()].some((type) => isEndOf(graph, type, service))) return false;
  if (graph.forward.has(outcome) && hasFailed(graph, path, graph.isEnd(outcome))) return false;
  if (!reactions.every(({ type }) => graph.forward.has(type))) return true;
  const waitedFor = graph.triggersOf(outcome).filter((trigger) => trigger.service === service);
  const spoken = new Set(reactions.map(({ type }) => graph.spec(type)?.by));
  return waitedFor.every(({ type }) => spoken.has(graph.spec(type)?.by));
}

function isEndOf(graph: SagaGraph, type: string, service: string | undefined): boolean {
  return graph.isEnd(type) && graph.spec(type)?.by === service;
}

function hasFailed(graph: SagaGraph, path: SagaPath, countsWithdrawal: boolean): boolean {
  if (countsWithdrawal && path.withdrawn) return true;
  const { withdrawal } = graph.contract;
  const isOff = [...path.said.keys()].some((type) => type !== withdrawal && graph.isFailure(type));
  return isOff || [...path.outcomes.values()].includes('fenced');
}
