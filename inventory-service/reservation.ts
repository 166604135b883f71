// What a reservation is and how it may change. Pure: no database, no clock, no events.
import type { z } from 'zod';
import type { Line, Shortage } from '../shared/contract/event-data.ts';

export type OrderLine = z.output<typeof Line>;
export type Shortfall = z.output<typeof Shortage>;

/**
 * The one record that inventory-service keeps per order, whatever happens first.
 * - `reserved`: set aside; `released`: set aside and put back
 * - `rejected`: refused, nothing set aside
 * - `voided`: withdrawn before anything was set aside; it is the fence that a late `payment.completed` runs into
 */
export type Reservation =
  | { readonly status: 'reserved'; readonly orderId: string; readonly items: readonly OrderLine[] }
  | { readonly status: 'released'; readonly orderId: string; readonly items: readonly OrderLine[] }
  | {
      readonly status: 'rejected';
      readonly orderId: string;
      readonly items: readonly OrderLine[];
      readonly shortages: readonly Shortfall[];
    }
  | { readonly status: 'voided'; readonly orderId: string };

/** The lines that can't be met from stock. None: the whole order can be. A product nobody knows has none in stock. */
export function shortagesOf(
  items: readonly OrderLine[],
  stockOf: (productId: string) => number | undefined,
): Shortfall[] {
  return items.flatMap(({ productId, qty }) => {
    const available = stockOf(productId) ?? 0;
    return available < qty ? [{ productId, wanted: qty, available }] : [];
  });
}
