// The contract with loyalty-service inside the saga: points are credited for a payment, or refused, before stock is
// reserved. In a project of your own these are lines of shared/contract/choreography.ts.
import { choreography as saga } from '../../shared/contract/choreography.ts';
import { type DataIn, defineChoreography, type TypeIn } from '../../shared/contract/language.ts';
import * as data from './event-data.ts';

const order = 'order-service';
const payment = 'payment-service';
const inventory = 'inventory-service';
const loyalty = 'loyalty-service';

const { events } = saga;

// biome-ignore format: a table is read by its columns
export const choreography = defineChoreography({
  ...saga,
  events: {
    ...events,
    // inventory-service now follows loyalty-service instead of payment-service
    'payment.completed':  { ...events['payment.completed'],
      reactions: { [loyalty]:   ['points.credited', 'points.refused', 'fenced'], [order]: ['noted', 'recovered'] } },
    'points.credited':    { by: loyalty, data: data.PointsCredited, subject: 'orderId',
      reactions: { [inventory]: ['inventory.reserved', 'inventory.rejected', 'fenced'], [order]: ['noted'] } },

    // a new refusal, and those that must undo their step after a refusal
    'points.refused':     { by: loyalty, data: data.PointsRefused, subject: 'orderId',
      reactions: { [payment]:   ['payment.refunded', 'compensated'], [order]: ['order.cancelled', 'waits', 'ended'] } },
    'inventory.rejected': { ...events['inventory.rejected'],
      reactions: { ...events['inventory.rejected'].reactions, [loyalty]: ['points.taken-back', 'compensated'] } },

    // a new participant in the withdrawal
    'order.withdrawn':    { ...events['order.withdrawn'],
      reactions: { ...events['order.withdrawn'].reactions, [loyalty]: ['points.taken-back', 'points.voided', 'compensated'] } },
    'points.taken-back':  { by: loyalty, data: data.PointsTakenBack, subject: 'orderId', compensates: 'points.credited',
      reactions: { [order]:     ['order.cancelled', 'waits', 'ended'] } },
    'points.voided':      { by: loyalty, data: data.PointsVoided, subject: 'orderId',
      reactions: { [order]:     ['order.cancelled', 'waits', 'ended'] } },

    // wider data
    'payment.refunded':   { ...events['payment.refunded'], data: data.PaymentRefunded },
    'order.cancelled':    { ...events['order.cancelled'], data: data.OrderCancelled },
  },
});

type C = typeof choreography;

export function emit<T extends TypeIn<C>>(
  type: T,
  data: DataIn<C, T>,
): { readonly type: T; readonly data: DataIn<C, T> } {
  return { type, data };
}
