// What a credit of points is and how it may change. Pure: no database, no clock, no events.

/**
 * The one record that loyalty-service keeps per order, whatever happens first.
 * - `credited`: points given; `taken-back`: given and taken back
 * - `refused`: nothing given
 * - `voided`: withdrawn before anything was given; it is the fence that a late `payment.completed` runs into
 */
export type Credit =
  | (Points & { readonly status: 'credited' })
  | (Points & { readonly status: 'taken-back' })
  | (Points & { readonly status: 'refused' })
  | { readonly status: 'voided'; readonly orderId: string };

export interface Points {
  readonly orderId: string;
  readonly userId: string;
  readonly points: number;
}

/** The most points that a user may have. */
export const pointsMax = 500_000;
/** Minor units per point. */
const minorUnitsPerPoint = 100;

export function pointsFor(amountMinor: number): number {
  return Math.floor(amountMinor / minorUnitsPerPoint);
}
