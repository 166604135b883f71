// What must hold in every state, and what must hold in a state with nothing left to deliver: all promises.
import { perService, serviceNames } from '../../services.ts';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { deadLetterQueueOf } from '../../shared/contract/topology.ts';
import type { OutgoingMessage } from '../../shared/runtime/messaging/bus.ts';
import { checkPromises } from '../checks/check-promises.ts';
import { epochMs } from '../environment/sim-clock.ts';
import type { Violation } from '../environment/violation.ts';
import type { Rows } from '../host.ts';
import type { Accepted } from '../workload/answers.ts';
import { deadlineMs, productIds, type Scenario, unitPrice, userId } from './scenarios.ts';
import { copyOf, rowsOf, type State } from './state.ts';
import type { System } from './system.ts';

const deadLetterQueues: ReadonlySet<string> = new Set(serviceNames.map(deadLetterQueueOf));

/** No dead letters, and nothing left in an outbox. */
export function checkAnyState({ messages, orderId }: System, { flight, rows }: State): Violation[] {
  const deadLetters = [...flight.keys()].map(copyOf).filter(({ queue }) => deadLetterQueues.has(queue));
  if (deadLetters.length > 0) {
    const headers = deadLetters.map(({ messageId }) => JSON.stringify(messages.get(messageId)?.headers));
    return [{ promise: 'P8', subject: orderId, text: `a dead letter: ${headers}` }];
  }
  return serviceNames.flatMap((name): Violation[] => {
    const left = unsentIn(rows[name]);
    if (left === 0) return [];
    return [{ promise: 'P9', subject: orderId, text: `${name} has no work, and ${left} messages in its outbox` }];
  });
}

/** Entries of the journal that no process has marked as confirmed. */
function unsentIn(tables: Rows): number {
  const marks = rowsOf(tables, 'outbox_marks').map(([, confirmedUntil]) => Number(confirmedUntil));
  const mark = marks.length === 0 ? 0 : Math.min(...marks);
  const above = rowsOf(tables, 'journal').filter(([position]) => Number(position) > mark);
  return above.length + rowsOf(tables, 'outbox_exceptions').length;
}

/** The status of the order in the state that the system is in. */
export function statusIn({ hosts }: System): string {
  const { db } = hosts['order-service'].database;
  return db.prepare<[], string>('SELECT status FROM orders').pluck().get() ?? 'never placed';
}

/** Checks every promise. The system must be in this state, with nothing left to deliver. */
export function checkFinalState(system: System, state: State, scenario: Scenario, untouched: boolean): Violation[] {
  const violations: Violation[] = [];
  const status = statusIn(system);
  if (untouched && status !== scenario.ends && status !== 'never placed') {
    const text = `ends as ${status}, not as ${scenario.ends}`;
    violations.push({ promise: 'P2', subject: system.orderId, text });
  }
  const { balance, stock } = scenario;
  const published = serviceNames.flatMap((name) => knownEvents(system, state, name));
  violations.push(
    ...checkPromises({
      databases: perService((name) => system.hosts[name].database.db),
      members: new Map(serviceNames.map((name) => [name, system.hosts[name].database.db])),
      instances: undefined,
      answers: {
        accepted: new Map(state.accepted ? [[system.orderId, acceptedOrder(system.orderId)]] : []),
        unansweredRequests: 1,
        paidIn: { answered: balance, unanswered: 0 },
        broughtIn: { answered: stock[0] + stock[1], unanswered: 0 },
      },
      published: new Map(published.map((message) => [message.messageId, message])),
      queues: [],
      deadLetters: [],
      putBacks: [],
      putBackReports: [],
      instancesLost: [],
      lostDeadLetters: new Set(),
      lost: new Set(),
      poison: new Map(),
      poisonBodies: new Map(),
      brokenReactions: new Set(),
      model: undefined,
    }),
  );
  return violations;
}

function acceptedOrder(orderId: string): Accepted {
  return {
    orderId,
    userId,
    total: unitPrice * productIds.length,
    items: productIds.map((productId) => ({ productId, qty: 1, unitPrice })),
    deadlineAtMs: epochMs + deadlineMs,
    tie: false,
    cancelled: false,
    refused: false,
    seen: undefined,
    at: 'order-service',
    key: undefined,
  };
}

/** The events that a service has handled or recorded: with nothing left to deliver, all that were published. */
function knownEvents({ hosts, messages }: System, { rows }: State, service: ServiceName): OutgoingMessage[] {
  const { database } = hosts[service];
  const own =
    service === 'order-service'
      ? database.db.prepare<[], string>("SELECT event_id FROM facts WHERE source = 'order-service'").pluck().all()
      : [];
  return [...hosts[service].handled(rows[service]), ...own].flatMap((id) => messages.get(id) ?? []);
}
