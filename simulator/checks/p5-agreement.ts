// P5, the services agree when the system is quiet, on every order and on the catalogue.
import type { Database } from '../../shared/runtime/storage/database.ts';
import type { Finding } from '../environment/violation.ts';
import type { Evidence } from './evidence.ts';
import type { OrderRecords } from './order-records.ts';

/** What payment-service and inventory-service may have at the end, for an order that has ended. */
const agreements: Readonly<Record<string, readonly string[]>> = {
  confirmed: ['completed/reserved'],
  // A payment that failed, was voided, or was refunded; and inventory-service never asked, or with nothing set aside.
  cancelled: [
    'failed/-',
    'failed/voided',
    'voided/voided',
    'refunded/rejected',
    'refunded/released',
    'refunded/voided',
  ],
};

export function* servicesAgree({ databases }: Evidence, { byId, orphans }: OrderRecords): Generator<Finding> {
  yield* orphans;
  for (const [subject, { row, payment, reservation }] of byId) {
    const both = `${payment?.status ?? '-'}/${reservation ?? '-'}`;
    if (agreements[row.status]?.includes(both)) continue;
    yield { subject, text: `is ${row.status}, but payment/inventory are ${both}` };
  }
  const products = catalogueOf(databases['inventory-service'], 'products');
  const copies = catalogueOf(databases['order-service'], 'catalogue');
  for (const subject of new Set([...products.keys(), ...copies.keys()])) {
    if (products.get(subject) === copies.get(subject)) continue;
    yield { subject, text: 'the catalogue of order-service is not that of inventory-service' };
  }
}

function catalogueOf(db: Database, table: 'catalogue' | 'products'): Map<string, string> {
  const columns = 'product_id, name, unit_price, available, version';
  const rows = db.prepare<[], { product_id: string }>(`SELECT ${columns} FROM ${table}`).all();
  return new Map(rows.map((row) => [row.product_id, JSON.stringify(row)]));
}
