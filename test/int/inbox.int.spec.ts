// The inbox table: each event takes effect once, and its rows can be compared with the journal of their publisher.
import { expect } from 'chai';
import { v7 as uuidv7 } from 'uuid';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import {
  Inbox,
  inboxKeptMsMin,
  inboxPositionsSchema,
  inboxSchema,
  mayHaveLeftInbox,
  reconciledTimeSchema,
} from '../../shared/runtime/storage/inbox.ts';
import { newDatabasePath, removeDatabases } from '../support/files.ts';

const source = 'order-service';

function open(path = ':memory:', sources = [source, 'inventory-service']) {
  const db = openDatabase(path, [inboxSchema, inboxPositionsSchema, reconciledTimeSchema]);
  return { db, inbox: new Inbox(db, sources) };
}

function event(position?: number, id = uuidv7()) {
  return { id, source, position };
}

describe('the inbox', () => {
  afterEach(removeDatabases);

  it('accepts an event once, and never again, however much later', () => {
    const { inbox } = open();
    const one = event(1);
    expect(inbox.accept(one, 0)).to.equal(true);
    expect(inbox.accept(one, 0)).to.equal(false);
    expect(inbox.accept(one, Number.MAX_SAFE_INTEGER)).to.equal(false);
  });

  it('recognises an event that comes with another position, or with none', () => {
    const { inbox } = open();
    const one = event(1);
    inbox.accept(one, 0);
    expect(inbox.accept({ ...one, position: 2 }, 0)).to.equal(false);
    expect(inbox.accept({ ...one, position: undefined }, 0)).to.equal(false);
  });

  it('accepts two events of the same position: a publisher that was put back gives one twice', () => {
    const { inbox } = open();
    expect(inbox.accept(event(1), 0)).to.equal(true);
    expect(inbox.accept(event(1), 0)).to.equal(true);
  });

  it('recognises an id in capitals', () => {
    const { inbox } = open();
    const one = event();
    inbox.accept(one, 0);
    expect(inbox.accept({ ...one, id: one.id.toUpperCase() }, 0)).to.equal(false);
  });

  it('tells ids apart that differ in their last digit', () => {
    const { inbox } = open();
    expect(inbox.accept(event(1, '01900000-0000-7000-8000-000000000001'), 0)).to.equal(true);
    expect(inbox.accept(event(2, '01900000-0000-7000-8000-000000000002'), 0)).to.equal(true);
  });

  it('does not know what was accepted in a transaction that was undone', () => {
    const { db, inbox } = open();
    const one = event(1);
    db.exec('BEGIN');
    expect(inbox.accept(one, 0)).to.equal(true);
    db.exec('ROLLBACK');
    expect(inbox.has(one.id)).to.equal(false);
    expect(inbox.accept(one, 0)).to.equal(true);
  });

  it('keeps 16 bytes of each id', () => {
    const { db, inbox } = open();
    inbox.accept(event(), 0);
    expect(db.prepare('SELECT length(event_id) FROM inbox').pluck().get()).to.equal(16);
  });

  it('takes an event of a publisher that it does not know, such as a new instance, without its position', () => {
    const { db, inbox } = open();
    expect(inbox.accept({ ...event(1), source: 'order-service.new' }, 0)).to.equal(true);
    expect(db.prepare('SELECT publisher, position FROM inbox').get()).to.deep.equal({
      publisher: null,
      position: null,
    });
  });

  it('keeps a dead-lettered event as known, and accepts it once when it is redriven', () => {
    const { inbox } = open();
    const one = event(1);
    inbox.deadLettered(one, 0);
    expect(inbox.has(one.id)).to.equal(true);
    expect(inbox.digest(source, 0, 1).count).to.equal(1);
    expect(inbox.accept(one, 1), 'redriven').to.equal(true);
    expect(inbox.accept(one, 2), 'redriven twice').to.equal(false);
  });

  it('knows which events are dead-lettered here: no longer once they are redriven', () => {
    const { inbox } = open();
    const [dead, handled] = [event(1), event(2)];
    inbox.deadLettered(dead, 0);
    inbox.accept(handled, 0);
    expect([dead, handled, event(3)].map(({ id }) => inbox.isDeadLettered(id))).to.deep.equal([true, false, false]);
    inbox.accept(dead, 1);
    expect(inbox.isDeadLettered(dead.id)).to.equal(false);
  });

  it('names the instances whose journals it cannot compare, 20 at most: whoever may publish may make up names', () => {
    const { inbox } = open();
    inbox.accept(event(1), 0);
    inbox.accept({ ...event(1), source: 'mail-service' }, 0);
    inbox.accept({ ...event(), source: 'order-service.bare' }, 0);
    expect([...inbox.strangers], 'known, no instance, or without a position').to.deep.equal([]);
    const comparing = open(':memory:', ['order-service.a']).inbox;
    comparing.accept({ ...event(1), source: 'order-service.a' }, 0);
    expect([...comparing.strangers], 'an instance whose journal is compared').to.deep.equal([]);
    for (let count = 0; count < 25; count += 1) inbox.accept({ ...event(1), source: `order-service.${count % 22}` }, 0);
    expect([...inbox.strangers]).to.deep.equal(Array.from({ length: 20 }, (_, n) => `order-service.${n}`));
  });

  it('does not take back an effect when an event that was handled is dead-lettered later', () => {
    const { inbox } = open();
    const one = event(1);
    inbox.accept(one, 0);
    inbox.deadLettered(one, 1);
    expect(inbox.accept(one, 2)).to.equal(false);
  });

  describe('aligned with a journal', () => {
    it('finds what is missing, in order, and leaves alone what is not of the range or of the publisher', () => {
      const { inbox } = open();
      const [second, beyond] = [event(2), event(11)];
      inbox.accept(second, 0);
      inbox.accept(beyond, 0);
      inbox.accept({ ...event(3), source: 'inventory-service' }, 0);
      const entries = [1, 2, 3].map((position) => ({ position, eventId: position === 2 ? second.id : uuidv7() }));
      expect(inbox.align(source, { after: 0, until: 10 }, entries)).to.deep.equal({ missing: [1, 3], unknown: [] });
      expect(inbox.digest('inventory-service', 0, 10).count).to.equal(1);
    });

    it('gives a position to an event that came without one, and moves one that has another now', () => {
      const { inbox } = open();
      const [bare, moved] = [event(), event(9)];
      inbox.accept(bare, 0);
      inbox.accept(moved, 0);
      const entries = [
        { position: 1, eventId: bare.id },
        { position: 2, eventId: moved.id },
      ];
      expect(inbox.align(source, { after: 0, until: 10 }, entries)).to.deep.equal({ missing: [], unknown: [] });
      expect(inbox.digest(source, 0, 2).count).to.equal(2);
      expect(inbox.digest(source, 2, 10).count).to.equal(0);
    });

    it('reports once what the journal does not hold any more, and still recognises it', () => {
      const { inbox } = open();
      const lost = event(1);
      inbox.accept(lost, 0);
      const { unknown } = inbox.align(source, { after: 0, until: 10 }, []);
      expect(unknown).to.deep.equal([lost.id.replaceAll('-', '')]);
      expect(inbox.align(source, { after: 0, until: 10 }, []).unknown).to.deep.equal([]);
      expect(inbox.digest(source, 0, 10)).to.deep.equal({ count: 0, sum: 0 });
      expect(inbox.accept(lost, 0)).to.equal(false);
    });

    it('does not report a dead letter that the journal does not hold: it had no effect', () => {
      const { inbox } = open();
      inbox.deadLettered(event(1), 0);
      expect(inbox.align(source, { after: 0, until: 10 }, [])).to.deep.equal({ missing: [], unknown: [] });
      expect(inbox.digest(source, 0, 10).count).to.equal(0);
    });
  });

  it('may have deleted its row of an event once that is two days old', () => {
    const twoDaysMs = 2 * 86_400_000;
    const writtenAtMs = Date.UTC(2030, 0, 1);
    const time = new Date(writtenAtMs).toISOString();
    expect(inboxKeptMsMin).to.equal(twoDaysMs);
    const ages = [twoDaysMs - 1, twoDaysMs];
    expect(ages.map((ageMs) => mayHaveLeftInbox({ time }, writtenAtMs + ageMs))).to.deep.equal([false, true]);
  });

  it('takes events out of the comparison when their journal is gone, a few at a time: they stay handled', () => {
    const { inbox } = open();
    const events = [1, 2, 3].map((position) => event(position));
    for (const one of events) inbox.accept(one, 0);
    inbox.accept({ ...event(1), source: 'inventory-service' }, 0);
    expect(inbox.displace(source, 0, 2)).to.equal(2);
    expect(inbox.digest(source, 0, 3).count, 'the newest is left').to.equal(1);
    expect(inbox.digest(source, 2, 3).count).to.equal(1);
    expect(inbox.displace(source, 3, 2), 'nothing above it').to.equal(0);
    expect(inbox.displace(source, 0, 2)).to.equal(1);
    expect(inbox.displace(source, 0, 2)).to.equal(0);
    expect(events.map((one) => inbox.accept(one, 0))).to.deep.equal([false, false, false]);
    expect(inbox.digest('inventory-service', 0, 3).count).to.equal(1);
  });

  it('refuses to compare the journal of a service whose events do not come here', () => {
    const { inbox } = open();
    expect(() => inbox.digest('mail-service', 0, 1)).to.throw("'mail-service' is not a publisher");
    expect(inbox.cursor('mail-service')).to.deep.include({ journalId: undefined, position: 0, eventId: undefined });
  });

  it('writes nothing when it is opened with the publishers that it knows, such as on a full disk', () => {
    const { db, inbox } = open();
    inbox.accept(event(1), 0);
    db.pragma('query_only = 1');
    expect(new Inbox(db, [source]).digest(source, 0, 1).count).to.equal(1);
  });

  it('keeps the cursor of each publisher through a restart, also when another publisher is added', () => {
    const path = newDatabasePath();
    const first = open(path, [source]);
    expect(first.inbox.cursor(source)).to.deep.equal({
      journalId: undefined,
      position: 0,
      eventId: undefined,
      writtenAtMs: undefined,
    });
    const cursor = { journalId: 'j', position: 7, eventId: uuidv7(), writtenAtMs: 1_893_456_000_000 };
    first.inbox.setCursor(source, cursor);
    first.inbox.accept(event(7), 0);
    first.db.close();
    const second = open(path, ['inventory-service', source]);
    expect(second.inbox.cursor(source)).to.deep.equal(cursor);
    expect(second.inbox.cursor('inventory-service').position).to.equal(0);
    expect(second.inbox.digest(source, 0, 7).count).to.equal(1);
    second.db.close();
  });

  it('prunes only what its publisher has pruned, and what is old enough, a few rows at a time', () => {
    const { inbox } = open();
    const events = [1, 2, 3, 4, 5].map((position) => event(position));
    for (const [index, one] of events.entries()) inbox.accept(one, index * 100);
    const bare = event();
    inbox.accept(bare, 0);
    expect(inbox.prune(source, 1, 1_000, 10), 'the journal still holds all').to.equal(0);
    expect(inbox.prune(source, 5, 0, 10), 'nothing is old enough').to.equal(0);
    expect(inbox.prune(source, 5, 1_000, 1)).to.equal(1);
    expect(inbox.prune(source, 5, 300, 10)).to.equal(2);
    expect([...events, bare].map(({ id }) => inbox.has(id))).to.deep.equal([false, false, false, true, true, true]);
  });

  it('looks at no more rows than it may delete at once: of those that are not old enough, the rest are not read', () => {
    const { inbox } = open();
    for (const position of [1, 2, 3]) inbox.accept(event(position), position === 3 ? 0 : 1_000);
    expect(inbox.prune(source, 4, 500, 2)).to.equal(0);
    expect(inbox.prune(source, 4, 500, 3)).to.equal(1);
  });
});
