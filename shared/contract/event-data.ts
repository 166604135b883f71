// The shapes of the data that events carry. Money is an integer in minor units (cents), and quantities are integers. Both
// are bounded so that their sums stay exact, both as a JavaScript number and as an SQLite INTEGER.
import { z } from 'zod';

/** Largest amount of money, in minor units: 10^12, which is ten billion in the major unit. */
export const moneyMax = 1_000_000_000_000;
/** Largest quantity of one product, in stock or in an order line. */
export const quantityMax = 1_000_000;
/** Most lines in one order. */
export const orderLinesMax = 100;

export const Money = z.int().min(0).max(moneyMax);
export const PositiveMoney = z.int().min(1).max(moneyMax);
export const Quantity = z.int().min(1).max(quantityMax);

/** Names that people choose, for users and products. Safe in a path, in a log line and in a routing key. */
export const Name = z
  .string()
  .regex(
    /^[A-Za-z0-9](?:[A-Za-z0-9._~@-]{0,62}[A-Za-z0-9])?$/,
    'must be 1 to 64 letters, digits or . _ ~ @ -, with a letter or digit at both ends',
  );
export const OrderId = z.uuid();
/** As somebody may write it in a request: capitals make no other id. */
export const OrderIdAsked = z.uuid().toLowerCase();

export const Line = z.object({ productId: Name, qty: Quantity });
export const PricedLine = Line.extend({ unitPrice: Money });
/** A line as events after `order.placed` pass it on. The price lets order-service rebuild an order that it has lost. */
export const PassedLine = Line.extend({ unitPrice: Money.optional() });
/** The lines of an order: each product at most once. */
export const linesOf = <T extends z.ZodType<{ productId: string }>>(line: T) =>
  z
    .array(line)
    .min(1)
    .max(orderLinesMax)
    .refine(
      (lines) => new Set(lines.map(({ productId }) => productId)).size === lines.length,
      'each product may appear only once',
    );

export const Shortage = z.object({
  productId: Name,
  wanted: Quantity,
  available: z.int().min(0).max(quantityMax),
});

export const OrderPlaced = z.object({
  orderId: OrderId,
  userId: Name,
  items: linesOf(PricedLine),
  total: Money,
  deadlineAt: z.iso.datetime(),
});
export const OrderWithdrawn = z.object({
  orderId: OrderId,
  userId: Name,
  reason: z.enum(['customer', 'deadline']),
  /** From 2 on it is asked again, since an answer is missing: who has answered before answers once more. */
  attempt: z.int().min(2).optional(),
});
export const OrderConfirmed = z.object({ orderId: OrderId, userId: Name, total: Money });

export const CancelReason = z.enum([
  'no_such_account',
  'account_blocked',
  'insufficient_funds',
  'out_of_stock',
  'customer',
  'deadline',
]);
export const OrderCancelled = z.object({ orderId: OrderId, userId: Name, reason: CancelReason });

export const PaymentCompleted = z.object({
  orderId: OrderId,
  userId: Name,
  amount: Money,
  items: linesOf(PassedLine),
});
export const PaymentRefusal = z.enum(['no_such_account', 'account_blocked', 'insufficient_funds']);
export const PaymentFailed = z.object({
  orderId: OrderId,
  userId: Name,
  amount: Money,
  items: linesOf(PassedLine).optional(),
  reason: PaymentRefusal,
});
export const PaymentRefunded = z.object({
  orderId: OrderId,
  userId: Name,
  amount: Money,
  because: z.enum(['inventory.rejected', 'order.withdrawn']),
});
export const PaymentVoided = z.object({ orderId: OrderId });

export const InventoryReserved = z.object({ orderId: OrderId, items: linesOf(Line) });
export const InventoryRejected = z.object({ orderId: OrderId, shortages: z.array(Shortage).min(1).max(orderLinesMax) });
export const InventoryReleased = z.object({ orderId: OrderId, items: linesOf(Line) });
export const InventoryVoided = z.object({ orderId: OrderId });

export const ProductUpdated = z.object({
  productId: Name,
  name: z.string().min(1).max(200),
  unitPrice: Money,
  available: z.boolean(),
  /** Counts the changes of this product, from 1. A subscriber keeps the highest version and ignores older ones. */
  version: z.int().min(1),
});
