// Payment-service's node over a broker and a clock that a test controls, with an account that can pay ten orders.
import { putAccount } from '../../payment-service/commands.ts';
import { type PaymentParts, paymentService } from '../../payment-service/service.ts';
import type { EventOf } from '../../shared/contract/choreography.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import { type NodeEnvironment, ServiceNode } from '../../shared/runtime/node/service-node.ts';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import { eventOf, samples, userId } from './events.ts';
import { FakeBus } from './fake-bus.ts';
import { HandClock } from './hand-clock.ts';

const placed = samples['order.placed'];

export interface PaymentNodeOptions extends Partial<Omit<NodeEnvironment, 'bus' | 'clock'>> {
  /** Runs before the reaction to a placed order. */
  readonly react?: (event: EventOf<'order.placed'>) => void;
  readonly clock?: HandClock;
  readonly bus?: FakeBus;
}

export function startPayments({ react, ...given }: PaymentNodeOptions = {}) {
  const clock = given.clock ?? new HandClock();
  const bus = given.bus ?? new FakeBus();
  const db = given.db ?? openDatabase(':memory:', paymentService.migrations);
  const definition: typeof paymentService = {
    ...paymentService,
    build(database): PaymentParts {
      const parts = paymentService.build(database);
      const placedReaction = parts.reactions['order.placed'];
      return {
        ...parts,
        reactions: {
          ...parts.reactions,
          'order.placed': (event, at) => {
            react?.(event);
            return placedReaction(event, at);
          },
        },
      };
    },
  };
  const node = new ServiceNode(definition, { log: silentLog, ...given, db, bus, clock });
  node.start();
  const { store } = node.parts;
  if (!store.account(userId)) {
    node.submit(
      (tx) => void putAccount(store, tx, userId, { balance: 10 * placed.total }),
      node.newCause(),
      () => {},
    );
    clock.turn();
  }
  const published = (isDead: boolean) =>
    bus.published.map(({ message }) => message).filter(({ exchange }) => (exchange === 'dead-letters') === isDead);
  return {
    clock,
    bus,
    db,
    node,
    store,
    balance: () => store.account(userId)?.balance,
    /** Messages with events, and messages for the dead-letter queue. */
    answers: () => published(false),
    dead: () => published(true),
  };
}

/** A placed order of its own. */
export function orderOf(tail: string, position?: number): EventOf<'order.placed'> {
  const orderId = placed.orderId.slice(0, -tail.length) + tail;
  return eventOf('order.placed', { ...placed, orderId }, position === undefined ? {} : { position });
}
