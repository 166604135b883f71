// The inbox table: each event takes effect once.
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import { Inbox, inboxSchema } from '../../shared/runtime/storage/inbox.ts';

function open() {
  const db = openDatabase(':memory:', [inboxSchema]);
  return { db, inbox: new Inbox(db) };
}

describe('the inbox', () => {
  it('accepts an event once, and never again, however much later', () => {
    const { inbox } = open();
    const id = uuidv7();
    expect(inbox.accept(id, 0)).to.equal(true);
    expect(inbox.accept(id, 0)).to.equal(false);
    expect(inbox.accept(id, Number.MAX_SAFE_INTEGER)).to.equal(false);
  });

  it('knows an id again in capitals', () => {
    const { inbox } = open();
    const id = uuidv7();
    inbox.accept(id, 0);
    expect(inbox.accept(id.toUpperCase(), 0)).to.equal(false);
  });

  it('tells ids apart that differ in their last digit', () => {
    const { inbox } = open();
    expect(inbox.accept('01900000-0000-7000-8000-000000000001', 0)).to.equal(true);
    expect(inbox.accept('01900000-0000-7000-8000-000000000002', 0)).to.equal(true);
  });

  it('forgets what was accepted in a transaction that was undone', () => {
    const { db, inbox } = open();
    const id = uuidv7();
    db.exec('BEGIN');
    expect(inbox.accept(id, 0)).to.equal(true);
    db.exec('ROLLBACK');
    expect(inbox.accept(id, 0)).to.equal(true);
  });

  it('keeps 16 bytes of each id', () => {
    const { db, inbox } = open();
    inbox.accept(uuidv7(), 0);
    expect(db.prepare('SELECT length(event_id) FROM inbox').pluck().get()).to.equal(16);
  });
});
