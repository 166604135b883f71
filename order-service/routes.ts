// The routes of order-service, in the long form (/orders) and in the short one (/:userId/orders).
import { z } from 'zod';
import { Line, linesOf, Money, Name, OrderIdAsked } from '../shared/contract/event-data.ts';
import { serviceOf } from '../shared/contract/members.ts';
import { isoTime } from '../shared/runtime/environment/clock.ts';
import { PageLimit, pageOf } from '../shared/runtime/http/page.ts';
import { ProblemError } from '../shared/runtime/http/problem.ts';
import { type HttpAnswer, type HttpRequest, type Route, route } from '../shared/runtime/http/route.ts';
import type { Transaction } from '../shared/runtime/messaging/unit-of-work.ts';
import type { ServiceNode } from '../shared/runtime/node/service-node.ts';
import type { Observed } from '../shared/runtime/process/service-program.ts';
import type { Settings } from '../shared/runtime/process/settings.ts';
import type { TableReads } from '../shared/runtime/storage/table-reads.ts';
import { type Answers, type Catalogue, catalogueOf } from './catalogue.ts';
import { cancelOrder, existing, type OrderRequest, placeOrder } from './commands.ts';
import { hashesOf, placedBefore } from './idempotency.ts';
import { instanceRoutes } from './instance-routes.ts';
import { hasEnded, type Order } from './order.ts';
import { totalsByStatus } from './order-counts.ts';
import { OrderPage, OrderView, Timeline, timelineOf, viewOf } from './order-view.ts';
import { OutcomeWaiters } from './outcome-waiters.ts';
import { CatalogueEntryView } from './peer-answers.ts';
import type { OrderParts } from './service.ts';
import { amongInstances, readSideOf } from './shared-routes.ts';
import type { OrderStore } from './store.ts';
import { versionHeader, withVersion } from './versions.ts';

/** Bounds of a deadline that an order asks for. */
const deadlineMsMin = 100;
const deadlineMsMax = 86_400_000;

const LineRequest = Line.extend({
  unitPrice: Money.optional().describe('The price that the customer saw, in minor units. If it has changed: 409.'),
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

const limit = z.coerce.number().int().min(1).max(100).default(20);
const before = OrderIdAsked.optional().describe("For a user's orders: the `next` of the previous page.");
const after = OrderIdAsked.optional().describe('For all orders: the `next` of the previous page.');

const OrderPath = z.object({ orderId: OrderIdAsked });
const UserPath = z.object({ userId: Name });

export function orderRoutes(node: ServiceNode<OrderParts>, settings: Settings, observed: Observed): Route[] {
  const { store } = node.parts;
  const outcome = outcomes(node);
  const own = [
    ...placingRoutes(store, settings, outcome, catalogueOf(node, settings, observed)),
    // Before a single order: a user may be called `orders`, an order may not.
    ...listRoutes(store, node.tableReads),
    ...singleOrderRoutes(store, outcome),
    ...catalogueRoutes(store),
  ];
  if (!store.instances.named) return own;
  const members = Object.entries(settings.serviceUrls).filter(([member]) => serviceOf(member) === node.name);
  const routes = [...instanceRoutes(node, Object.fromEntries(members)), ...amongInstances(node, own)];
  return settings.ROLE === 'reads' ? readSideOf(routes) : routes;
}

/** Answers with an order as it is now or, when the request prefers to wait, once it has ended. */
type Outcome = (
  request: Pick<HttpRequest<unknown, unknown, unknown>, 'waitMs' | 'prefix' | 'signal'>,
  orderId: string,
) => Promise<HttpAnswer>;

function outcomes(node: ServiceNode<OrderParts>): Outcome {
  const { store } = node.parts;
  const waiters = new OutcomeWaiters(node);
  return async ({ waitMs, prefix, signal }, orderId) => {
    if (waitMs !== undefined) await waiters.ended(orderId, waitMs, signal);
    const order = view(store, existing(store, orderId));
    return withVersion(store, orderId, {
      status: waitMs !== undefined && hasEnded(order.status) ? 200 : 202,
      body: order,
      headers: {
        location: `${prefix}/orders/${orderId}`,
        ...(waitMs === undefined ? {} : { 'preference-applied': `wait=${waitMs / 1000}` }),
      },
    });
  };
}

function view(store: OrderStore, order: Order): z.output<typeof OrderView> {
  const needsFacts = !hasEnded(order.status) || order.reason === 'duplicate_request';
  return viewOf(order, needsFacts ? store.facts(order.orderId) : []);
}

/** The answer to the request that placed the order: the same from every instance. */
function acceptedAnswer(store: OrderStore, order: Order, prefix: string): HttpAnswer {
  const placed: Order = { ...order, status: 'pending', reason: undefined };
  const body = viewOf(placed, [{ type: 'order.placed', time: isoTime(order.placedAtMs) }]);
  const headers = { location: `${prefix}/orders/${order.orderId}` };
  return { status: 202, body, headers: { ...headers, ...versionHeader(store, order.orderId, 'order.placed') } };
}

type Wanted = Omit<OrderRequest, 'deadlineMs'> & { deadlineMs?: number | undefined };

function placingRoutes(store: OrderStore, settings: Settings, outcome: Outcome, catalogue: Catalogue): Route[] {
  /** What both forms of placing an order share: they differ only in where they say what is wanted. */
  const placing = <P, B>(wantedOf: (request: HttpRequest<P, unknown, B>) => Wanted) => ({
    idempotent: {
      operation: 'placeOrder',
      owner: (request: HttpRequest<P, unknown, B>) => wantedOf(request).userId,
      request: wantedOf,
    },
    waits: true as const,
    answers: {
      200: { description: 'The outcome, if the request asked to wait and it came in time.', schema: OrderView },
      202: {
        description: 'Accepted: it will be confirmed or cancelled. Location says where to look.',
        schema: OrderView,
      },
    },
    problems: {
      409: 'A price differs from the one that the customer saw; both are in the answer.',
      422: 'A product is unknown or not for sale, or the Idempotency-Key was used for a different request.',
    },
    prepare: (request: HttpRequest<P, unknown, B>) =>
      catalogue.prepare(wantedOf(request).items.map(({ productId }) => productId)),
    command(tx: Transaction, request: HttpRequest<P, unknown, B>, answers?: Answers): HttpAnswer {
      const wanted = wantedOf(request);
      const { idempotencyKey, prefix } = request;
      const idempotency =
        store.instances.named && idempotencyKey ? hashesOf(wanted.userId, idempotencyKey, wanted) : undefined;
      const before = idempotency && placedBefore(store, tx, idempotency);
      if (before) return acceptedAnswer(store, before, prefix);
      const deadlineMs = wanted.deadlineMs ?? settings.ORDER_DEADLINE_MS;
      const lookUp = catalogue.lookUp(answers);
      return acceptedAnswer(store, placeOrder(store, tx, { ...wanted, deadlineMs, idempotency }, lookUp), prefix);
    },
    afterwards: (answer: HttpAnswer, request: HttpRequest<P, unknown, B>) =>
      request.waitMs === undefined ? answer : outcome(request, (answer.body as { orderId: string }).orderId),
  });

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
  ];
}

function singleOrderRoutes(store: OrderStore, outcome: Outcome): Route[] {
  return [
    route({
      method: 'GET',
      path: '/orders/:orderId',
      operationId: 'getOrder',
      summary: 'Status of an order, and what it waits for',
      params: OrderPath,
      answers: { 200: { description: 'The order.', schema: OrderView } },
      problems: { 404: 'There is no such order.' },
      handle: ({ params: { orderId } }) =>
        withVersion(store, orderId, { status: 200, body: view(store, existing(store, orderId)) }),
    }),
    route({
      method: 'GET',
      path: '/orders/:orderId/timeline',
      operationId: 'getTimeline',
      summary: 'Every event of an order, with its time and cause',
      params: OrderPath,
      answers: {
        200: { description: 'Each event after its cause, then in the order of their times.', schema: Timeline },
      },
      problems: { 404: 'There is no such order.' },
      handle: ({ params: { orderId } }) => {
        const { status } = existing(store, orderId);
        return { status: 200, body: timelineOf(orderId, status, store.facts(orderId)) };
      },
    }),
    route({
      method: 'POST',
      path: '/orders/:orderId/cancel',
      operationId: 'cancelOrder',
      summary: 'Cancel a pending order',
      description:
        'Cancelling again is harmless and gets the same answer. An order that is still being cancelled asks the other ' +
        'services again for what it waits for.',
      params: OrderPath,
      waits: true,
      answers: {
        200: {
          description: 'It is cancelled, if the request asked to wait and that came in time.',
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
  ];
}

function listRoutes(store: OrderStore, reads: TableReads): Route[] {
  const ofUser = (userId: string, limit: number, before: string | undefined): HttpAnswer => {
    const orders = store.ordersOf(userId, limit + 1, before);
    if (!orders) throw new ProblemError(400, 'invalid-request', `query.before: ${userId} has no order ${before}`);
    return page(orders, limit);
  };
  const page = (found: readonly Order[], limit: number): HttpAnswer => {
    const { rows, next } = pageOf(found, limit, ({ orderId }) => orderId);
    return { status: 200, body: { orders: rows.map((order) => view(store, order)), ...(next ? { next } : {}) } };
  };
  return [
    route({
      method: 'GET',
      path: '/orders',
      operationId: 'listOrders',
      summary: "A user's orders, newest first; without a user, all orders in the order of their ids",
      query: z.object({ userId: Name.optional(), limit, before, after }).strict(),
      answers: { 200: { description: 'A page of orders.', schema: OrderPage } },
      handle: ({ query: { userId, limit, before, after } }) =>
        userId === undefined ? page(store.orders(limit + 1, after), limit) : ofUser(userId, limit, before),
    }),
    route({
      method: 'GET',
      path: '/:userId/orders',
      operationId: 'listOrdersOfUser',
      summary: "A user's orders, newest first",
      params: UserPath,
      query: z.object({ limit, before }).strict(),
      answers: { 200: { description: 'A page of orders.', schema: OrderPage } },
      handle: ({ params, query }) => ofUser(params.userId, query.limit, query.before),
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
      handle: async () => ({ status: 200, body: await totalsByStatus(reads) }),
    }),
  ];
}

function catalogueRoutes(store: OrderStore): Route[] {
  return [
    route({
      method: 'GET',
      path: '/products',
      operationId: 'listCatalogue',
      summary: "Order-service's own copy of the catalogue, with the age of each entry",
      description:
        'Events from inventory-service keep it up to date. With CATALOGUE=hybrid, a product that it lacks is asked for when it ' +
        'is ordered, and kept; with CATALOGUE=sync, orders do not go by it.',
      query: z.object({ limit: PageLimit, after: Name.optional() }).strict(),
      answers: {
        200: {
          description: 'Products in the order of their ids.',
          schema: z.object({ products: z.array(CatalogueEntryView) }),
        },
      },
      handle: ({ query }) => ({ status: 200, body: { products: store.catalogue.entries(query.limit, query.after) } }),
    }),
  ];
}
