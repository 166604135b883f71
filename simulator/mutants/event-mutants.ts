// What events say, and their envelopes.

import { type Mutant, planted } from './mutant.ts';
import { enveloping, saying } from './planting.ts';

interface Line {
  readonly productId: string;
  readonly qty: number;
  readonly unitPrice?: number;
}

const lines = (data: Readonly<Record<string, unknown>>): readonly Line[] => data['items'] as readonly Line[];
const number = (data: Readonly<Record<string, unknown>>, field: string): number => Number(data[field]);
const ofOneEach = (items: readonly Line[]) => items.reduce((sum, { unitPrice = 0 }) => sum + unitPrice, 0);
const shortages = (data: Readonly<Record<string, unknown>>) =>
  data['shortages'] as readonly { readonly available: number }[];

export const eventMutants: readonly Mutant[] = [
  planted(
    'P1',
    'total-ignores-quantity',
    'order.placed counts each line once, whatever its quantity',
    saying('order-service', 'order.placed', (data) => ({ ...data, total: ofOneEach(lines(data)) })),
  ),
  planted(
    'P1',
    'placed-deadline-an-hour-off',
    'order.placed names a deadline that is an hour later',
    saying('order-service', 'order.placed', (data) => ({
      ...data,
      deadlineAt: new Date(Date.parse(String(data['deadlineAt'])) + 3_600_000).toISOString(),
    })),
  ),
  planted(
    'P3',
    'amount-ignores-quantity',
    'payment.completed names the price of one of each',
    saying('payment-service', 'payment.completed', (data) => ({ ...data, amount: ofOneEach(lines(data)) })),
  ),
  planted(
    'P4',
    'last-line-not-passed-on',
    'payment.completed leaves out the last of several lines',
    saying('payment-service', 'payment.completed', (data) => ({
      ...data,
      items: lines(data).slice(0, Math.max(1, lines(data).length - 1)),
    })),
  ),
  planted(
    'P3',
    'refusal-for-another-reason',
    'payment.failed says that the account is blocked, whatever the reason',
    saying('payment-service', 'payment.failed', (data) => ({ ...data, reason: 'account_blocked' })),
  ),
  planted(
    'P3',
    'refusal-without-items',
    'payment.failed does not say what was ordered',
    saying('payment-service', 'payment.failed', ({ items: _, ...data }) => data),
  ),
  planted(
    'P3',
    'refund-one-short',
    'payment.refunded names one less than was given back',
    saying('payment-service', 'payment.refunded', (data) => ({ ...data, amount: number(data, 'amount') - 1 })),
  ),
  planted(
    'P3',
    'refund-for-another-reason',
    'payment.refunded always says that the order was withdrawn',
    saying('payment-service', 'payment.refunded', (data) => ({ ...data, because: 'order.withdrawn' })),
  ),
  planted(
    'P4',
    'shortage-too-small',
    'inventory.rejected says that there is one more in stock than there is',
    saying('inventory-service', 'inventory.rejected', (data) => ({
      ...data,
      shortages: shortages(data).map((one) => ({ ...one, available: one.available + 1 })),
    })),
  ),
  planted(
    'P4',
    'only-the-first-shortage',
    'inventory.rejected names one shortage of several',
    saying('inventory-service', 'inventory.rejected', (data) => ({ ...data, shortages: shortages(data).slice(0, 1) })),
  ),
  planted(
    'P4',
    'released-one-each',
    'inventory.released says that one of each was put back',
    saying('inventory-service', 'inventory.released', (data) => ({
      ...data,
      items: lines(data).map((line) => ({ ...line, qty: 1 })),
    })),
  ),
  planted(
    'P4',
    'reserved-one-each',
    'inventory.reserved says that one of each was set aside',
    saying('inventory-service', 'inventory.reserved', (data) => ({
      ...data,
      items: lines(data).map((line) => ({ ...line, qty: 1 })),
    })),
  ),
  planted(
    'P2',
    'cancelled-by-nobody',
    'order.cancelled always says that the customer wanted it',
    saying('order-service', 'order.cancelled', (data) => ({ ...data, reason: 'customer' })),
  ),
  planted(
    'P2',
    'deadline-blamed-on-customer',
    'order.withdrawn always says that the customer cancelled',
    saying('order-service', 'order.withdrawn', (data) => ({ ...data, reason: 'customer' })),
  ),
  planted(
    'P2',
    'withdrawn-for-somebody',
    'order.withdrawn names another user',
    saying('order-service', 'order.withdrawn', (data) => ({ ...data, userId: 'somebody' })),
  ),
  planted(
    'P2',
    'asked-again-unnumbered',
    'a withdrawal that asks again does not say so',
    saying('order-service', 'order.withdrawn', ({ attempt: _, ...data }) => data),
  ),
  planted(
    'P2',
    'confirmed-for-nothing',
    'order.confirmed names a total of 0',
    saying('order-service', 'order.confirmed', (data) => ({ ...data, total: 0 })),
  ),
  planted(
    'P5',
    'price-one-off',
    'product.updated names a price that is one too high',
    saying('inventory-service', 'product.updated', (data) => ({ ...data, unitPrice: number(data, 'unitPrice') + 1 })),
  ),
  planted(
    'P9',
    'its-own-cause',
    'an event names itself as its cause',
    enveloping((event) => ({ ...event, causationid: event['id'] })),
  ),
  planted(
    'P9',
    'trace-lost',
    'every event begins a trace of its own',
    enveloping((event) => ({ ...event, traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01` })),
  ),
  planted(
    'P9',
    'another-saga',
    'an event names its cause as its saga',
    enveloping((event) => ({ ...event, correlationid: event['causationid'] })),
  ),
  planted(
    'P9',
    'an-hour-later',
    'the time of an event is an hour late',
    enveloping((event) => ({ ...event, time: new Date(Date.parse(String(event['time'])) + 3_600_000).toISOString() })),
  ),
  planted(
    'P9',
    'position-off-by-one',
    'an event names the position before its own',
    enveloping((event) => ({ ...event, sequence: String(Number(event['sequence']) - 1).padStart(16, '0') })),
  ),
];
