// The routes with which instances of order-service find out about each other, and with which a person lets one adopt the
// orders of another. They answer also while the instance is not ready.
import { z } from 'zod';
import { emit } from '../shared/contract/choreography.ts';
import { Member, Name, OrderId } from '../shared/contract/event-data.ts';
import { pageOf } from '../shared/runtime/http/page.ts';
import { ProblemError, unavailable } from '../shared/runtime/http/problem.ts';
import { type Route, route } from '../shared/runtime/http/route.ts';
import type { ServiceNode } from '../shared/runtime/node/service-node.ts';
import type { Transaction } from '../shared/saga.ts';
import { ordersByOrigin } from './order-counts.ts';
import { CatalogueCopies, FactCopies, InstancesAnswer, OverdueOrdersAnswer, paths } from './peer-answers.ts';
import type { OrderParts } from './service.ts';
import type { OrderStore } from './store.ts';

const CopyLimit = z.coerce.number().int().min(1).max(1_000).default(500);

const AdoptionAnswer = z.object({
  instance: Member,
  by: Member,
  state: z
    .enum(['taking-over', 'adopted'])
    .describe('`taking-over`: the event is on its way; it takes effect when it has come back through the queue.'),
});

/** URLs of instances, by their names: `order-service.a`. */
export type Addresses = Readonly<Record<string, readonly string[]>>;

/** @param addresses of the other instances, and perhaps of this one */
export function instanceRoutes(node: ServiceNode<OrderParts>, addresses: Addresses): Route[] {
  const { store } = node.parts;
  const peers = Object.keys(addresses);
  return [
    instancesRoute(node, addresses),
    adoptionRoute(store, peers, () => node.parts.notReady()),
    ...copyRoutes(store),
    overdueRoute(node),
  ];
}

function instancesRoute({ parts, tableReads }: ServiceNode<OrderParts>, addresses: Addresses): Route {
  const { instances } = parts.store;
  return route({
    method: 'GET',
    path: paths.instances,
    operationId: 'getInstances',
    summary: 'What this instance knows of itself and of the others',
    query: z.object({ count: z.enum(['true', 'false']).default('false') }).strict(),
    lane: 'service',
    answers: { 200: { description: 'The instances.', schema: InstancesAnswer } },
    handle: async ({ query }) => {
      const counted = query.count === 'true' ? await ordersByOrigin(tableReads) : undefined;
      const orders = counted?.map((count) => ({ ...count, decider: instances.deciderOf(count.origin) }));
      return { status: 200, body: { ...itselfAndOthers(parts, addresses), ...(orders ? { orders } : {}) } };
    },
  });
}

/** What an instance knows of itself and of the others, without counting orders. */
export function itselfAndOthers({ store: { instances }, notReady }: OrderParts, addresses: Addresses) {
  const why = notReady();
  return {
    member: instances.member,
    ready: why === undefined,
    ...(why === undefined ? {} : { notReady: why }),
    addresses,
    adoptions: instances.adoptions(),
  };
}

function adoptionRoute(store: OrderStore, peers: readonly string[], notReady: () => string | undefined): Route {
  return route({
    method: 'POST',
    path: '/instances/:member/adoption',
    operationId: 'adoptInstance',
    summary: 'Take over the orders of an instance that is gone for good',
    description:
      'The instance must not run any more, and its name can never be used again. `npm run instances -- adopt` checks that ' +
      'first. Repeating the request is harmless, and shows whether the adoption has taken effect.',
    params: z.object({ member: Member }),
    answers: {
      200: { description: 'This instance decides about the orders of that one.', schema: AdoptionAnswer },
      202: { description: 'It will, in a moment.', schema: AdoptionAnswer },
    },
    problems: {
      404: 'Nothing is known of that instance.',
      409: 'It is this instance itself, or another has adopted it already.',
    },
    command: (tx, { params: { member } }) => {
      const why = notReady();
      if (why !== undefined) throw unavailable('not-ready', why, 5);
      return adopt(store, tx as Transaction<'order-service'>, member, peers);
    },
  });
}

function adopt(store: OrderStore, tx: Transaction<'order-service'>, instance: string, peers: readonly string[]) {
  const { instances } = store;
  const by = instances.member;
  if (instance === by) throw new ProblemError(409, 'own-instance', `${by} cannot adopt itself`, { instance });
  const adopted = instances.adoptions().find((adoption) => adoption.instance === instance);
  if (adopted && adopted.by !== by) {
    const detail = `${adopted.by} has adopted ${instance} already; adopt ${adopted.by} itself if that is gone, too`;
    throw new ProblemError(409, 'adopted-already', detail, { instance, by: adopted.by });
  }
  if (adopted) return { status: 200, body: { instance, by, state: 'adopted' } };
  if (!peers.includes(instance) && !store.hasOrdersOf(instance))
    throw new ProblemError(404, 'no-such-instance', `nothing is known here of ${instance}`, { instance });
  tx.publish(emit('instance.adopted', { instance, by }));
  return { status: 202, body: { instance, by, state: 'taking-over' } };
}

/** What is open here after its deadline: its decider may not know it at all. */
function overdueRoute(node: ServiceNode<OrderParts>): Route {
  const { store } = node.parts;
  return route({
    method: 'GET',
    path: paths.overdue,
    operationId: 'getOverdueOrders',
    summary: 'Orders that are open here after their deadlines, for the instance that decides about them',
    query: z
      .object({
        decider: Member,
        limit: CopyLimit,
        afterDeadline: z.coerce.number().int().min(0).default(0),
        afterOrder: OrderId.optional(),
      })
      .strict(),
    lane: 'service',
    answers: { 200: { description: 'A page of order ids.', schema: OverdueOrdersAnswer } },
    handle: ({ query: { decider, limit, afterDeadline, afterOrder = '' } }) => {
      const after = { deadlineAtMs: afterDeadline, orderId: afterOrder };
      const rows = store.overdue(store.instances.originsDecidedBy(decider), node.moment().nowMs, after, limit);
      const last = rows.at(-1);
      const next = rows.length === limit && last ? { next: last } : {};
      return { status: 200, body: { orders: rows.map(({ orderId }) => orderId), ...next } };
    },
  });
}

function copyRoutes(store: OrderStore): Route[] {
  return [
    route({
      method: 'GET',
      path: paths.facts,
      operationId: 'getFactCopies',
      summary: 'What this instance knows of all orders, for an instance whose database is new',
      query: z.object({ limit: CopyLimit, afterOrder: OrderId.optional(), afterType: z.string().optional() }).strict(),
      lane: 'service',
      answers: { 200: { description: 'A page of events, as far as they are stored.', schema: FactCopies } },
      handle: ({ query: { limit, afterOrder = '', afterType = '' } }) => {
        const { events, next } = store.copies({ orderId: afterOrder, type: afterType }, limit);
        return { status: 200, body: { events, ...(next ? { next } : {}) } };
      },
    }),
    route({
      method: 'GET',
      path: paths.catalogue,
      operationId: 'getCatalogueCopies',
      summary: 'The copy of the catalogue, for an instance whose database is new',
      query: z.object({ limit: CopyLimit, after: Name.optional() }).strict(),
      lane: 'service',
      answers: { 200: { description: 'A page of products.', schema: CatalogueCopies } },
      handle: ({ query: { limit, after } }) => {
        const { rows, next } = pageOf(store.catalogue.entries(limit + 1, after), limit, ({ productId }) => productId);
        return { status: 200, body: { products: rows, ...(next ? { next } : {}) } };
      },
    }),
  ];
}
