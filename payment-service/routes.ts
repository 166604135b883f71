// The routes of payment-service: accounts, deposits, and what became of an order's payment.
import { z } from 'zod';
import { Money, Name, OrderId, OrderIdAsked, PaymentRefusal, PositiveMoney } from '../shared/contract/event-data.ts';
import { isoTime } from '../shared/runtime/environment/clock.ts';
import { PageLimit, pageOf } from '../shared/runtime/http/page.ts';
import { ProblemError } from '../shared/runtime/http/problem.ts';
import { type Route, route } from '../shared/runtime/http/route.ts';
import type { ServiceNode } from '../shared/runtime/node/service-node.ts';
import type { TableReads } from '../shared/runtime/storage/table-reads.ts';
import { deposit, existing, putAccount } from './commands.ts';
import type { PaymentParts } from './service.ts';
import { type PaymentStore, totalsSql } from './store.ts';

const AccountView = z.object({ userId: Name, balance: z.int().describe('Minor units.'), blocked: z.boolean() });
const EntryView = z.object({
  entryId: z.int(),
  kind: z.enum(['deposit', 'adjustment', 'charge', 'refund']),
  amount: z.int().describe('Minor units; negative for a charge.'),
  balanceAfter: z.int(),
  orderId: OrderId.optional(),
  at: z.iso.datetime(),
});
const PaymentView = z.object({
  orderId: OrderId,
  status: z.enum(['completed', 'failed', 'voided', 'refunded']),
  userId: Name.optional(),
  amount: Money.optional(),
  reason: PaymentRefusal.optional(),
  updatedAt: z.iso.datetime(),
});
const Totals = z.object({ accounts: z.int(), balances: z.int(), paidIn: z.int(), charged: z.int(), refunded: z.int() });
const AccountPath = z.object({ userId: Name });

export function paymentRoutes(node: ServiceNode<PaymentParts>): Route[] {
  const { store } = node.parts;
  return [...accountRoutes(store), ...orderPaymentRoutes(store, node.tableReads)];
}

function accountRoutes(store: PaymentStore): Route[] {
  return [
    route({
      method: 'PUT',
      path: '/accounts/:userId',
      operationId: 'putAccount',
      summary: 'Open an account, or set its balance, or block it',
      description:
        'A balance that differs from the present one is entered in the ledger as an adjustment. What is left out stays as it is.',
      params: AccountPath,
      body: z.object({ balance: Money.optional(), blocked: z.boolean().optional() }).strict(),
      answers: {
        200: { description: 'The account, changed.', schema: AccountView },
        201: { description: 'The account, opened.', schema: AccountView },
      },
      command: (tx, { params, body }) => {
        const { account, created } = putAccount(store, tx, params.userId, body);
        return { status: created ? 201 : 200, body: account };
      },
    }),
    route({
      method: 'GET',
      path: '/accounts/:userId',
      operationId: 'getAccount',
      summary: 'Balance and ledger entries of an account, newest first',
      params: AccountPath,
      query: z
        .object({
          limit: z.coerce.number().int().min(1).max(100).default(20),
          before: z.coerce.number().int().min(1).optional(),
        })
        .strict(),
      answers: {
        200: {
          description: 'The account.',
          schema: AccountView.extend({
            entries: z.array(EntryView),
            next: z.int().optional().describe('The `before` of the next page, if there is one.'),
          }),
        },
      },
      problems: { 404: 'There is no such account.' },
      handle: ({ params: { userId }, query: { limit, before } }) => {
        const account = existing(store, userId);
        const found = store.entries(userId, limit + 1, before);
        if (!found) throw new ProblemError(400, 'invalid-request', `query.before: ${userId} has no entry ${before}`);
        const { rows, next } = pageOf(found, limit, ({ entryId }) => entryId);
        const entries = rows.map(({ orderId, atMs, ...entry }) => ({
          ...entry,
          ...(orderId ? { orderId } : {}),
          at: isoTime(atMs),
        }));
        return { status: 200, body: { ...account, entries, next } };
      },
    }),
    route({
      method: 'POST',
      path: '/accounts/:userId/deposits',
      operationId: 'deposit',
      summary: 'Pay money into an account',
      params: AccountPath,
      body: z.object({ amount: PositiveMoney }).strict(),
      idempotent: { owner: ({ params }) => params.userId },
      answers: { 201: { description: 'The account with its new balance.', schema: AccountView } },
      problems: {
        404: 'There is no such account.',
        422: 'The balance would be too high, or the Idempotency-Key came with another request before.',
      },
      command: (tx, { params: { userId }, body: { amount } }) => ({
        status: 201,
        body: deposit(store, tx, userId, amount),
      }),
    }),
  ];
}

function orderPaymentRoutes(store: PaymentStore, reads: TableReads): Route[] {
  return [
    route({
      method: 'GET',
      path: '/payments',
      operationId: 'listPayments',
      summary: 'Payments of all orders, in the order of the order ids',
      query: z.object({ limit: PageLimit, after: OrderIdAsked.optional() }).strict(),
      answers: {
        200: {
          description: 'A page of payments.',
          schema: z.object({
            payments: z.array(PaymentView),
            next: OrderId.optional().describe('The `after` of the next page, if there is one.'),
          }),
        },
      },
      handle: ({ query: { limit, after } }) => {
        const { rows, next } = pageOf(store.payments(limit + 1, after), limit, ({ payment }) => payment.orderId);
        const payments = rows.map(({ payment, updatedAtMs }) => ({ ...payment, updatedAt: isoTime(updatedAtMs) }));
        return { status: 200, body: { payments, next } };
      },
    }),
    route({
      method: 'GET',
      path: '/payments/:orderId',
      operationId: 'getPayment',
      summary: 'The payment of an order',
      params: z.object({ orderId: OrderIdAsked }),
      answers: { 200: { description: 'The payment.', schema: PaymentView } },
      problems: { 404: 'This service does not know the order.' },
      handle: ({ params: { orderId } }) => {
        const payment = store.payment(orderId);
        if (!payment)
          throw new ProblemError(404, 'no-such-payment', `payment-service knows nothing of order ${orderId}`, {
            orderId,
          });
        return { status: 200, body: { ...payment, updatedAt: isoTime(store.paymentUpdatedAtMs(orderId) ?? 0) } };
      },
    }),
    route({
      method: 'GET',
      path: '/totals',
      operationId: 'getTotals',
      summary: 'Sums over all accounts: balances = paidIn - charged + refunded',
      answers: { 200: { description: 'In minor units.', schema: Totals } },
      handle: async () => {
        const [body] = await reads.all(totalsSql, Totals);
        return { status: 200, body };
      },
    }),
  ];
}
