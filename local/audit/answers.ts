// What the audit reads from the answers of the three services, and nothing more.
import { z } from 'zod';
import type { InventoryTotals, PaymentTotals } from '../totals.ts';

const Line = z.object({ productId: z.string(), qty: z.number() });

export const OrderAnswer = z.object({
  orderId: z.string(),
  userId: z.string(),
  status: z.enum(['pending', 'cancelling', 'confirmed', 'cancelled']),
  reason: z.string().optional(),
  items: z.array(Line),
  total: z.number(),
  placedAt: z.iso.datetime(),
  deadlineAt: z.iso.datetime(),
  waitsFor: z.array(z.object({ service: z.string(), events: z.array(z.string()), since: z.iso.datetime() })),
});
export const OrderPage = z.object({ orders: z.array(OrderAnswer), next: z.string().optional() });

export const PaymentAnswer = z.object({
  orderId: z.string(),
  status: z.enum(['completed', 'failed', 'voided', 'refunded']),
  userId: z.string().optional(),
  amount: z.number().optional(),
  reason: z.string().optional(),
  updatedAt: z.iso.datetime(),
});
export const PaymentPage = z.object({ payments: z.array(PaymentAnswer), next: z.string().optional() });

export const ReservationAnswer = z.object({
  orderId: z.string(),
  status: z.enum(['reserved', 'rejected', 'released', 'voided']),
  items: z.array(Line).optional(),
  updatedAt: z.iso.datetime(),
});
export const ReservationPage = z.object({ reservations: z.array(ReservationAnswer), next: z.string().optional() });

const CatalogueEntry = z.object({
  productId: z.string(),
  name: z.string(),
  unitPrice: z.number(),
  available: z.boolean(),
  version: z.number(),
});
export const ProductPage = z.object({ products: z.array(CatalogueEntry), next: z.string().optional() });

export const OrderTotals = z.record(z.string(), z.object({ orders: z.number(), total: z.number() }));

export const Readiness = z.object({
  service: z.string(),
  warnings: z.array(z.string()),
  reconciliation: z.record(z.string(), z.object({ state: z.string() })),
});

export type HeldOrder = z.output<typeof OrderAnswer>;
export type HeldPayment = z.output<typeof PaymentAnswer>;
export type HeldReservation = z.output<typeof ReservationAnswer>;
export type HeldLine = z.output<typeof Line>;
export type HeldProduct = z.output<typeof CatalogueEntry>;

/** What the three services hold of one order; left out is what a service knows nothing of. */
export interface HeldByAll {
  readonly order?: HeldOrder | undefined;
  readonly payment?: HeldPayment | undefined;
  readonly reservation?: HeldReservation | undefined;
}

export type ReadinessOf = z.output<typeof Readiness>;
export type PaymentSums = z.output<typeof PaymentTotals>;
export type InventorySums = z.output<typeof InventoryTotals>;
