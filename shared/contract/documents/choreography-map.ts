// The choreography for people, generated from the contract: as text, as a flowchart, and as one sequence diagram per path.
// The same contract gives the same bytes.
import { SagaGraph } from '../checks/saga-graph.ts';
import { reactionKey, type SagaPath, undisturbedPaths, withdrawnPaths } from '../checks/saga-paths.ts';
import { type Choreography, type EventSpec, isSilent, servicesOf } from '../language.ts';

export interface SequenceDiagram {
  readonly title: string;
  /** Mermaid source. */
  readonly source: string;
}

/**
 * Every event with its publisher, then its subscribers with their possible outcomes. Silent outcomes are in parentheses. An
 * asterisk: only where order-service runs as several instances.
 */
export function textMap(contract: Choreography): string {
  const types = Object.keys(contract.events);
  const width =
    Math.max(...types.map((type) => type.length), ...servicesOf(contract).map((name) => name.length + 4)) + 2;
  const blocks = Object.entries(contract.events).map(([type, spec]) => {
    const head = `${type.padEnd(width)}${[spec.by, ...remarksOn(spec)].join(', ')}`;
    const reactions = Object.entries(spec.reactions).map(([service, outcomes]) => {
      return `${`  ${service}`.padEnd(width)}→ ${outcomes.map(shownOutcome).join(' | ')}`;
    });
    const peers = Object.entries(spec.peers ?? {}).map(
      ([service, outcomes]) => `${`  ${service} *`.padEnd(width)}→ ${outcomes.map(shownOutcome).join(' | ')}`,
    );
    return [head, ...reactions, ...peers].join('\n');
  });
  return `${blocks.join('\n\n')}\n`;
}

function shownOutcome(outcome: string): string {
  return isSilent(outcome) ? `(${outcome})` : outcome;
}

function remarksOn(spec: EventSpec): string[] {
  return [
    ...(spec.trigger ? [`when ${spec.trigger}`] : []),
    ...(spec.compensates ? [`compensates ${spec.compensates}`] : []),
    ...(spec.final ? [`ends the saga as ${spec.final}`] : []),
    ...(spec.standalone ? ['not part of the saga'] : []),
  ];
}

/**
 * A Mermaid flowchart: each service is a box around the events it publishes. A solid arrow leads from an event to the
 * event that a subscriber publishes next. A dotted arrow leads to a subscriber that publishes nothing, with the silent
 * outcomes it may have.
 */
export function mermaidFlow(contract: Choreography): string {
  const lines = ['flowchart LR'];
  for (const service of servicesOf(contract)) {
    lines.push(`  subgraph ${idOf(service)}["${service}"]`);
    for (const [type, spec] of Object.entries(contract.events)) {
      if (spec.by === service) lines.push(`    ${nodeOf(type, spec)}`);
    }
    lines.push('  end');
  }
  for (const [type, spec] of Object.entries(contract.events)) {
    for (const [service, outcomes] of Object.entries(spec.reactions)) {
      const silent = outcomes.filter(isSilent);
      lines.push(...arrows(contract, type, outcomes));
      if (silent.length > 0) lines.push(`  ${idOf(type)} -.->|"${silent.join(', ')}"| ${idOf(service)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** The saga as one small diagram: which event triggers which, without the services and the silent outcomes. */
export function mermaidOverview(contract: Choreography): string {
  const saga = Object.entries(contract.events).filter(([, spec]) => !spec.standalone);
  return `${[
    'flowchart LR',
    ...saga.map(([type, spec]) => `  ${nodeOf(type, spec)}`),
    ...saga.flatMap(([type, { reactions }]) =>
      Object.values(reactions).flatMap((outcomes) => arrows(contract, type, outcomes)),
    ),
  ].join('\n')}\n`;
}

function nodeOf(type: string, { final }: EventSpec): string {
  return `${idOf(type)}${final ? `(["${type}"])` : `["${type}"]`}`;
}

function arrows(contract: Choreography, type: string, outcomes: readonly string[]): string[] {
  return outcomes
    .filter((outcome) => Object.hasOwn(contract.events, outcome))
    .map((outcome) => `  ${idOf(type)} --> ${idOf(outcome)}`);
}

/** One Mermaid sequence diagram for each way in which a saga is confirmed, refused or withdrawn. */
export function mermaidSequences(contract: Choreography): SequenceDiagram[] {
  const graph = new SagaGraph(contract);
  const undisturbed = undisturbedPaths(graph);
  const failuresOn = (path: SagaPath) =>
    [...path.published.keys()].filter(
      (type) => graph.isFailure(type) && !graph.spec(type)?.compensates && !graph.isEnd(type),
    );
  const confirmed = undisturbed.filter((path) => failuresOn(path).length === 0);
  const refused = undisturbed.filter((path) => failuresOn(path).length > 0);
  const withdrawn = withdrawnPaths(graph).filter((path) => isPlainWithdrawal(graph, path));
  return [
    ...confirmed.map((path) => ({ title: 'Confirmed', source: sequenceOf(graph, path) })),
    ...refused.map((path) => ({ title: `Refused: ${failuresOn(path).join(', ')}`, source: sequenceOf(graph, path) })),
    ...withdrawn.map((path) => ({ title: withdrawalTitle(graph, path), source: sequenceOf(graph, path) })),
  ];
}

/** Whether the saga on this path is withdrawn and no service refuses. */
function isPlainWithdrawal(graph: SagaGraph, path: SagaPath): boolean {
  const { withdrawal } = graph.contract;
  return [...path.published].every(([type, after]) => {
    const isRefusal = graph.isFailure(type) && after.some((cause) => graph.forward.has(cause)) && !graph.isEnd(type);
    return type === withdrawal || !isRefusal;
  });
}

function withdrawalTitle(graph: SagaGraph, path: SagaPath): string {
  const effects = [...path.published.keys()].filter((type) => graph.isEffect(type));
  const latest = effects.filter((type) => !effects.some((other) => path.published.get(other)?.includes(type)));
  return latest.length > 0 ? `Withdrawn after ${latest.join(' and ')}` : 'Withdrawn before any step';
}

/** The path as one possible sequence: every event as early as possible, the withdrawal as late as possible. */
function sequenceOf(graph: SagaGraph, path: SagaPath): string {
  const { withdrawal } = graph.contract;
  const published = new Set(
    [...path.published].filter(([type, after]) => after.length === 0 && type !== withdrawal).map(([type]) => type),
  );
  const delivered = new Set<string>();
  const steps: string[] = [];
  const next = () =>
    [...published]
      .flatMap((type) => graph.subscribersOf(type).map((service) => ({ type, service })))
      .find(
        ({ type, service }) =>
          !delivered.has(reactionKey(type, service)) && canArrive(graph, path, published, delivered, type, service),
      );
  for (;;) {
    const delivery = next();
    if (delivery) {
      const { type, service } = delivery;
      delivered.add(reactionKey(type, service));
      const outcome = path.outcomes.get(reactionKey(type, service)) ?? 'noted';
      const isLast = path.published.get(outcome)?.every((cause) => delivered.has(reactionKey(cause, service))) ?? false;
      steps.push(`  ${idOf(graph.spec(type)?.by ?? '')}->>${idOf(service)}: ${type}`);
      if (isLast) published.add(outcome);
      const note = isSilent(outcome) ? outcome : 'waits';
      if (!isLast && note !== 'noted') steps.push(`  Note over ${idOf(service)}: ${note}`);
      if (isLast && graph.subscribersOf(outcome).length === 0) steps.push(`  Note over ${idOf(service)}: ${outcome}`);
    } else if (path.withdrawn && !published.has(withdrawal)) published.add(withdrawal);
    else break;
  }
  const services = servicesOf(graph.contract).filter((name) =>
    steps.some((step) => step.split(/[^\w]+/).includes(idOf(name))),
  );
  const participants = services.map((name) => `  participant ${idOf(name)} as ${name}`);
  return `${['sequenceDiagram', ...participants, ...steps].join('\n')}\n`;
}

/** Whether this reaction can have its outcome now, given the events published and delivered so far. */
function canArrive(
  graph: SagaGraph,
  path: SagaPath,
  published: ReadonlySet<string>,
  delivered: ReadonlySet<string>,
  type: string,
  service: string,
): boolean {
  const { withdrawal } = graph.contract;
  const outcome = path.outcomes.get(reactionKey(type, service)) ?? 'noted';
  if (outcome === 'fenced') return delivered.has(reactionKey(withdrawal, service));
  if (outcome === 'withdrawn')
    return graph.subscribersOf(withdrawal).some((name) => delivered.has(reactionKey(withdrawal, name)));
  if (outcome === 'compensated')
    return [...published].some((other) => other !== type && graph.spec(other)?.by === service);
  const compensated = graph.spec(outcome)?.compensates;
  return compensated === undefined || published.has(compensated);
}

/** A name that is a valid Mermaid id. */
function idOf(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9]/g, '_');
}
