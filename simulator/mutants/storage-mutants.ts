// What services store: commands, tables and lists.
import type { PaymentParts } from '../../payment-service/service.ts';
import { replaced, type StatementHook } from '../environment/sim-database.ts';
import { type Mutant, planted } from './mutant.ts';
import { parts, sql, withoutEffect } from './planting.ts';

/** The values of an INSERT are changed. */
function inserting(starts: string, change: (values: unknown[]) => unknown[]): () => StatementHook {
  return () => (text, statement) =>
    text.trimStart().startsWith(starts)
      ? replaced(statement, { run: (...values: unknown[]) => statement.run(...change(values)) })
      : statement;
}

export const storageMutants: readonly Mutant[] = [
  {
    name: 'no-savepoint',
    bug: 'what a reaction has written before it throws is committed with the rest of its group',
    promise: 'P9',
    statements: () => (sql, statement) =>
      sql === 'ROLLBACK TO work' ? replaced(statement, { run: () => ({ changes: 0, lastInsertRowid: 0 }) }) : statement,
  },
  {
    name: 'synchronous-normal',
    bug: 'a commit is answered before it is on disk (synchronous=NORMAL)',
    promise: 'P1',
    checkpoints: true,
    opened: (database) => void database.db.pragma('synchronous = NORMAL'),
  },
  planted(
    'P1',
    'key-forgotten',
    'an Idempotency-Key is not kept, so a repeated request places another order',
    withoutEffect('INSERT OR REPLACE INTO idempotency_keys'),
  ),
  planted('P10', 'key-of-another-request', 'an Idempotency-Key that was used with another request gets its answer', {
    statements: () => (text, statement) =>
      text.startsWith('SELECT request_hash')
        ? replaced(statement, {
            get: (...values: unknown[]) => {
              const row = statement.get(...values) as object | undefined;
              return row && { ...row, request_hash: { equals: () => true } };
            },
          })
        : statement,
  }),
  planted(
    'P10',
    'hidden-product-sold',
    'a product that is not for sale can be ordered',
    sql('FROM catalogue WHERE product_id = ?', '*', 'product_id, name, unit_price, 1 AS available, version'),
  ),
  planted(
    'P3',
    'deposit-halved',
    'half of a deposit is entered',
    parts('payment-service', (real) => {
      const { store } = real as unknown as PaymentParts;
      const enter = store.enter.bind(store);
      store.enter = (userId, kind, amount, orderId, atMs) =>
        enter(userId, kind, kind === 'deposit' ? Math.ceil(amount / 2) : amount, orderId, atMs);
      return real;
    }),
  ),
  planted(
    'P3',
    'ledger-chain-broken',
    'an entry does not name the one before it, so a list of entries ends there',
    sql('INSERT INTO ledger', '?, last_entry_id FROM', '?, NULL FROM'),
  ),
  planted(
    'P3',
    'balance-not-moved',
    'the ledger gets an entry, and the balance stays',
    sql('UPDATE accounts SET balance = ?', 'balance = ?', 'balance = balance + 0 * ?'),
  ),
  planted('P4', 'movement-not-recorded', 'a stock changes without a movement', withoutEffect('INSERT INTO movements')),
  planted('P4', 'reservation-of-one-line', 'a reservation is stored with its first line only', {
    statements: inserting('INSERT INTO reservations', ([orderId, status, items, ...rest]) => [
      orderId,
      status,
      items === null ? null : JSON.stringify((JSON.parse(String(items)) as unknown[]).slice(0, 1)),
      ...rest,
    ]),
  }),
  planted(
    'P1',
    'order-not-on-list',
    "a customer's list of orders does not get the new one",
    withoutEffect('INSERT INTO customers', 1),
  ),
  planted('P1', 'order-list-cut', "a customer's list of orders ends with the newest", {
    statements: inserting('INSERT INTO orders', (values) => values.map((value, index) => (index === 6 ? null : value))),
  }),
  planted('P1', 'stored-for-one-each', 'an order is stored with a quantity of one in each line', {
    statements: inserting('INSERT INTO orders', (values) =>
      values.map((value, index) => (index === 2 ? String(value).replace(/"qty":\d+/g, '"qty":1') : value)),
    ),
  }),
  planted(
    'P2',
    'reason-not-stored',
    'why an order was cancelled is published and not stored',
    sql('UPDATE orders SET status', 'reason = @reason', 'reason = nullif(@reason, @reason)'),
  ),
  planted(
    'P2',
    'due-after-its-end',
    'an order that has ended stays due',
    // A few: each is looked at again and again until the run is over.
    {
      ...sql('UPDATE orders SET status', /due_at_ms = CASE.*END$/ms, 'due_at_ms = due_at_ms'),
      orders: 20,
    },
  ),
  planted('P2', 'ended-orders-not-counted', 'orders that end are not counted', {
    opened: ({ db }, service) => {
      if (service === 'order-service') db.exec('DROP TRIGGER order_ended');
    },
  }),
];
