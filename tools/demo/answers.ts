// What the services answer to the demo, as far as it looks at it.
import { z } from 'zod';
import type { InventoryTotals, PaymentTotals } from '../../local/totals.ts';
import { type Answer, curlLine } from './client.ts';

export const Order = z.object({
  orderId: z.string(),
  status: z.enum(['pending', 'cancelling', 'confirmed', 'cancelled']),
  reason: z.string().optional(),
  total: z.number(),
  placedAt: z.string(),
  items: z.array(z.object({ productId: z.string(), qty: z.number() })),
  waitsFor: z.array(z.object({ service: z.string(), events: z.array(z.string()), since: z.string() })),
});
export type Order = z.output<typeof Order>;

export const TimelineEvent = z.object({
  time: z.string(),
  type: z.string(),
  source: z.string(),
  eventId: z.string(),
  causationId: z.string(),
  cause: z.string(),
  data: z.unknown(),
});
export type TimelineEvent = z.output<typeof TimelineEvent>;

export const Timeline = z.object({ events: z.array(TimelineEvent) });
export const OrderPage = z.object({ orders: z.array(Order), next: z.string().optional() });
export const Account = z.object({
  balance: z.number(),
  entries: z.array(z.object({ kind: z.string(), amount: z.number() })).default([]),
});
export const Product = z.object({ productId: z.string(), stock: z.number() });
export const Payment = z.object({ status: z.string(), amount: z.number().optional() });
export const Reservation = z.object({ status: z.string() });
export const Sum = z.object({ orders: z.number(), total: z.number() });
export const OrderTotals = z.object({ pending: Sum, cancelling: Sum, confirmed: Sum, cancelled: Sum });
export type Totals = {
  readonly order: z.output<typeof OrderTotals>;
  readonly payment: z.output<typeof PaymentTotals>;
  readonly inventory: z.output<typeof InventoryTotals>;
};

/** Something came that the demo cannot continue from. Its message says what. */
export class DemoError extends Error {
  override readonly name = 'DemoError';
}

/** @throws DemoError when it is something else */
export function accept<T>(schema: z.ZodType<T>, answer: Answer): T {
  const result = answer.status < 400 ? schema.safeParse(answer.body) : undefined;
  if (result?.success) return result.data;
  const { method, url } = answer.call;
  throw new DemoError(
    `${method} ${url} was answered ${answer.status}: ${JSON.stringify(answer.body).slice(0, 500)}\n${curlLine(answer.call)}`,
  );
}

export function acceptOrMissing<T>(schema: z.ZodType<T>, answer: Answer): T | undefined {
  return answer.status === 404 ? undefined : accept(schema, answer);
}
