// What there is of everything in the shop at the start: enough for orders of the past and for a long present.

/** Units of each product, for each line of an order. */
export const stock = 1_000_000;
/** Of each account, in minor units. */
export const balance = 1_000_000_000_000;
