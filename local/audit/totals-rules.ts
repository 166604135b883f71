// The rules that the totals of a service must keep. Each service sums them up in one snapshot, so they hold at any time.
import type { InventorySums, PaymentSums } from './answers.ts';
import type { Disagreement } from './finding.ts';

const outside =
  'By hand: a service changes these only together, so something else has changed the database, or it is damaged.';
const restore = 'Find the difference with sqlite3, or restore a backup (npm run restore).';
const ordersFirst = 'Repair the orders that are listed first: the record of one of them may be what was changed.';

/** balances = paidIn - charged + refunded */
export function paymentSumsDisagreement(sums: PaymentSums): Disagreement | undefined {
  const { balances, paidIn, charged, refunded } = sums;
  const expected = paidIn - charged + refunded;
  if (balances === expected) return undefined;
  const text = `The balances add up to ${balances}, but paidIn - charged + refunded is ${expected}.`;
  return totals('payment-service', sums, 'balances-differ', 'P3', text, restore);
}

/** stock = broughtIn - reserved + released */
export function inventorySumsDisagreement(sums: InventorySums): Disagreement | undefined {
  const { stock, broughtIn, reserved, released } = sums;
  const expected = broughtIn - reserved + released;
  if (stock === expected) return undefined;
  const text = `The stocks add up to ${stock}, but broughtIn - reserved + released is ${expected}.`;
  return totals('inventory-service', sums, 'stocks-differ', 'P4', text, restore);
}

/** @param completed sum of the completed payments, read while no money moved */
export function ledgerDisagreement(sums: PaymentSums, completed: number): Disagreement | undefined {
  const kept = sums.charged - sums.refunded;
  if (kept === completed) return undefined;
  const text = `The completed payments add up to ${completed}, but charged - refunded in the ledger is ${kept}.`;
  return totals(
    'payment-service',
    { ...sums, completedPayments: completed },
    'ledger-differs',
    'P3',
    text,
    ordersFirst,
  );
}

/** @param reserved sum of the quantities of all reservations that are reserved, read while no stock moved */
export function movementsDisagreement(sums: InventorySums, reserved: number): Disagreement | undefined {
  const kept = sums.reserved - sums.released;
  if (kept === reserved) return undefined;
  const text = `The reservations hold ${reserved} units, but reserved - released in the movements is ${kept}.`;
  return totals(
    'inventory-service',
    { ...sums, unitsInReservations: reserved },
    'movements-differ',
    'P4',
    text,
    ordersFirst,
  );
}

function totals(
  service: 'payment-service' | 'inventory-service',
  sums: object,
  rule: string,
  promise: 'P3' | 'P4',
  text: string,
  next: string,
): Disagreement {
  return {
    about: 'totals',
    id: service,
    holds: { [service]: sums },
    broken: [{ rule, promise, text, repair: `${outside} ${next}`, repairable: false }],
  };
}
