// The histories of one order that a service can meet: which events it handles, found by exploration, and in which orders.
import { existing } from '../../order-service/commands.ts';
import { refreshStatus } from '../../order-service/reactions.ts';
import { type PerService, perService } from '../../services.ts';
import type { EventType, ServiceName } from '../../shared/contract/choreography.ts';
import type { CloudEvent } from '../../shared/contract/cloud-event.ts';
import type { Exploration } from '../../simulator/exhaustive/explorer.ts';
import type { LoneService } from './lone-service.ts';

/** The events of one order that one service handles, in some order. */
export type History = readonly EventType[];

/** Every set of events that a service handled in some exploration, as one history each. */
export function historiesIn(explorations: readonly Exploration[]): PerService<History[]> {
  const sets = new Set(explorations.flatMap(({ handledSets }) => [...handledSets]));
  return perService((service) =>
    [...sets]
      .filter((set) => set.startsWith(`${service}: `))
      .map((set) => set.slice(service.length + 2))
      .map((types) => types.split(' ').filter((type) => type !== '') as EventType[]),
  );
}

/** The same events in every order in which they can happen. */
export function possibleOrders(service: ServiceName, history: History): History[] {
  return permutations(history).filter((order) => isPossible(service, order));
}

/** False when an event comes before one without which it cannot exist. */
function isPossible(service: ServiceName, order: History): boolean {
  if (service !== 'payment-service' || !order.includes('inventory.rejected')) return true;
  // Stock is refused only for what has been paid, and what is withdrawn before it is placed is never paid.
  return order[0] === 'order.placed';
}

export function permutations<T>(list: readonly T[]): T[][] {
  if (list.length <= 1) return [[...list]];
  return list.flatMap((item, index) =>
    permutations([...list.slice(0, index), ...list.slice(index + 1)]).map((rest) => [item, ...rest]),
  );
}

/** Delivers a history to a service, with the withdrawal by order-service itself where the history follows from one. */
export function deliverAll(service: LoneService, order: History, each: (event: CloudEvent) => void = () => {}): void {
  if (service.name === 'order-service' && followsFromWithdrawal(order)) withdraw(service);
  for (const type of order) each(service.get(type));
}

function followsFromWithdrawal(order: History): boolean {
  const compensations: History = ['payment.voided', 'inventory.voided', 'inventory.released'];
  const refundedFor = order.includes('payment.refunded') && !order.includes('inventory.rejected');
  return refundedFor || order.some((type) => compensations.includes(type));
}

function withdraw(service: LoneService): void {
  const data = { orderId: service.orderId, userId: 'user', reason: 'customer' } as const;
  service.command<'order-service'>((tx, { store }) => {
    tx.publish({ type: 'order.withdrawn', data });
    refreshStatus(store, existing(store, service.orderId));
  });
}
