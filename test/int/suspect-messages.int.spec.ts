// A message that crashes the process is found and set aside; those that were only in hand with it are handled.
import { expect } from 'chai';
import { paymentService } from '../../payment-service/service.ts';
import {
  type CloudEvent,
  cloudEventBatchContentType,
  encodeBatch,
  encodeEvent,
} from '../../shared/contract/cloud-event.ts';
import { SuspectMessages } from '../../shared/runtime/messaging/suspect-messages.ts';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import { GroupCommit } from '../../shared/runtime/storage/group-commit.ts';
import { Inbox } from '../../shared/runtime/storage/inbox.ts';
import { Suspects } from '../../shared/runtime/storage/suspects.ts';
import { newDatabasePath, removeDatabases } from '../support/files.ts';
import { HandClock } from '../support/hand-clock.ts';
import { orderOf, startPayments } from '../support/payment-node.ts';

const quietMs = 1_000;
const guilty = orderOf('666');

class Crash extends Error {}

/** A run that ends, without an orderly stop, as soon as it reacts to the guilty message. */
function start(path: string, isGuilty: (event: CloudEvent) => boolean = ({ id }) => id === guilty.id) {
  let reactions = 0;
  let crashing = false;
  const db = openDatabase(path, paymentService.migrations);
  const run = startPayments({
    db,
    // A crash ends the process wherever it is; what the reaction throws would only undo its work.
    hit: (point) => {
      if (point === 'in-group' && crashing) throw new Crash();
    },
    react: (event) => {
      reactions += 1;
      crashing = isGuilty(event);
    },
  });
  const until = (step: () => void): 'crashed' | 'alive' => {
    try {
      step();
      return 'alive';
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      return 'crashed';
    }
  };
  return {
    ...run,
    reactions: () => reactions,
    advance: (ms: number) => until(() => run.clock.advance(ms)),
    die: () => {
      run.node.stop();
      run.node.commit.close();
      db.close();
    },
  };
}

function attempts(path: string): number[] {
  const db = openDatabase(path, paymentService.migrations);
  try {
    return db.prepare<[], number>('SELECT attempts FROM suspects').pluck().all();
  } finally {
    db.close();
  }
}

describe('a message that was returned', () => {
  afterEach(removeDatabases);

  it('twice is handled at once; three times only when the process has been quiet for a second', () => {
    const { bus, advance, clock, die } = start(newDatabasePath());
    const [twice, thrice] = [orderOf('1'), orderOf('2')];
    const fresh = bus.deliverEvent(twice, { returns: 2 });
    const suspect = bus.deliverEvent(thrice, { returns: 3 });
    clock.turn();
    expect([fresh.acks(), suspect.acks()]).to.deep.equal([1, 0]);
    advance(quietMs - 1);
    expect(suspect.acks()).to.equal(0);
    advance(1);
    expect(suspect.acks()).to.equal(1);
    die();
  });

  it('does not hold up others', () => {
    const { bus, clock, node, die } = start(newDatabasePath());
    bus.deliverEvent(orderOf('1'), { returns: 3 });
    const other = bus.deliverEvent(orderOf('2'));
    clock.turn();
    expect(other.acks()).to.equal(1);
    expect(node.handler.idle, 'a suspect still waits').to.equal(false);
    die();
  });

  it('has its attempt on disk before it is tried, alone, and none afterwards', () => {
    const path = newDatabasePath();
    const { bus, advance, die } = start(path);
    bus.deliverEvent(guilty, { returns: 3 });
    const innocent = bus.deliverEvent(orderOf('1'), { returns: 3 });
    expect(advance(quietMs)).to.equal('crashed');
    expect(innocent.acks(), 'it waits for its own turn').to.equal(0);
    die();
    expect(attempts(path)).to.deep.equal([1]);

    const second = start(path, () => false);
    const again = second.bus.deliverEvent(guilty, { returns: 4 });
    second.advance(quietMs);
    expect(again.acks()).to.equal(1);
    expect(second.node.handler.idle).to.equal(true);
    second.die();
    expect(attempts(path)).to.deep.equal([]);
  });

  it('is set aside after five crashes without being tried a sixth time, and the innocent ones beside it are handled', () => {
    const path = newDatabasePath();
    const innocent = ['1', '2', '3'].map((tail) => orderOf(tail));
    for (let crashes = 1; crashes <= 5; crashes += 1) {
      const { bus, advance, die } = start(path);
      // The broker returns all of them in their order: the guilty one is first each time.
      for (const event of [guilty, ...innocent]) bus.deliverEvent(event, { returns: 2 + crashes });
      expect(advance(quietMs), `run ${crashes}`).to.equal('crashed');
      die();
    }
    const last = start(path);
    const [condemned, ...others] = [guilty, ...innocent].map((event) => last.bus.deliverEvent(event, { returns: 8 }));
    expect(last.advance(quietMs)).to.equal('alive');
    expect([condemned, ...others].map((delivery) => delivery?.acks())).to.deep.equal([1, 1, 1, 1]);
    expect(last.reactions(), 'reactions to the innocent ones only').to.equal(3);
    const [letter, ...more] = last.dead();
    expect(more).to.deep.equal([]);
    expect(letter?.body.equals(condemned?.body ?? Buffer.alloc(0)), 'the very bytes').to.equal(true);
    expect(letter?.headers).to.include({
      'x-cause': 'crashes-the-process',
      'x-detail': 'the process has ended 5 times while it handled this event',
      'x-original-content-type': 'application/cloudevents+json',
    });
    last.die();
    expect(attempts(path)).to.deep.equal([]);
  });

  it('is set aside without its neighbours when it came with others in one message', () => {
    const path = newDatabasePath();
    const events = [orderOf('1', 1), guilty, orderOf('2', 3)];
    const deliver = ({ bus }: ReturnType<typeof start>, returns: number) =>
      bus.deliver(encodeBatch(events.map(encodeEvent)), { contentType: cloudEventBatchContentType, returns });
    for (let crashes = 1; crashes <= 5; crashes += 1) {
      const run = start(path);
      deliver(run, 2 + crashes);
      expect(run.advance(quietMs), `run ${crashes}`).to.equal('crashed');
      run.die();
    }
    const last = start(path);
    const batch = deliver(last, 8);
    expect(last.advance(quietMs)).to.equal('alive');
    expect(batch.acks()).to.equal(1);
    const [letter, ...more] = last.dead();
    expect(more).to.deep.equal([]);
    expect(letter?.body.equals(encodeEvent(guilty)), 'only the guilty one').to.equal(true);
    const statuses = events.map(({ subject }) => last.store.payment(subject)?.status);
    expect(statuses).to.deep.equal(['completed', undefined, 'completed']);
    last.die();
  });

  it('is known to the inbox once it is set aside: reconciliation does not fetch it', () => {
    const path = newDatabasePath();
    const event = orderOf('666', 4);
    const isGuilty = ({ id }: CloudEvent) => id === event.id;
    for (let crashes = 1; crashes <= 5; crashes += 1) {
      const { bus, advance, die } = start(path, isGuilty);
      bus.deliverEvent(event, { returns: 3 });
      advance(quietMs);
      die();
    }
    const { bus, advance, db, die } = start(path, isGuilty);
    bus.deliverEvent(event, { returns: 3 });
    expect(advance(quietMs)).to.equal('alive');
    expect(new Inbox(db, ['order-service']).digest('order-service', 3, 4).count).to.equal(1);
    die();
  });

  it('is not blamed for crashes that other messages cause: its attempts end with its success', () => {
    const path = newDatabasePath();
    for (let crashes = 1; crashes <= 5; crashes += 1) {
      const { bus, advance, die } = start(path);
      const innocent = bus.deliverEvent(orderOf(String(100 + crashes)), { returns: 3 });
      bus.deliverEvent(guilty, { returns: 3 });
      expect(advance(quietMs)).to.equal('crashed');
      expect(innocent.acks(), `run ${crashes}`).to.equal(1);
      die();
      expect(attempts(path), 'of the guilty one').to.deep.equal([crashes]);
    }
  });

  it('waits while its attempt cannot be written, and is tried once it can', () => {
    const { bus, advance, db, reactions, die } = start(newDatabasePath());
    db.pragma('query_only = 1');
    const delivery = bus.deliverEvent(orderOf('1'), { returns: 3 });
    advance(10_000);
    expect([reactions(), delivery.acks()]).to.deep.equal([0, 0]);
    db.pragma('query_only = 0');
    advance(quietMs);
    expect([reactions(), delivery.acks()]).to.deep.equal([1, 1]);
    die();
  });
});

describe('events that were fetched from a journal', () => {
  afterEach(removeDatabases);

  const fetched = ['1', '666', '2'].map((tail, index) => orderOf(tail, index + 1));
  /** The page of the journal in which the guilty event is. */
  function fetch(run: ReturnType<typeof start>): 'crashed' | 'alive' {
    const page = fetched.map((event, index) => ({ body: encodeEvent(event), eventId: event.id, position: index + 1 }));
    run.node.handler.handleFetched('order-service', page, () => {});
    return run.advance(quietMs);
  }

  it('are handled one by one after a crash, until the guilty one is set aside', () => {
    const path = newDatabasePath();
    const isGuilty = ({ subject }: CloudEvent) => subject === guilty.subject;
    // At first all are handled together; from then on each is tried alone.
    for (let crashes = 1; crashes <= 1 + 5; crashes += 1) {
      const run = start(path, isGuilty);
      expect(fetch(run), `run ${crashes}`).to.equal('crashed');
      run.die();
    }
    const last = start(path, isGuilty);
    expect(fetch(last)).to.equal('alive');
    expect(last.dead().map(({ headers }) => headers?.['x-cause'])).to.deep.equal(['crashes-the-process']);
    const statuses = fetched.map(({ subject }) => last.store.payment(subject)?.status);
    expect(statuses).to.deep.equal(['completed', undefined, 'completed']);
    last.die();
    expect(attempts(path)).to.deep.equal([]);
  });
});

describe('suspects, one after another', () => {
  function queue() {
    const db = openDatabase(':memory:', paymentService.migrations);
    const clock = new HandClock();
    const commit = new GroupCommit(db, clock);
    const messages = new SuspectMessages({ suspects: new Suspects(db), commit, clock });
    const begun: string[] = [];
    const ends = new Map<string, () => void>();
    const add = (name: string) =>
      messages.add(name, (_crashes, done) => {
        begun.push(name);
        ends.set(name, done);
      });
    const left = () => db.prepare<[], string>('SELECT message_hash FROM suspects').pluck().all();
    const guarded: string[] = [];
    const guard = (key: string) =>
      messages.guard(key, (crashed, done) => {
        guarded.push(`${key} ${crashed}`);
        ends.set(key, done);
      });
    return { db, clock, messages, begun, add, left, guard, guarded, end: (name: string) => ends.get(name)?.() };
  }

  it('begin when the one before has ended, and the first alone waits for a quiet second', () => {
    const { clock, messages, begun, add, end, left } = queue();
    expect(messages.idle).to.equal(true);
    for (const name of ['a', 'b']) add(name);
    expect([messages.idle, clock.pending]).to.deep.equal([false, 1]);
    clock.advance(quietMs);
    add('c');
    expect([begun, clock.pending]).to.deep.equal([['a'], 0]);
    expect(messages.idle, 'one is in hand').to.equal(false);
    end('a');
    clock.turn();
    expect([begun, left()]).to.deep.equal([['a', 'b'], ['b']]);
    end('b');
    clock.turn();
    end('c');
    clock.turn();
    expect([begun, left(), messages.idle]).to.deep.equal([['a', 'b', 'c'], [], true]);
    add('d');
    clock.advance(quietMs - 1);
    expect(begun).to.have.lengthOf(3);
    clock.advance(1);
    expect(begun).to.have.lengthOf(4);
  });

  it('do not begin before their attempt is on disk, and keep their turn until it can be written', () => {
    const { db, clock, begun, add, left } = queue();
    for (const name of ['a', 'b']) add(name);
    db.pragma('query_only = 1');
    clock.advance(5 * quietMs);
    expect(begun).to.deep.equal([]);
    db.pragma('query_only = 0');
    clock.advance(quietMs);
    expect([begun, left()]).to.deep.equal([['a'], ['a']]);
  });

  it('do not begin after a stop, whether they wait for their turn, for a quiet second or for the disk', () => {
    const { db, clock, messages, begun, add, guard, guarded } = queue();
    add('a');
    guard('journal');
    messages.stop();
    clock.advance(10 * quietMs);
    expect([begun, guarded, clock.pending, messages.idle]).to.deep.equal([[], [], 0, true]);
    const other = queue();
    for (const name of ['a', 'b']) other.add(name);
    other.clock.advance(quietMs);
    other.messages.stop();
    other.end('a');
    other.clock.advance(10 * quietMs);
    expect(other.begun).to.deep.equal(['a']);
    db.close();
  });

  it('are handled together as long as no crash is known, also when the attempt cannot be written', () => {
    const { db, clock, guard, guarded, end, left } = queue();
    guard('journal');
    clock.turn();
    db.pragma('query_only = 1');
    guard('another journal');
    clock.turn();
    db.pragma('query_only = 0');
    guard('journal');
    clock.turn();
    expect(guarded).to.deep.equal(['journal false', 'another journal false', 'journal true']);
    end('journal');
    clock.turn();
    expect(left()).to.deep.equal([]);
  });
});
