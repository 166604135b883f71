// What became of the orders that were accepted while services were killed.

/** Numbers of orders. */
export interface OrderFates {
  /** Answered with 202. */
  readonly accepted: number;
  readonly confirmed: number;
  readonly cancelled: number;
  /** Accepted, and neither confirmed nor cancelled when the wait was over. */
  readonly stuck: number;
  /** Accepted, and unknown to order-service afterwards. */
  readonly lost: number;
  readonly chargedTwice: number;
  readonly reservedTwice: number;
  /** Charged twice, or stock taken twice, or both. */
  readonly doubled: number;
}

/** What is read from the databases. */
export interface Records {
  statusOf(orderId: string): string | undefined;
  chargedTwice(): readonly string[];
  reservedTwice(): readonly string[];
}

export function isOver(status: string | undefined): boolean {
  return status === 'confirmed' || status === 'cancelled';
}

/** The orders of `orderIds` that have not ended; those that are unknown count. */
export function openOrders(orderIds: readonly string[], records: Records): string[] {
  return orderIds.filter((orderId) => !isOver(records.statusOf(orderId)));
}

export function fatesOf(orderIds: readonly string[], records: Records): OrderFates {
  const statuses = orderIds.map((orderId) => records.statusOf(orderId));
  const having = (wanted: (status: string | undefined) => boolean): number => statuses.filter(wanted).length;
  const chargedTwice = records.chargedTwice();
  const reservedTwice = records.reservedTwice();
  return {
    accepted: orderIds.length,
    confirmed: having((status) => status === 'confirmed'),
    cancelled: having((status) => status === 'cancelled'),
    stuck: having((status) => status !== undefined && !isOver(status)),
    lost: having((status) => status === undefined),
    chargedTwice: chargedTwice.length,
    reservedTwice: reservedTwice.length,
    doubled: new Set([...chargedTwice, ...reservedTwice]).size,
  };
}
