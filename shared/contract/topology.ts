// Exchanges, queues and bindings, derived from the contract in one place. A test pins every name and argument: a rename
// orphans the messages under the old name, and other arguments are refused by the broker (406).
import { choreography } from './choreography.ts';
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

export interface Topology {
  /** Durable topic exchanges. */
  readonly exchanges: readonly string[];
  /** Durable quorum queues. */
  readonly queues: readonly Queue[];
  readonly bindings: readonly Binding[];
}

/** Times that a message may be delivered without being acked before the broker dead-letters it: a crash loop ends. */
export const deliveryLimit = 20;
/** Dead letters are looked at and put back by people; that must never use up a limit (RabbitMQ 4 defaults to 20). */
const deadLetterDeliveryLimit = 1_000_000;

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
 * What a service declares when it connects: its own queues, its exchange, and the queues of everybody who reacts to
 * what it says. So an order that is placed before payment-service has ever started waits in a queue.
 */
export function topologyFor(service: string, contract: Choreography = choreography): Topology {
  const whole = wholeTopology(contract);
  const readers = Object.values(contract.events)
    .filter((spec) => spec.by === service)
    .flatMap((spec) => Object.keys(spec.reactions));
  const queues = new Set([service, ...readers].flatMap((name) => [queueOf(name), deadLetterQueueOf(name)]));
  const bindings = whole.bindings.filter(({ queue }) => queues.has(queue));
  const exchanges = new Set([exchangeOf(service), ...bindings.map(({ exchange }) => exchange)]);
  return {
    exchanges: whole.exchanges.filter((name) => exchanges.has(name)),
    queues: whole.queues.filter(({ name }) => queues.has(name)),
    bindings,
  };
}

/** Every exchange, queue and binding of the system. */
export function wholeTopology(contract: Choreography = choreography): Topology {
  const services = servicesOf(contract);
  return {
    exchanges: services.map(exchangeOf),
    queues: services.flatMap((service) => [
      {
        name: queueOf(service),
        arguments: {
          'x-queue-type': 'quorum',
          'x-delivery-limit': deliveryLimit,
          'x-dead-letter-exchange': '',
          'x-dead-letter-routing-key': deadLetterQueueOf(service),
          // Dead letters must not be lost either: moved at least once, which needs reject-publish.
          'x-dead-letter-strategy': 'at-least-once',
          'x-overflow': 'reject-publish',
        },
      },
      {
        name: deadLetterQueueOf(service),
        arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': deadLetterDeliveryLimit },
      },
    ]),
    bindings: Object.entries(contract.events).flatMap(([type, spec]) =>
      Object.keys(spec.reactions).map((reader) => ({
        queue: queueOf(reader),
        exchange: exchangeOf(spec.by),
        routingKey: type,
      })),
    ),
  };
}
