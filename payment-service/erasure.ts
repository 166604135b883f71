// Erases a customer from accounts, ledger and payments. The pseudonym gets the account as it is, and keeps it blocked: what
// was paid in, charged and refunded stays in the totals.
import { type EraseStep, eraseStepRows } from '../shared/runtime/node/erasure.ts';
import type { Database } from '../shared/runtime/storage/database.ts';

/** The account with its ledger. An entry that is not erased yet is still the customer's: what broke off can be begun again. */
export function eraseAccount(db: Database): EraseStep {
  const lastOf = db.prepare<[string], number | null>('SELECT last_entry_id FROM accounts WHERE user_id = ?').pluck();
  const take = db.prepare(
    `INSERT INTO accounts (user_id, balance, blocked, last_entry_id)
     SELECT ?, balance, 1, last_entry_id FROM accounts WHERE user_id = ?
     ON CONFLICT (user_id) DO NOTHING`,
  );
  const empty = db.prepare('UPDATE accounts SET balance = 0, blocked = 1 WHERE user_id = ?');
  const previousOf = db
    .prepare<[number], number | null>('SELECT previous_entry_id FROM ledger WHERE entry_id = ?')
    .pluck();
  const rename = db.prepare('UPDATE ledger SET user_id = ? WHERE entry_id = ?');
  const goOn = db.prepare('UPDATE accounts SET last_entry_id = ? WHERE user_id = ?');
  const end = db.prepare('DELETE FROM accounts WHERE user_id = ?');

  return ({ userId, pseudonym }) => {
    let next = lastOf.get(userId);
    if (next === undefined) return undefined;
    if (take.run(pseudonym, userId).changes === 1) empty.run(userId);
    for (let count = 0; next !== null && next !== undefined && count < eraseStepRows; count += 1) {
      rename.run(pseudonym, next);
      next = previousOf.get(next);
    }
    if (next === null || next === undefined) {
      end.run(userId);
      return undefined;
    }
    goOn.run(next, userId);
    return String(next);
  };
}

/** Payments, refused ones among them, which no ledger entry names. */
export function erasePayments(db: Database): EraseStep {
  const read = db.prepare<[string, number], { orderId: string; userId: string | null }>(
    'SELECT order_id AS orderId, user_id AS userId FROM payments WHERE order_id > ? ORDER BY order_id LIMIT ?',
  );
  const rename = db.prepare('UPDATE payments SET user_id = ? WHERE order_id = ?');
  return (person, cursor = '') => {
    const rows = read.all(cursor, eraseStepRows);
    for (const { orderId, userId } of rows) if (userId === person.userId) rename.run(person.pseudonym, orderId);
    return rows.length === eraseStepRows ? rows.at(-1)?.orderId : undefined;
  };
}
