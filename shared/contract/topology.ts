// Exchanges, queues and bindings, derived from the contract in one place. A test pins every name and argument: a rename
// orphans the messages under the old name, and other arguments are refused by the broker (406).
import { type Choreography, servicesOf } from './language.ts';

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

/** `payment-service` publishes to `payment.events`. */
export function exchangeOf(service: string): string {
  return `${service.replace(/-service$/, '')}.events`;
}

export function queueOf(service: string): string {
  return service;
}

export function deadLetterQueueOf(service: string): string {
  return `${queueOf(service)}.dead-letters`;
}

/**
 * What a service declares when it connects: its own queues, its exchange, and the queues of everybody who subscribes to
 * what it publishes. So an order placed before payment-service has ever started waits in a queue.
 */
export function topologyFor(service: string, contract: Choreography): Topology {
  const whole = wholeTopology(contract);
  const subscribers = Object.values(contract.events)
    .filter((spec) => spec.by === service)
    .flatMap((spec) => Object.keys(spec.reactions));
  const queues = new Set([service, ...subscribers].flatMap((name) => [queueOf(name), deadLetterQueueOf(name)]));
  const bindings = whole.bindings.filter(({ queue }) => queues.has(queue));
  const exchanges = new Set([exchangeOf(service), ...bindings.map(({ exchange }) => exchange)]);
  return {
    exchanges: whole.exchanges.filter(({ name }) => exchanges.has(name)),
    queues: whole.queues.filter(({ name }) => queues.has(name)),
    bindings,
  };
}

/** Every exchange, queue and binding of the system. */
export function wholeTopology(contract: Choreography): Topology {
  const services = servicesOf(contract);
  return {
    exchanges: [
      ...services.map((service) => ({ name: exchangeOf(service), type: 'topic' as const })),
      { name: deadLetterExchange, type: 'direct' as const },
    ],
    queues: services.flatMap((service) => [
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
        Object.keys(spec.reactions).map((subscriber) => ({
          queue: queueOf(subscriber),
          exchange: exchangeOf(spec.by),
          routingKey: type,
        })),
      ),
      ...services.map((service) => ({
        queue: deadLetterQueueOf(service),
        exchange: deadLetterExchange,
        routingKey: deadLetterQueueOf(service),
      })),
    ],
  };
}
