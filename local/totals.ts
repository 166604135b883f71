// What GET /totals of payment-service and inventory-service answers: sums that must balance.
import { z } from 'zod';

export const PaymentTotals = z.object({
  balances: z.number(),
  paidIn: z.number(),
  charged: z.number(),
  refunded: z.number(),
});

export const InventoryTotals = z.object({
  stock: z.number(),
  broughtIn: z.number(),
  reserved: z.number(),
  released: z.number(),
});
