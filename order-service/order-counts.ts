// Counts over all orders. Each reads the whole table, so it is asked of TableReads.
import { z } from 'zod';
import type { TableReads } from '../shared/runtime/storage/table-reads.ts';

const Status = z.enum(['pending', 'cancelling', 'confirmed', 'cancelled']);
const TotalsRow = z.object({ status: Status, orders: z.int(), total: z.int() });
const OriginRow = z.object({ origin: z.string(), orders: z.int(), open: z.int() });

/** Number and total of the orders, by status. */
export async function totalsByStatus(reads: TableReads) {
  const none = { orders: 0, total: 0 };
  const totals = { pending: none, cancelling: none, confirmed: none, cancelled: none };
  const sql = 'SELECT status, count(*) AS orders, sum(total) AS total FROM orders GROUP BY status';
  for (const { status, orders, total } of await reads.all(sql, TotalsRow)) totals[status] = { orders, total };
  return totals;
}

/** Number of the orders by the instance that accepted them. */
export function ordersByOrigin(reads: TableReads): Promise<z.output<typeof OriginRow>[]> {
  return reads.all(
    `SELECT coalesce(origin, 'order-service') AS origin, count(*) AS orders,
            sum(status IN ('pending', 'cancelling')) AS open
     FROM orders GROUP BY origin ORDER BY origin`,
    OriginRow,
  );
}
