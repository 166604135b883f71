// What would repair an order that breaks a rule. What only a person can decide is said plainly.
import type { ServiceName } from '../../shared/contract/choreography.ts';
import type { HeldByAll } from './answers.ts';
import type { ReconciliationState } from './finding.ts';

interface Known {
  readonly reconciliation: ReconciliationState;
}

const order = 'order-service';
const payment = 'payment-service';
const inventory = 'inventory-service';

const noRoute = 'No route changes the records, so the audit goes on listing this order.';

export function unknownOrder({ payment: paid, reservation }: HeldByAll, { reconciliation }: Known): string {
  const taken = paid?.status === 'completed';
  const known = taken || paid?.status === 'failed';
  if (known) {
    const hand = taken
      ? `By hand: pay ${paid.amount ?? 'the amount'} back to ${paid.userId ?? 'the customer'} (POST /accounts/${paid.userId ?? 'USER'}/deposits)${reservation?.status === 'reserved' ? ', and restock what is reserved (POST /products/ID/restocks)' : ''}. ${noRoute}`
      : 'By hand: nothing. No money was taken; only the record of the order is lost.';
    return `order-service rebuilds the order from payment.${paid.status} in the journal of payment-service. ${fetched(reconciliation, order, payment, hand)}`;
  }
  if (reservation?.status === 'reserved') {
    return `By hand: restock what is reserved (POST /products/ID/restocks). ${noRoute}`;
  }
  return 'Nothing has to be done: no money is taken and no stock is reserved. Only the record of the order is lost.';
}

export function contradiction(): string {
  return (
    'By hand: the services have different facts, and none of them can know which is right. Look at ' +
    'GET /orders/ID/timeline and at the dead letters (npm run dead-letters -- list), then correct the balance ' +
    '(PUT /accounts/USER) or the stock (PUT /products/ID).'
  );
}

export function confirmedNotPaid({ order: confirmed, payment: paid }: HeldByAll, { reconciliation }: Known): string {
  const hand =
    `By hand: take ${confirmed?.total} from ${confirmed?.userId} (PUT /accounts/${confirmed?.userId} with the lower ` +
    `balance), or accept the loss. A confirmed order cannot be cancelled. ${noRoute}`;
  if (paid) return hand;
  return `payment-service charges the order when it handles order.placed again. ${fetched(reconciliation, payment, order, hand)}`;
}

export function confirmedNotReserved({ reservation }: HeldByAll, { reconciliation }: Known): string {
  const hand =
    'By hand: take the items out of the stock (PUT /products/ID with the lower stock) and deliver, or pay the customer ' +
    `back (POST /accounts/USER/deposits). A confirmed order cannot be cancelled. ${noRoute}`;
  if (reservation) return hand;
  return `inventory-service reserves the items when it handles payment.completed again. ${fetched(reconciliation, inventory, payment, hand)}`;
}

export function cancelledCharged({ payment: paid }: HeldByAll, { reconciliation }: Known): string {
  const hand = `By hand: pay ${paid?.amount} back to ${paid?.userId} (POST /accounts/${paid?.userId}/deposits). ${noRoute}`;
  return `payment-service refunds the order when it handles order.withdrawn or inventory.rejected again. ${fetched(reconciliation, payment, order, hand)}`;
}

export function cancelledPaymentMissing(_: HeldByAll, { reconciliation }: Known): string {
  const hand =
    'By hand: nothing. No money is taken. Make sure that order.placed of this order is in no queue and no dead-letter ' +
    'queue: payment-service would charge it.';
  return `payment-service records the order again when it handles order.placed and order.withdrawn again. ${fetched(reconciliation, payment, order, hand)}`;
}

export function cancelledReserved(_: HeldByAll, { reconciliation }: Known): string {
  const hand = `By hand: restock what is reserved (POST /products/ID/restocks). ${noRoute}`;
  return `inventory-service releases the items when it handles order.withdrawn again. ${fetched(reconciliation, inventory, order, hand)}`;
}

export function cancelledReservationMissing(_: HeldByAll, { reconciliation }: Known): string {
  const hand =
    'By hand: nothing. No stock is reserved. Make sure that payment.completed of this order is in no queue and no ' +
    'dead-letter queue: inventory-service would reserve the items.';
  return `inventory-service records the order again when it handles the events of payment-service again. ${fetched(reconciliation, inventory, payment, hand)}`;
}

export function stuck({ order: open }: HeldByAll): string {
  const services = [...new Set(open?.waitsFor.map(({ service }) => service))];
  const look =
    services.length > 0
      ? ` If that does not help, look at ${services.map((service) => `GET /readyz and the dead letters of ${service}`).join(' and at ')}.`
      : '';
  return `--repair asks the other services again (POST /orders/ID/cancel), which cancels the order and charges nothing.${look}`;
}

/** Whether the missing event is still to be expected, and what to do when it is not. */
function fetched(
  reconciliation: ReconciliationState,
  service: ServiceName,
  publisher: ServiceName,
  hand: string,
): string {
  const state = reconciliation(service, publisher);
  if (state === 'off') {
    return `Set ${publisher.toUpperCase().replaceAll('-', '_')}_URL at ${service} and restart it: it then fetches the event from the journal of ${publisher}.`;
  }
  if (state === 'reconciled') {
    return `But ${service} has compared the journal of ${publisher} with what it has handled and misses nothing. ${hand}`;
  }
  return `${service} is comparing the journal of ${publisher} now (${state}): run the audit again when its GET /readyz says reconciled.`;
}
