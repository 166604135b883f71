// How the metrics of every service are read. All are counts kept in memory, except the age of the oldest event in the
// outbox, which is one row by its key.
import { type Choreography, consumedBy } from '../../../contract/language.ts';
import type { Clock } from '../../environment/clock.ts';
import type { MeasuredBus } from '../../messaging/bus.ts';
import type { ServiceNode } from '../../node/service-node.ts';
import type { MetricRegistry, Readers, Sample } from './metric-registry.ts';
import { QueueDepths } from './queue-depths.ts';
import {
  brokerMetrics,
  commitMetrics,
  eventMetrics,
  outboxMetrics,
  reconciliationMetrics,
} from './service-metrics-catalogue.ts';

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
