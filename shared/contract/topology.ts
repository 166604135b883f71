// Exchanges, queues and bindings, derived from the contract in one place. A test pins every name and argument: a rename
// orphans the messages under the old name, and other arguments are refused by the broker (406).
import { type Choreography, consumedBy, type EventSpec, servicesOf } from './language.ts';
import { type InstanceNames, instanceOf, membersOf, serviceOf } from './members.ts';

export interface Queue {
  readonly name: string;
  readonly arguments: Readonly<Record<string, string | number>>;
}

export interface Binding {
  readonly queue: string;
  readonly exchange: string;
  readonly routingKey: string;
}

export interface Exchange {
  readonly name: string;
  readonly type: 'topic' | 'direct';
}

export interface Topology {
  /** Durable. */
  readonly exchanges: readonly Exchange[];
  /** Durable quorum queues. */
  readonly queues: readonly Queue[];
  readonly bindings: readonly Binding[];
}

/**
 * Deliveries without an ack after which the broker dead-letters a message: practically never. A crash returns everything
 * that was prefetched, so a low limit would condemn the neighbours of the one message that caused it (RabbitMQ 4 defaults
 * to 20). The consumer itself finds that one; see suspects.ts.
 */
export const deliveryLimit = 1_000_000;

/** Direct exchange of all dead letters; the routing key is the dead-letter queue's name. */
export const deadLetterExchange = 'dead-letters';

/** `payment-service` publishes to `payment.events`; all instances of a service publish to the same exchange. */
export function exchangeOf(member: string): string {
  return `${serviceOf(member).replace(/-service$/, '')}.events`;
}

/** Each named instance has a queue of its own: `order-service.a`. */
export function queueOf(member: string): string {
  return member;
}

export function deadLetterQueueOf(member: string): string {
  return `${queueOf(member)}.dead-letters`;
}

/**
 * What a service declares when it connects: its own queues, its exchange, and the queues of everybody who subscribes to
 * what it publishes. So an order placed before payment-service has ever started waits in a queue.
 * @param member the service, or the named instance of it
 * @param instances of the services that have named ones, as far as they are known
 */
export function topologyFor(member: string, contract: Choreography, instances: InstanceNames = {}): Topology {
  const service = serviceOf(member);
  const whole = wholeTopology(contract, withMember(instances, member));
  const subscribers = servicesOf(contract).filter((name) =>
    consumedBy(contract, name, true).some((type) => contract.events[type]?.by === service),
  );
  const queues = new Set(
    [member, ...subscribers.filter((name) => name !== service).flatMap((name) => membersOf(name, instances))]
      .concat(instanceOf(member) === undefined ? [] : membersOf(service, instances))
      .flatMap((name) => [queueOf(name), deadLetterQueueOf(name)]),
  );
  const bindings = whole.bindings.filter(({ queue }) => queues.has(queue));
  const exchanges = new Set([exchangeOf(member), ...bindings.map(({ exchange }) => exchange)]);
  return {
    exchanges: whole.exchanges.filter(({ name }) => exchanges.has(name)),
    queues: whole.queues.filter(({ name }) => queues.has(name)),
    bindings,
  };
}

/** What the member consumes from: its queues, their bindings, and the exchanges that these name. */
export function ownPart({ exchanges, queues, bindings }: Topology, member: string): Topology {
  const names = [queueOf(member), deadLetterQueueOf(member)];
  const own = bindings.filter(({ queue }) => names.includes(queue));
  const used = new Set([exchangeOf(member), ...own.map(({ exchange }) => exchange)]);
  return {
    exchanges: exchanges.filter(({ name }) => used.has(name)),
    queues: queues.filter(({ name }) => names.includes(name)),
    bindings: own,
  };
}

/** Those who react to an event: of its own service, only named instances do. */
function subscribersOf({ by, reactions, peers = {} }: EventSpec, instances: InstanceNames): string[] {
  const services = new Set([...Object.keys(reactions), ...Object.keys(peers)]);
  return [...services]
    .flatMap((service) => membersOf(service, instances))
    .filter((member) => member !== by || Object.hasOwn(reactions, by));
}

function withMember(instances: InstanceNames, member: string): InstanceNames {
  const [service, instance] = [serviceOf(member), instanceOf(member)];
  return instance === undefined
    ? instances
    : { ...instances, [service]: [...new Set([instance, ...(instances[service] ?? [])])] };
}

/**
 * Every exchange, queue and binding of the system.
 * @param instances of the services that have named ones
 */
export function wholeTopology(contract: Choreography, instances: InstanceNames = {}): Topology {
  const services = servicesOf(contract);
  const members = services.flatMap((service) => membersOf(service, instances));
  return {
    exchanges: [
      ...services.map((service) => ({ name: exchangeOf(service), type: 'topic' as const })),
      { name: deadLetterExchange, type: 'direct' as const },
    ],
    queues: members.flatMap((service) => [
      {
        name: queueOf(service),
        arguments: {
          'x-queue-type': 'quorum',
          'x-delivery-limit': deliveryLimit,
          'x-dead-letter-exchange': deadLetterExchange,
          'x-dead-letter-routing-key': deadLetterQueueOf(service),
          // Dead letters must not be lost either: moved at least once, which needs reject-publish.
          'x-dead-letter-strategy': 'at-least-once',
          'x-overflow': 'reject-publish',
        },
      },
      {
        name: deadLetterQueueOf(service),
        // People look at dead letters and put them back; that must never use up a limit.
        arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': deliveryLimit },
      },
    ]),
    bindings: [
      ...Object.entries(contract.events).flatMap(([type, spec]) =>
        subscribersOf(spec, instances).map((member) => ({
          queue: queueOf(member),
          exchange: exchangeOf(spec.by),
          routingKey: type,
        })),
      ),
      ...members.map((service) => ({
        queue: deadLetterQueueOf(service),
        exchange: deadLetterExchange,
        routingKey: deadLetterQueueOf(service),
      })),
    ],
  };
}
