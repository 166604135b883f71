// What every service measures: the name, the kind, the meaning and the labels of each metric. No label holds anything that a
// customer or a foreign message could have made: their values are event types, outcomes, reasons, services and states.
import type { MetricCatalogue } from './metric-registry.ts';

/** From a fast disk to one in trouble. */
const commitBuckets = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const sizeBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256];

export const outboxMetrics = {
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

export const eventMetrics = {
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

export const commitMetrics = {
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

export const brokerMetrics = {
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

export const reconciliationMetrics = {
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
