// The routes of order-service, in the long form (/orders) and in the short one (/:userId/orders).
import { z } from 'zod';
import { CancelReason, Line, linesOf, Money, Name, OrderId, PricedLine } from '../shared/contract/event-data.ts';
import { isoTime } from '../shared/runtime/environment/clock.ts';
import { ProblemError } from '../shared/runtime/http/problem.ts';
import { type HttpAnswer, type HttpRequest, type Route, route } from '../shared/runtime/http/route.ts';
import type { Transaction } from '../shared/runtime/messaging/unit-of-work.ts';
import type { ServiceNode } from '../shared/runtime/node/service-node.ts';
import type { Settings } from '../shared/runtime/process/settings.ts';
import { cancelOrder, existing, type OrderRequest, placeOrder } from './commands.ts';
import { awaitedBy, type Fact, hasEnded, type Order } from './order.ts';
import { OutcomeWaiters } from './outcome-waiters.ts';
import type { OrderParts } from './service.ts';

/** Bounds of a deadline that an order asks for. */
const deadlineMsMin = 100;
const deadlineMsMax = 86_400_000;

const LineRequest = Line.extend({
  unitPrice: Money.optional().describe('The price the customer saw, in minor units. Another one now: 409.'),
}).strict();

const PlaceOrder = z
  .object({
    userId: Name,
    items: linesOf(LineRequest),
    deadlineMs: z
      .int()
      .min(deadlineMsMin)
      .max(deadlineMsMax)
      .optional()
      .describe('How long the order may stay pending, in milliseconds; then it is cancelled.'),
  })
  .strict();

const OrderView = z.object({
  orderId: OrderId,
  userId: Name,
  status: z.enum(['pending', 'cancelling', 'confirmed', 'cancelled']),
  reason: CancelReason.optional().describe('Why it is being cancelled, or was.'),
  items: z.array(PricedLine),
  total: Money.describe('Minor units.'),
  placedAt: z.iso.datetime(),
  deadlineAt: z.iso.datetime(),
  waitsFor: z
    .array(z.object({ service: z.string(), events: z.array(z.string()), since: z.iso.datetime() }))
    .describe(
      'Which service has to say what, any one of the events, before the order goes on; empty once it has ended.',
    ),
});

const Timeline = z.object({
  orderId: OrderId,
  status: OrderView.shape.status,
  events: z.array(
    z.object({
      time: z.iso.datetime(),
      type: z.string(),
      source: z.string(),
      eventId: z.string(),
      causationId: z.string().describe('The event, or the request, that this one follows from.'),
      cause: z.string().describe('The type of that event, or `request`.'),
      data: z.unknown(),
    }),
  ),
});

const page = {
  limit: z.coerce.number().int().min(1).max(100).default(20),
  before: OrderId.optional().describe('The `next` of the page before.'),
};
const OrderPage = z.object({
  orders: z.array(OrderView),
  next: OrderId.optional().describe('For `before`, when there is more.'),
});

const OrderPath = z.object({ orderId: OrderId });
const UserPath = z.object({ userId: Name });

export function orderRoutes(node: ServiceNode<OrderParts>, settings: Settings): Route[] {
  const { store } = node.parts;
  const waiters = new OutcomeWaiters(node);

  const placed = {
    200: { description: 'The outcome, when the request preferred to wait and it came in time.', schema: OrderView },
    202: {
      description: 'Accepted: it will be confirmed or cancelled. Location says where to look.',
      schema: OrderView,
    },
  };
  const placingProblems = {
    409: 'A price differs from the one that the customer saw; both are in the answer.',
    422: 'A product is unknown or not for sale, or the Idempotency-Key came with another request before.',
  };

  type Wanted = Omit<OrderRequest, 'deadlineMs'> & { deadlineMs?: number | undefined };

  /** Both forms of placing an order, which differ only in where they say what is wanted. */
  function placing<P, B>(wantedOf: (request: HttpRequest<P, unknown, B>) => Wanted) {
    return {
      idempotent: { scope: 'placeOrder', request: wantedOf },
      waits: true as const,
      answers: placed,
      problems: placingProblems,
      command(tx: Transaction, request: HttpRequest<P, unknown, B>): HttpAnswer {
        const wanted = wantedOf(request);
        const asked = { ...wanted, deadlineMs: wanted.deadlineMs ?? settings.ORDER_DEADLINE_MS };
        const order = placeOrder(store, tx, asked);
        const body = view(order, [{ type: 'order.placed', time: isoTime(order.placedAtMs) }]);
        return { status: 202, body, headers: { location: `${request.prefix}/orders/${order.orderId}` } };
      },
      afterwards: (answer: HttpAnswer, request: HttpRequest<P, unknown, B>) =>
        request.waitMs === undefined ? answer : outcome(request, (answer.body as { orderId: string }).orderId),
    };
  }

  /** What is known of an order now or, when the request prefers to wait, once it has ended. */
  async function outcome(
    { waitMs, prefix, signal }: Pick<HttpRequest<unknown, unknown, unknown>, 'waitMs' | 'prefix' | 'signal'>,
    orderId: string,
  ): Promise<HttpAnswer> {
    if (waitMs !== undefined) await waiters.ended(orderId, waitMs, signal);
    const order = view(existing(store, orderId));
    return {
      status: waitMs !== undefined && hasEnded(order.status) ? 200 : 202,
      body: order,
      headers: {
        location: `${prefix}/orders/${orderId}`,
        ...(waitMs === undefined ? {} : { 'preference-applied': `wait=${waitMs / 1000}` }),
      },
    };
  }

  function view(
    order: Order,
    facts: readonly Pick<Fact, 'type' | 'time'>[] = hasEnded(order.status) ? [] : store.facts(order.orderId),
  ): z.output<typeof OrderView> {
    return {
      orderId: order.orderId,
      userId: order.userId,
      status: order.status,
      ...(order.reason ? { reason: order.reason } : {}),
      items: [...order.items],
      total: order.total,
      placedAt: isoTime(order.placedAtMs),
      deadlineAt: isoTime(order.deadlineAtMs),
      waitsFor: awaitedBy(facts).map((awaited) => ({ ...awaited, events: [...awaited.events] })),
    };
  }

  function list(userId: string, { limit, before }: { limit: number; before?: string | undefined }): HttpAnswer {
    // One more than asked for tells whether there is a next page.
    const orders = store.ordersOf(userId, limit + 1, before);
    if (!orders) throw new ProblemError(400, 'invalid-request', `query.before: ${userId} has no order ${before}`);
    const shown = orders.slice(0, limit).map((order) => view(order));
    const last = shown.at(-1);
    return { status: 200, body: { orders: shown, ...(orders.length > limit && last ? { next: last.orderId } : {}) } };
  }

  return [
    route({
      method: 'POST',
      path: '/orders',
      operationId: 'placeOrder',
      summary: 'Place an order of one line or many',
      body: PlaceOrder,
      ...placing(({ body }: HttpRequest<unknown, unknown, z.output<typeof PlaceOrder>>) => body),
    }),
    route({
      method: 'GET',
      path: '/orders/:orderId',
      operationId: 'getOrder',
      summary: 'Status of an order, and what it waits for',
      params: OrderPath,
      answers: { 200: { description: 'The order.', schema: OrderView } },
      problems: { 404: 'There is no such order.' },
      handle: ({ params }) => ({ status: 200, body: view(existing(store, params.orderId)) }),
    }),
    route({
      method: 'GET',
      path: '/orders/:orderId/timeline',
      operationId: 'getTimeline',
      summary: 'Every event of an order, with its time and cause',
      params: OrderPath,
      answers: { 200: { description: 'In the order of their times, each after its cause.', schema: Timeline } },
      problems: { 404: 'There is no such order.' },
      handle: ({ params: { orderId } }) => {
        const { status } = existing(store, orderId);
        const facts = inCausalOrder(store.facts(orderId));
        const typeOf = new Map(facts.map(({ eventId, type }) => [eventId, type]));
        const events = facts.map((fact) => ({ ...fact, cause: typeOf.get(fact.causationId) ?? 'request' }));
        return { status: 200, body: { orderId, status, events } };
      },
    }),
    route({
      method: 'POST',
      path: '/orders/:orderId/cancel',
      operationId: 'cancelOrder',
      summary: 'Cancel a pending order',
      description: 'Asking again is harmless and gets the same answer.',
      params: OrderPath,
      waits: true,
      answers: {
        200: {
          description: 'It is cancelled, when the request preferred to wait and that came in time.',
          schema: OrderView,
        },
        202: { description: 'It is being cancelled, or is cancelled.', schema: OrderView },
      },
      problems: { 404: 'There is no such order.', 409: 'It is confirmed already.' },
      command: (tx, { params }) => {
        cancelOrder(store, tx, params.orderId);
        return { status: 202 };
      },
      afterwards: (_, request) => outcome(request, request.params.orderId),
    }),
    route({
      method: 'GET',
      path: '/orders',
      operationId: 'listOrders',
      summary: "A user's orders, newest first",
      query: z.object({ userId: Name, ...page }).strict(),
      answers: { 200: { description: 'A page of them.', schema: OrderPage } },
      handle: ({ query }) => list(query.userId, query),
    }),
    route({
      method: 'GET',
      path: '/products',
      operationId: 'listCatalogue',
      summary: "Order-service's own copy of the catalogue",
      query: z
        .object({ limit: z.coerce.number().int().min(1).max(1000).default(100), after: Name.optional() })
        .strict(),
      answers: {
        200: {
          description: 'Products in the order of their ids.',
          schema: z.object({
            products: z.array(
              z.object({
                productId: Name,
                name: z.string(),
                unitPrice: Money,
                available: z.boolean(),
                version: z.int(),
              }),
            ),
          }),
        },
      },
      handle: ({ query }) => ({ status: 200, body: { products: store.entries(query.limit, query.after) } }),
    }),
    route({
      method: 'GET',
      path: '/totals',
      operationId: 'getTotals',
      summary: 'Number and total of the orders, by status',
      answers: {
        200: {
          description: 'Sums over all orders.',
          schema: z.record(z.string(), z.object({ orders: z.int(), total: z.int() })),
        },
      },
      handle: () => ({ status: 200, body: store.totals() }),
    }),
    route({
      method: 'POST',
      path: '/:userId/orders',
      operationId: 'placeShortOrder',
      summary: 'Place an order of one line',
      params: UserPath,
      body: LineRequest,
      ...placing(({ params, body }: HttpRequest<z.output<typeof UserPath>, unknown, z.output<typeof LineRequest>>) => ({
        userId: params.userId,
        items: [body],
      })),
    }),
    route({
      method: 'GET',
      path: '/:userId/orders',
      operationId: 'listOrdersOfUser',
      summary: "A user's orders, newest first",
      params: UserPath,
      query: z.object(page).strict(),
      answers: { 200: { description: 'A page of them.', schema: OrderPage } },
      handle: ({ params, query }) => list(params.userId, query),
    }),
  ];
}

/** By time; within a millisecond, which a saga's step can take less than, each after the event that caused it. */
function inCausalOrder(facts: readonly Fact[]): Fact[] {
  const byId = new Map(facts.map((fact) => [fact.eventId, fact]));
  const depth = (fact: Fact | undefined): number => (fact ? 1 + depth(byId.get(fact.causationId)) : 0);
  return facts.toSorted((a, b) => (a.time === b.time ? depth(a) - depth(b) : a.time < b.time ? -1 : 1));
}
