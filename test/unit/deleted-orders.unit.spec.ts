// What is left of orders that were deleted: an order that is unknown here, and was placed before then, is over.
import { expect } from 'chai';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import {
  DeletedOrders,
  deletableAfterMsMin,
  deletedOrdersSchema,
} from '../../shared/runtime/storage/deleted-orders.ts';

const beforeMs = Date.UTC(2030, 0, 1);

/** Id of an order that was placed then. */
function placedAt(atMs: number): string {
  const hex = atMs.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000001`;
}

function start() {
  const db = openDatabase(':memory:', [deletedOrdersSchema]);
  const amount = db.prepare('SELECT amount FROM deleted_orders').pluck();
  return { deleted: new DeletedOrders(db), amount: () => amount.get() };
}

describe('deleted orders', () => {
  it('are none at first', () => {
    expect(start().deleted.includes(placedAt(1))).to.equal(false);
  });

  it('are those placed before the time that was noted last, or earlier if that was later', () => {
    const { deleted } = start();
    for (const noted of [beforeMs, beforeMs - 1_000]) {
      deleted.note(noted, 0);
      expect([beforeMs - 1, beforeMs].map((atMs) => deleted.includes(placedAt(atMs)))).to.deep.equal([true, false]);
    }
  });

  it('add up', () => {
    const { deleted, amount } = start();
    deleted.note(beforeMs, 300);
    deleted.note(beforeMs, 20);
    expect(amount()).to.equal(320);
  });

  it('are at least two days old', () => {
    const { deleted } = start();
    deleted.note(beforeMs, 0);
    const placedAtMs = beforeMs - 1;
    const twoDaysMs = 2 * 86_400_000;
    expect(deletableAfterMsMin).to.equal(twoDaysMs);
    const known = [-1, 0].map((ms) => deleted.includes(placedAt(placedAtMs), placedAtMs + twoDaysMs + ms));
    expect(known).to.deep.equal([false, true]);
  });
});
