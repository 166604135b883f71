// What the databases of a system hold about its orders. Read from beside the running services, whose tables differ: ours
// have a ledger and movements, the peers' have a row for each payment and reservation.
import Sqlite from 'better-sqlite3';
import { isPeer, type Target } from '../load/load.ts';

/** The services that decide how an order ends. */
type Deciding = 'order-service' | 'payment-service' | 'inventory-service';

interface Queries {
  readonly chargedTwice: string;
  readonly reservedTwice: string;
}

const ours: Queries = {
  chargedTwice: `SELECT order_id FROM ledger WHERE kind = 'charge' GROUP BY order_id HAVING count(*) > 1`,
  reservedTwice: `SELECT DISTINCT order_id FROM (
      SELECT order_id FROM movements WHERE kind = 'reserve' GROUP BY order_id, product_id HAVING count(*) > 1)`,
};

const theirs: Queries = {
  chargedTwice: `SELECT order_id FROM payments WHERE status <> 'failed' GROUP BY order_id HAVING count(*) > 1`,
  reservedTwice: `SELECT DISTINCT order_id FROM (
      SELECT order_id FROM reservations GROUP BY order_id, product_id HAVING count(*) > 1)`,
};

export class OrderRecords {
  readonly #status;
  readonly #chargedTwice;
  readonly #reservedTwice;
  readonly #databases: readonly Sqlite.Database[];

  constructor(target: Target, system: Readonly<Record<Deciding, { readonly databasePath: string }>>) {
    const open = (service: Deciding) => new Sqlite(system[service].databasePath, { readonly: true });
    const [orders, payments, inventory] = [open('order-service'), open('payment-service'), open('inventory-service')];
    const queries = isPeer(target) ? theirs : ours;
    this.#databases = [orders, payments, inventory];
    this.#status = orders.prepare<[string], string>('SELECT status FROM orders WHERE order_id = ?').pluck();
    this.#chargedTwice = payments.prepare<[], string>(queries.chargedTwice).pluck();
    this.#reservedTwice = inventory.prepare<[], string>(queries.reservedTwice).pluck();
  }

  /** Undefined: order-service does not know the order. */
  statusOf(orderId: string): string | undefined {
    return this.#status.get(orderId);
  }

  /** Ids of orders whose customer paid more than once. */
  chargedTwice(): string[] {
    return this.#chargedTwice.all();
  }

  /** Ids of orders for which stock was taken more than once. */
  reservedTwice(): string[] {
    return this.#reservedTwice.all();
  }

  close(): void {
    for (const db of this.#databases) db.close();
  }
}
