// What the checker explores, and the errors that are planted in the model so that it must find them.
import type { PromiseId } from '../../simulator/environment/violation.ts';

/** `funds`: how many orders can be paid for, `units`: how many can be delivered; each number from the first to the second is tried. */
export interface Bounds {
  readonly orders: 1 | 2;
  /** Faults in one run of the saga. */
  readonly faults: number;
  /** Orders that ask again while they are being cancelled. */
  readonly asks: number;
  readonly funds: readonly [number, number];
  readonly units: readonly [number, number];
}

export interface ModelRun {
  readonly name: string;
  readonly bounds: Bounds;
}

export const runs: readonly ModelRun[] = [
  { name: 'one order, with and without money and stock', bounds: one({ faults: 3, asks: 1 }) },
  { name: 'two orders, money for one, stock for one', bounds: two([1, 1], { faults: 2, asks: 0 }) },
  { name: 'two orders, money and stock for none, one or both', bounds: two([0, 2], { faults: 1, asks: 0 }) },
];

export const largeRuns: readonly ModelRun[] = [
  { name: 'one order, many faults', bounds: one({ faults: 8, asks: 1 }) },
  { name: 'two orders, money for one, stock for one', bounds: two([1, 1], { faults: 1, asks: 1 }) },
  { name: 'two orders, money and stock for none, one or both', bounds: two([0, 2], { faults: 3, asks: 0 }) },
];

export interface PlantedError {
  readonly what: string;
  /** The promise that must be found broken. */
  readonly promise: PromiseId;
  readonly bounds: Bounds;
}

/** In the order of their numbers in model/settings.pml, from 1 on. */
export const plantedErrors: readonly PlantedError[] = [
  { what: 'payment-service keeps no fence', promise: 'P7', bounds: one({ faults: 0, asks: 0 }) },
  { what: 'inventory-service keeps no fence', promise: 'P7', bounds: one({ faults: 0, asks: 0 }) },
  { what: 'there is no inbox', promise: 'P6', bounds: one({ faults: 1, asks: 0 }) },
  { what: 'nobody reconciles', promise: 'P8', bounds: one({ faults: 1, asks: 1 }) },
  {
    what: 'events are published beside the transaction',
    promise: 'P9',
    bounds: { ...one({ faults: 0, asks: 0 }), funds: [1, 1] },
  },
  { what: 'an order is cancelled before everything is given back', promise: 'P3', bounds: one({ faults: 0, asks: 0 }) },
  { what: 'a withdrawn order is confirmed', promise: 'P2', bounds: one({ faults: 0, asks: 0 }) },
  { what: 'nothing is refunded when stock is refused', promise: 'P2', bounds: one({ faults: 0, asks: 0 }) },
  { what: 'stock is not put back', promise: 'P4', bounds: one({ faults: 0, asks: 0 }) },
  { what: 'the second order is charged without a look at the balance', promise: 'P3', bounds: two([1, 1]) },
  { what: 'the second order is reserved without a look at the stock', promise: 'P4', bounds: two([1, 1], {}, [2, 2]) },
  { what: 'a confirmed order can be withdrawn', promise: 'P2', bounds: one({ faults: 0, asks: 0 }) },
  { what: 'a refused payment is not an answer for stock', promise: 'P2', bounds: one({ faults: 0, asks: 0 }) },
  { what: 'an order is confirmed before its stock is reserved', promise: 'P5', bounds: one({ faults: 0, asks: 0 }) },
];

type Limits = Partial<Pick<Bounds, 'faults' | 'asks'>>;

function one(limits: Limits): Bounds {
  return { faults: 0, asks: 0, ...limits, orders: 1, funds: [0, 1], units: [0, 1] };
}

function two(units: readonly [number, number], limits: Limits = {}, funds = units): Bounds {
  return { faults: 0, asks: 0, ...limits, orders: 2, funds, units };
}
