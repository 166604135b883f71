// Every path that a saga can take according to the contract. A path is not a line but a set of events, with one outcome
// per reaction: an event with three subscribers continues in three directions, all within the same saga.
//
// There are two kinds of choice. A step may succeed or refuse, so each outcome gives its own path. A join, a compensation
// or a late arrival depends on what happened before, so the walk takes the outcome that fits. The walk ignores the order
// of arrival: races-covered checks both orders of each pair instead.
import { isSilent } from '../language.ts';
import type { SagaGraph } from './saga-graph.ts';

export interface SagaPath {
  /** Each event of the path, in the order of the walk, with the events that led to it. */
  readonly published: ReadonlyMap<string, readonly string[]>;
  /** The outcome of each reaction, an event type or a silent outcome, by `reactionKey`. */
  readonly outcomes: ReadonlyMap<string, string>;
  /** Whether the saga is withdrawn on this path. */
  readonly withdrawn: boolean;
}

interface Reaction {
  readonly type: string;
  readonly service: string;
}

/** One possible next step of the walk: these reactions together have this outcome. */
interface Move {
  readonly reactions: readonly Reaction[];
  readonly outcome: string;
}

export function reactionKey(type: string, service: string): string {
  return `${type} at ${service}`;
}

/** The paths of a saga that nobody withdraws, in the order in which the contract lists the outcomes. */
export function undisturbedPaths(graph: SagaGraph): SagaPath[] {
  const { starts } = graph.contract;
  return graph.spec(starts) ? walk(graph, newPath([starts], false)) : [];
}

/** The paths of a saga that is withdrawn, one for each moment that makes a difference. */
export function withdrawnPaths(graph: SagaGraph): SagaPath[] {
  const { starts, withdrawal } = graph.contract;
  return graph.spec(starts) && graph.spec(withdrawal) ? walk(graph, newPath([starts, withdrawal], true)) : [];
}

/** Whether `earlier` must come before `later` on this path: `later` follows from it or compensates it. */
export function ledTo(graph: SagaGraph, path: SagaPath, earlier: string, later: string): boolean {
  const causesOf = (type: string) => [...(path.published.get(type) ?? []), graph.spec(type)?.compensates ?? []].flat();
  const before = new Set(causesOf(later));
  for (const type of before) for (const cause of causesOf(type)) before.add(cause);
  return before.has(earlier);
}

/** What the service that publishes the end is sure to know: the events that led to the end, and those it published. */
export function knownAtEnd(graph: SagaGraph, path: SagaPath, end: string): string[] {
  const own = [...path.published.keys()].filter((type) => type !== end && graph.spec(type)?.by === graph.spec(end)?.by);
  return [...new Set([...own, ...(path.published.get(end) ?? [])])];
}

function newPath(roots: readonly string[], withdrawn: boolean): SagaPath {
  return { published: new Map(roots.map((type) => [type, []])), outcomes: new Map(), withdrawn };
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
    published: new Map(path.published).set(
      outcome,
      reactions.map(({ type }) => type),
    ),
  };
}

/**
 * The alternatives for the next reaction. Steps come first, then joins on the way, then compensations, then the
 * withdrawal, then the end. So each of them finds everything it depends on.
 */
function nextMoves(graph: SagaGraph, path: SagaPath): Move[] {
  const pending = pendingReactions(graph, path);
  const ofKind = (kind: Kind) => pending.filter((reaction) => kindOf(graph, reaction) === kind);
  const [step] = ofKind('step');
  if (step) return stepMoves(graph, path, step);
  const joins = joinMoves(graph, path, ofKind('join'));
  if (joins.length > 0) return joins;
  const compensation = ofKind('compensation')[0] ?? ofKind('withdrawal')[0];
  if (compensation) return compensatingMoves(graph, path, compensation);
  return joinMoves(graph, path, ofKind('end'));
}

function pendingReactions(graph: SagaGraph, path: SagaPath): Reaction[] {
  return [...path.published.keys()]
    .filter((type) => !graph.isEnd(type))
    .flatMap((type) => graph.subscribersOf(type).map((service) => ({ type, service })))
    .filter(({ type, service }) => !path.outcomes.has(reactionKey(type, service)));
}

type Kind = 'step' | 'join' | 'compensation' | 'withdrawal' | 'end';

function kindOf(graph: SagaGraph, { type, service }: Reaction): Kind {
  if (type === graph.contract.withdrawal) return 'withdrawal';
  if (graph.isCompensating(type, service)) return 'compensation';
  if (!graph.outcomesOf(type, service).includes('waits')) return 'step';
  return graph.eventsOf(type, service).every((outcome) => graph.isEnd(outcome)) ? 'end' : 'join';
}

function stepMoves(graph: SagaGraph, path: SagaPath, reaction: Reaction): Move[] {
  const { type, service } = reaction;
  const declared = graph.outcomesOf(type, service);
  // The service that withdrew the saga knows that it did, and takes no further step.
  const isStopped = path.withdrawn && service === graph.withdrawer;
  const outcomes = graph
    .eventsOf(type, service)
    .filter((outcome) => !path.published.has(outcome) && !(isStopped && graph.forward.has(outcome)));
  if (declared.includes('noted')) outcomes.push('noted');
  const subscribesToWithdrawal = graph.subscribersOf(graph.contract.withdrawal).includes(service);
  if (path.withdrawn && subscribesToWithdrawal && declared.includes('fenced')) outcomes.push('fenced');
  if (outcomes.length === 0) outcomes.push(declared.find(isSilent) ?? 'noted');
  return outcomes.map((outcome) => ({ reactions: [reaction], outcome }));
}

/** A service compensates what it published, or has already done so, or publishes that it never will do anything. */
function compensatingMoves(graph: SagaGraph, path: SagaPath, reaction: Reaction): Move[] {
  const { type, service } = reaction;
  const possible = graph.eventsOf(type, service).filter((outcome) => !path.published.has(outcome));
  const compensation = possible.find((outcome) => path.published.has(graph.spec(outcome)?.compensates ?? ''));
  if (compensation) return [{ reactions: [reaction], outcome: compensation }];
  const hasPublished = [...path.published.keys()].some((other) => other !== type && graph.spec(other)?.by === service);
  const voiding = hasPublished ? [] : possible.filter((outcome) => graph.isVoiding(outcome));
  const outcomes = voiding.length > 0 ? voiding : ['compensated'];
  return outcomes.map((outcome) => ({ reactions: [reaction], outcome }));
}

/** The joins that the events published so far complete. All reactions that wait for the same outcome have it together. */
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
 * A join on the way to `confirmed` needs an event from every service it waits for, and no refusal. A join on the way to
 * `cancelled` needs only the services that act on this path: nobody waits for a service that was never asked.
 */
function isComplete(graph: SagaGraph, path: SagaPath, { reactions, outcome }: Move): boolean {
  const service = reactions[0]?.service;
  if (path.published.has(outcome)) return false;
  if (graph.isEnd(outcome) && [...path.published.keys()].some((type) => isEndOf(graph, type, service))) return false;
  if (graph.forward.has(outcome) && hasFailed(graph, path, graph.isEnd(outcome))) return false;
  if (!reactions.every(({ type }) => graph.forward.has(type))) return true;
  const waitedFor = graph.triggersOf(outcome).filter((trigger) => trigger.service === service);
  const publishers = new Set(reactions.map(({ type }) => graph.spec(type)?.by));
  return waitedFor.every(({ type }) => publishers.has(graph.spec(type)?.by));
}

function isEndOf(graph: SagaGraph, type: string, service: string | undefined): boolean {
  return graph.isEnd(type) && graph.spec(type)?.by === service;
}

function hasFailed(graph: SagaGraph, path: SagaPath, countsWithdrawal: boolean): boolean {
  if (countsWithdrawal && path.withdrawn) return true;
  const { withdrawal } = graph.contract;
  const hasFailure = [...path.published.keys()].some((type) => type !== withdrawal && graph.isFailure(type));
  return hasFailure || [...path.outcomes.values()].includes('fenced');
}
