// The data of the events that loyalty-service publishes, and what becomes wider because of them. In a project of your own
// these are lines of shared/contract/event-data.ts.
import { z } from 'zod';
import {
  CancelReason,
  linesOf,
  moneyMax,
  Name,
  OrderCancelled as OrderCancelledBefore,
  OrderId,
  PassedLine,
  PaymentRefunded as PaymentRefundedBefore,
} from '../../shared/contract/event-data.ts';

export const Points = z.int().min(0).max(moneyMax);

/** An event carries what the next step needs: inventory-service reserves these items. */
export const PointsCredited = z.object({ orderId: OrderId, userId: Name, points: Points, items: linesOf(PassedLine) });
export const PointsRefusal = z.enum(['points_limit_reached']);
export const PointsRefused = z.object({ orderId: OrderId, userId: Name, reason: PointsRefusal });
export const PointsTakenBack = z.object({
  orderId: OrderId,
  userId: Name,
  points: Points,
  because: z.enum(['inventory.rejected', 'order.withdrawn']),
});
export const PointsVoided = z.object({ orderId: OrderId });

/** There is one more refusal because of which money is refunded. */
export const PaymentRefunded = PaymentRefundedBefore.extend({
  because: z.enum([...PaymentRefundedBefore.shape.because.options, 'points.refused']),
});
/** And one more reason why an order is cancelled. */
export const OrderCancelled = OrderCancelledBefore.extend({
  reason: z.enum([...CancelReason.options, ...PointsRefusal.options]),
});
