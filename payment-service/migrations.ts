// The tables of payment-service. Append only: each script is run once on every database, in this order.
import { deletedOrdersSchema } from '../shared/runtime/storage/deleted-orders.ts';

export const migrations = [
  `
  CREATE TABLE accounts (
    user_id TEXT PRIMARY KEY,
    balance INTEGER NOT NULL CHECK (balance BETWEEN 0 AND 9007199254740991),
    blocked INTEGER NOT NULL CHECK (blocked IN (0, 1))
  ) STRICT;
  CREATE TABLE ledger (
    entry_id INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES accounts,
    kind TEXT NOT NULL CHECK (kind IN ('deposit', 'adjustment', 'charge', 'refund')),
    amount INTEGER NOT NULL,
    balance_after INTEGER NOT NULL,
    order_id TEXT,
    at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX ledger_of_user ON ledger (user_id, entry_id);
  -- At most one charge and one refund per order, whatever the code above it does.
  CREATE UNIQUE INDEX ledger_once ON ledger (order_id, kind) WHERE order_id IS NOT NULL;
  CREATE TABLE payments (
    order_id TEXT PRIMARY KEY,
    user_id TEXT,
    amount INTEGER,
    status TEXT NOT NULL CHECK (status IN ('completed', 'failed', 'voided', 'refunded')),
    reason TEXT,
    updated_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  // An account's entries as a list through the rows, newest first. An index by account would have another page of its own
  // written for nearly every entry; the account's row is written anyway.
  `
  ALTER TABLE accounts ADD COLUMN last_entry_id INTEGER;
  ALTER TABLE ledger ADD COLUMN previous_entry_id INTEGER;
  UPDATE accounts SET last_entry_id = (SELECT max(entry_id) FROM ledger WHERE ledger.user_id = accounts.user_id);
  UPDATE ledger SET previous_entry_id = (
    SELECT max(entry_id) FROM ledger AS earlier
    WHERE earlier.user_id = ledger.user_id AND earlier.entry_id < ledger.entry_id
  );
  DROP INDEX ledger_of_user;
  `,
  // Where order-service has several instances. Keys are those of orders of the last days: one key, one charge.
  `
  CREATE TABLE order_keys (
    key BLOB PRIMARY KEY,
    order_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX order_keys_at ON order_keys (at_ms);
  CREATE TABLE adopted_instances (
    instance TEXT PRIMARY KEY,
    adopted_by TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  deletedOrdersSchema,
] as const;
