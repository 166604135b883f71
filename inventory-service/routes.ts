// The routes of inventory-service: products, stock, and what became of an order's reservation.
import { z } from 'zod';
import {
  Line,
  Money,
  Name,
  OrderId,
  OrderIdAsked,
  ProductUpdated,
  Quantity,
  quantityMax,
  Shortage,
} from '../shared/contract/event-data.ts';
import { isoTime } from '../shared/runtime/environment/clock.ts';
import { PageLimit, pageOf } from '../shared/runtime/http/page.ts';
import { ProblemError } from '../shared/runtime/http/problem.ts';
import { type Route, route } from '../shared/runtime/http/route.ts';
import type { ServiceNode } from '../shared/runtime/node/service-node.ts';
import type { TableReads } from '../shared/runtime/storage/table-reads.ts';
import { existing, putProduct, restock } from './commands.ts';
import type { InventoryParts } from './service.ts';
import { type InventoryStore, totalsSql } from './store.ts';

const ProductView = z.object({
  productId: Name,
  name: z.string(),
  unitPrice: Money.describe('Minor units.'),
  stock: z.int().describe('Units that can be reserved for new orders.'),
  available: z.boolean().describe('Whether it is offered for sale.'),
  version: z.int().describe('Counts the changes of name, price and availability.'),
  updatedAt: z.iso
    .datetime()
    .optional()
    .describe('When it became this version; left out if that was before this was kept.'),
});
const PutProduct = z
  .object({
    name: ProductUpdated.shape.name.refine(
      (name) => name.isWellFormed() && !/\p{Cc}/u.test(name),
      'must not hold control characters',
    ),
    unitPrice: Money,
    stock: z.int().min(0).max(quantityMax).optional(),
    available: z.boolean().optional(),
  })
  .strict();
const ReservationView = z.object({
  orderId: OrderId,
  status: z.enum(['reserved', 'rejected', 'released', 'voided']),
  items: z.array(Line).optional(),
  shortages: z.array(Shortage).optional(),
  updatedAt: z.iso.datetime(),
});
const Totals = z.object({
  products: z.int(),
  stock: z.int(),
  broughtIn: z.int(),
  reserved: z.int(),
  released: z.int(),
});
const ProductPath = z.object({ productId: Name });

export function inventoryRoutes(node: ServiceNode<InventoryParts>): Route[] {
  const { store } = node.parts;
  return [...productRoutes(store), ...reservationRoutes(store, node.tableReads)];
}

function productRoutes(store: InventoryStore): Route[] {
  return [
    route({
      method: 'PUT',
      path: '/products/:productId',
      operationId: 'putProduct',
      summary: 'Create a product, or change its name, price, stock or availability',
      description: 'Stock and availability that are left out stay as they are (at first: 0 and true).',
      params: ProductPath,
      body: PutProduct,
      answers: {
        200: { description: 'The product, changed.', schema: ProductView },
        201: { description: 'The product, created.', schema: ProductView },
      },
      command: (tx, { params, body }) => {
        const { product, created } = putProduct(store, tx, params.productId, body);
        return { status: created ? 201 : 200, body: product };
      },
    }),
    route({
      method: 'GET',
      path: '/products',
      operationId: 'listProducts',
      summary: 'Products in the order of their ids',
      query: z.object({ limit: PageLimit, after: Name.optional() }).strict(),
      answers: {
        200: {
          description: 'A page of products.',
          schema: z.object({
            products: z.array(ProductView),
            next: Name.optional().describe('The `after` of the next page, if there is one.'),
          }),
        },
      },
      handle: ({ query: { limit, after } }) => {
        const { rows, next } = pageOf(store.products(limit + 1, after), limit, ({ productId }) => productId);
        return { status: 200, body: { products: rows, next } };
      },
    }),
    route({
      method: 'GET',
      path: '/products/:productId',
      operationId: 'getProduct',
      summary: 'One product',
      params: ProductPath,
      answers: { 200: { description: 'The product.', schema: ProductView } },
      problems: { 404: 'There is no such product.' },
      handle: ({ params }) => ({ status: 200, body: existing(store, params.productId) }),
    }),
    route({
      method: 'POST',
      path: '/products/:productId/restocks',
      operationId: 'restock',
      summary: 'Add to the stock of a product',
      params: ProductPath,
      body: z.object({ qty: Quantity }).strict(),
      idempotent: { owner: ({ params }) => params.productId },
      answers: { 201: { description: 'The product with its new stock.', schema: ProductView } },
      problems: {
        404: 'There is no such product.',
        422: 'The stock would be too high, or the Idempotency-Key came with another request before.',
      },
      command: (tx, { params: { productId }, body: { qty } }) => ({
        status: 201,
        body: restock(store, tx, productId, qty),
      }),
    }),
  ];
}

function reservationRoutes(store: InventoryStore, reads: TableReads): Route[] {
  return [
    route({
      method: 'GET',
      path: '/reservations',
      operationId: 'listReservations',
      summary: 'Reservations of all orders, in the order of the order ids',
      query: z.object({ limit: PageLimit, after: OrderIdAsked.optional() }).strict(),
      answers: {
        200: {
          description: 'A page of reservations.',
          schema: z.object({
            reservations: z.array(ReservationView),
            next: OrderId.optional().describe('The `after` of the next page, if there is one.'),
          }),
        },
      },
      handle: ({ query: { limit, after } }) => {
        const found = store.reservations(limit + 1, after);
        const { rows, next } = pageOf(found, limit, ({ reservation }) => reservation.orderId);
        const reservations = rows.map(({ reservation, updatedAtMs }) => ({
          ...reservation,
          updatedAt: isoTime(updatedAtMs),
        }));
        return { status: 200, body: { reservations, next } };
      },
    }),
    route({
      method: 'GET',
      path: '/reservations/:orderId',
      operationId: 'getReservation',
      summary: 'The reservation of an order',
      params: z.object({ orderId: OrderIdAsked }),
      answers: { 200: { description: 'The reservation.', schema: ReservationView } },
      problems: { 404: 'This service does not know the order.' },
      handle: ({ params: { orderId } }) => {
        const reservation = store.reservation(orderId);
        if (!reservation)
          throw new ProblemError(404, 'no-such-reservation', `inventory-service knows nothing of order ${orderId}`, {
            orderId,
          });
        return {
          status: 200,
          body: { ...reservation, updatedAt: isoTime(store.reservationUpdatedAtMs(orderId) ?? 0) },
        };
      },
    }),
    route({
      method: 'GET',
      path: '/totals',
      operationId: 'getTotals',
      summary: 'Sums over all products: stock = broughtIn - reserved + released',
      answers: { 200: { description: 'In units.', schema: Totals } },
      handle: async () => {
        const [body] = await reads.all(totalsSql, Totals);
        return { status: 200, body };
      },
    }),
  ];
}
