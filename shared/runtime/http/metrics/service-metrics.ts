// The metrics that every service has. All are counts kept in memory, except the age of the oldest event in the outbox, which
// is one row by its key.
import { type Choreography, consumedBy } from '../../../contract/language.ts';
import type { Clock } from '../../environment/clock.ts';
import type { MeasuredBus } from '../../messaging/bus.ts';
import type { ServiceNode } from '../../node/service-node.ts';
import type { MetricCatalogue, MetricRegistry, Readers, Sample } from './metric-registry.ts';
import { QueueDepths } from './queue-depths.ts';

/** Of the files that a disk syncs in: 0.1 ms for memory, seconds for a disk in trouble. */
const commitBuckets = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const sizeBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256];

const outboxMetrics = {
  saga_outbox_events: { kind: 'gauge', help: 'Events and dead letters that the broker has not confirmed yet.' },
  saga_outbox_events_limit: { kind: 'gauge', help: 'Above this many, requests are answered 503 (OUTBOX_MAX).' },
  saga_outbox_oldest_event_age_seconds: {
    kind: 'gauge',
    help: 'Age of the oldest event that the broker has not confirmed yet; 0: there is none.',
  },
  saga_outbox_unroutable_events: {
    kind: 'gauge',
    help: 'Events of the outbox that came back because no queue is bound for them, by routing key.',
    labels: ['routing_key'],
  },
} as const satisfies MetricCatalogue;

const eventMetrics = {
  saga_events_handled_total: {
    kind: 'counter',
    help: 'Events that took effect, by type and outcome: the event that was published in turn, or a silent outcome.',
    labels: ['type', 'outcome'],
  },
  saga_events_duplicate_total: {
    kind: 'counter',
    help: 'Events that had taken effect before, by type.',
    labels: ['type'],
  },
  saga_events_dead_lettered_total: {
    kind: 'counter',
    help: 'Events that could not be handled, by type (`unreadable`: it is no event) and reason.',
    labels: ['type', 'reason'],
  },
} as const satisfies MetricCatalogue;

const commitMetrics = {
  saga_group_commit_works: {
    kind: 'histogram',
    help: 'Requests, events and bookkeeping that shared one transaction.',
    buckets: sizeBuckets,
  },
  saga_group_commit_duration_seconds: {
    kind: 'histogram',
    help: 'Duration of a transaction, its fsync included.',
    buckets: commitBuckets,
  },
  saga_database_writable: { kind: 'gauge', help: '1: the last transaction was written; 0: it could not be.' },
  saga_database_put_back: {
    kind: 'gauge',
    help: '1: a consumer has seen events that this journal does not hold; the database was put back to an earlier state.',
  },
} as const satisfies MetricCatalogue;

const brokerMetrics = {
  saga_broker_connected: {
    kind: 'gauge',
    help: '1: the connection to the broker is up.',
    labels: ['connection'],
  },
  saga_broker_blocked: { kind: 'gauge', help: '1: the broker is short of memory or disk and takes no messages.' },
  saga_broker_reconnects_total: {
    kind: 'counter',
    help: 'How often a connection to the broker was made again.',
    labels: ['connection'],
  },
  saga_broker_unconfirmed_messages: {
    kind: 'gauge',
    help: 'Messages on their way to the broker without a confirm. A message may hold several events.',
  },
  saga_queue_messages: {
    kind: 'gauge',
    help: "Messages that wait in this service's queue, without those delivered; asked of the broker every few seconds.",
  },
  saga_dead_letter_queue_messages: {
    kind: 'gauge',
    help: "Messages in this service's dead-letter queue; asked of the broker every few seconds.",
  },
} as const satisfies MetricCatalogue;

const reconciliationMetrics = {
  saga_reconciliation_state: {
    kind: 'gauge',
    help: '1 for the state that reconciliation with a publisher is in, 0 for the others.',
    labels: ['publisher', 'state'],
  },
  saga_reconciliation_fetched_events_total: {
    kind: 'counter',
    help: "Events that the broker has not brought and that came from their publisher's journal.",
    labels: ['publisher'],
  },
  saga_reconciliation_unknown_events_total: {
    kind: 'counter',
    help: "Events handled here that their publisher's journal does not hold.",
    labels: ['publisher'],
  },
} as const satisfies MetricCatalogue;

export const serviceMetrics = {
  ...outboxMetrics,
  ...eventMetrics,
  ...commitMetrics,
  ...brokerMetrics,
  ...reconciliationMetrics,
} as const satisfies MetricCatalogue;

export interface MetricSources {
  readonly node: ServiceNode;
  readonly contract: Choreography;
  readonly bus: MeasuredBus;
  readonly clock: Clock;
  readonly outboxMax: number;
}

/** Adds the metrics of a service to a registry. */
export function addServiceMetrics(registry: MetricRegistry, sources: MetricSources): void {
  const { node, bus } = sources;
  registry.read(outboxMetrics, outboxReaders(sources));
  registry.read(eventMetrics, eventReaders(sources));
  registry.read(commitMetrics, {
    saga_database_writable: () => flag(node.commit.lastError === undefined),
    saga_database_put_back: () => flag(node.putBack !== undefined),
  });
  registry.read(brokerMetrics, brokerReaders(sources, new QueueDepths(bus, sources.clock)));
  registry.read(reconciliationMetrics, reconciliationReaders(node));
  const works = registry.histogram('saga_group_commit_works', commitMetrics.saga_group_commit_works);
  const seconds = registry.histogram(
    'saga_group_commit_duration_seconds',
    commitMetrics.saga_group_commit_duration_seconds,
  );
  node.commit.onWritten(({ size, durationMs }) => {
    works(size);
    seconds(durationMs / 1_000);
  });
}

function outboxReaders({ node, clock, outboxMax }: MetricSources): Readers<typeof outboxMetrics> {
  const { relay, journal } = node;
  return {
    saga_outbox_events: () => relay.waiting,
    saga_outbox_events_limit: () => outboxMax,
    saga_outbox_oldest_event_age_seconds: () => {
      const position = relay.oldestWaiting;
      if (position === undefined) return 0;
      const writtenAtMs = journal.writtenAtMs(position);
      return writtenAtMs === undefined ? undefined : ageSeconds(writtenAtMs, clock);
    },
    saga_outbox_unroutable_events: () =>
      Object.entries(relay.status().unroutable).map(([key, value]) => ({ labels: { routing_key: key }, value })),
  };
}

/** What can happen is there from the start, with 0: an increase from nothing to 1 would go unseen. */
function eventReaders({ node, contract }: MetricSources): Readers<typeof eventMetrics> {
  const { tally } = node.handler;
  const types = consumedBy(contract, node.name);
  const outcomes = types.flatMap((type) =>
    (contract.events[type]?.reactions[node.name] ?? []).map((outcome) => `${type} -> ${outcome}`),
  );
  const deadLetters = types.flatMap((type) => reasonsOfReadable.map((reason) => `${type} -> ${reason}`));
  return {
    saga_events_handled_total: () => byPair('outcome', outcomes, tally.outcomes),
    saga_events_duplicate_total: () =>
      types.map((type) => ({ labels: { type }, value: tally.duplicateTypes.get(type) ?? 0 })),
    saga_events_dead_lettered_total: () => byPair('reason', deadLetters, tally.deadLetterReasons),
  };
}

/** Why an event that a service subscribes to may be dead-lettered although it could be read. */
const reasonsOfReadable = [
  'contradictory',
  'unknown-subject',
  'reaction-failed',
  'storage-failed',
  'crashes-the-process',
];

function byPair(second: string, expected: readonly string[], counts: ReadonlyMap<string, number>): Sample[] {
  return [...new Set([...expected, ...counts.keys()])].map((key) => {
    const [type = '', other = ''] = key.split(' -> ');
    return { labels: { type, [second]: other }, value: counts.get(key) ?? 0 };
  });
}

function brokerReaders({ bus }: MetricSources, depths: QueueDepths): Readers<typeof brokerMetrics> {
  return {
    saga_broker_connected: () => {
      const { publisher, consumer } = bus.status();
      const up = publisher === 'connected' || publisher === 'blocked';
      return byConnection(flag(up), flag(consumer === 'connected'));
    },
    saga_broker_blocked: () => flag(bus.status().publisher === 'blocked'),
    saga_broker_reconnects_total: () => {
      const { publisher, consumer } = bus.traffic().reconnects;
      return byConnection(publisher, consumer);
    },
    saga_broker_unconfirmed_messages: () => bus.traffic().unconfirmed,
    saga_queue_messages: () => depths.read().queue,
    saga_dead_letter_queue_messages: () => depths.read().deadLetters,
  };
}

const reconciliationStates = ['off', 'starting', 'reconciled', 'behind', 'unreachable'] as const;

function reconciliationReaders({ reconciliation }: ServiceNode): Readers<typeof reconciliationMetrics> {
  const publishers = () => Object.entries(reconciliation.status());
  return {
    saga_reconciliation_state: () =>
      publishers().flatMap(([publisher, status]) =>
        reconciliationStates.map((state) => ({ labels: { publisher, state }, value: flag(status.state === state) })),
      ),
    saga_reconciliation_fetched_events_total: () =>
      publishers().map(([publisher, { fetched }]) => ({ labels: { publisher }, value: fetched })),
    saga_reconciliation_unknown_events_total: () =>
      publishers().map(([publisher, { unknown }]) => ({ labels: { publisher }, value: unknown })),
  };
}

function byConnection(publisher: number, consumer: number): Sample[] {
  return [
    { labels: { connection: 'publisher' }, value: publisher },
    { labels: { connection: 'consumer' }, value: consumer },
  ];
}

function flag(value: boolean): number {
  return value ? 1 : 0;
}

/** Never negative: a clock may have been set back since. */
export function ageSeconds(sinceMs: number, clock: Clock): number {
  return Math.max(0, clock.nowMs() - sinceMs) / 1_000;
}
