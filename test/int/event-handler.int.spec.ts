// Deliveries become reactions: once each, committed before they are acked, and what cannot be handled is dead-lettered.
import Sqlite from 'better-sqlite3';
import { expect } from 'chai';
import { putAccount } from '../../payment-service/commands.ts';
import { paymentService } from '../../payment-service/service.ts';
import { choreography, type EventOf } from '../../shared/contract/choreography.ts';
import { cloudEventBatchContentType, encodeEvent } from '../../shared/contract/cloud-event.ts';
import { causedEventId } from '../../shared/contract/event-id.ts';
import { decodeEvent, messageBytesMax } from '../../shared/contract/read-message.ts';
import { handlingAttempts } from '../../shared/runtime/messaging/handling-retries.ts';
import { ContradictoryEventError, UnknownSubjectError } from '../../shared/runtime/messaging/reaction.ts';
import { openDatabase, TransientError } from '../../shared/runtime/storage/database.ts';
import { eventOf, samples } from '../support/events.ts';
import { contentOf, newDatabasePath, removeDatabases } from '../support/files.ts';
import { orderOf as order, startPayments as start } from '../support/payment-node.ts';

const placed = samples['order.placed'];

describe('a delivered event', () => {
  afterEach(removeDatabases);

  it('takes effect, is acked once, and its answer goes out with its cause, saga and trace', () => {
    const { clock, bus, balance, answers, node } = start();
    const event = order('1');
    const delivery = bus.deliverEvent(event);
    clock.turn();
    expect(balance()).to.equal(9 * placed.total);
    expect(delivery.acks()).to.equal(1);
    const [message] = answers();
    expect(message).to.include({ exchange: 'payment.events', routingKey: 'payment.completed', mandatory: true });
    const answer = decodeEvent(message?.body ?? Buffer.alloc(0), message?.contentType, choreography);
    expect(answer).to.include({
      type: 'payment.completed',
      causationid: event.id,
      correlationid: event.subject,
      traceparent: event.traceparent,
      id: message?.messageId,
      sequence: '0000000000000001',
    });
    expect(node.handler.tally.outcomes.get('order.placed -> payment.completed')).to.equal(1);
    expect(node.handler.idle).to.equal(true);
  });

  it('is not acked before its commit', () => {
    const trace: string[] = [];
    const { clock, bus } = start({ hit: (point) => trace.push(point) });
    trace.length = 0;
    const delivery = bus.deliverEvent(order('1'));
    expect(delivery.acks()).to.equal(0);
    const ack = delivery.ack;
    Object.assign(delivery, {
      ack: () => {
        trace.push('ack');
        ack();
      },
    });
    clock.turn();
    expect(trace.filter((point) => /commit|ack/.test(point))).to.deep.equal([
      'before-commit',
      'after-commit',
      'before-ack',
      'ack',
    ]);
  });

  it('is neither acked nor effective when the process dies just before the commit', () => {
    let dying = false;
    const { clock, bus, balance } = start({
      hit: (point) => {
        if (dying && point === 'before-commit') throw new Error('killed');
      },
    });
    dying = true;
    const delivery = bus.deliverEvent(order('1'));
    expect(() => clock.turn()).to.throw('killed');
    expect(delivery.acks()).to.equal(0);
    expect(balance()).to.equal(10 * placed.total);
  });

  it('has no second effect when it comes again, at once or a day later, and is acked each time', () => {
    const { clock, bus, balance, answers, node } = start();
    const event = order('1');
    const deliveries = [bus.deliverEvent(event), bus.deliverEvent(event)];
    clock.turn();
    clock.advance(86_400_000);
    deliveries.push(bus.deliverEvent(event));
    clock.turn();
    expect(deliveries.map(({ acks }) => acks())).to.deep.equal([1, 1, 1]);
    expect(balance()).to.equal(9 * placed.total);
    expect(new Set(answers().map(({ messageId }) => messageId)).size).to.equal(1);
    expect(node.handler.tally).to.include({ delivered: 3, handled: 1, duplicates: 2, deadLettered: 0 });
  });

  it('has no second effect after a restart that came between its commit and its ack', () => {
    const path = newDatabasePath();
    const first = start({ db: openDatabase(path, paymentService.migrations) });
    const event = order('1');
    first.bus.deliverEvent(event);
    first.clock.turn();
    first.node.stop();
    first.db.close();
    const second = start({ db: openDatabase(path, paymentService.migrations) });
    const again = second.bus.deliverEvent(event);
    second.clock.turn();
    expect(again.acks()).to.equal(1);
    expect(second.node.handler.tally.duplicates).to.equal(1);
    expect(second.balance()).to.equal(9 * placed.total);
    second.db.close();
  });

  it('is not counted among the duplicates when only its content is the same: that contradicts, and is dead-lettered', () => {
    const { clock, bus, balance, dead } = start();
    bus.deliverEvent(order('1'));
    bus.deliverEvent(order('1'));
    clock.advance(60_000);
    expect(balance()).to.equal(9 * placed.total);
    expect(dead().map(({ headers }) => headers?.['x-cause'])).to.deep.equal(['contradictory']);
  });
});

describe('a reaction that throws', () => {
  const poison = order('666');
  const onlyPoison = (event: EventOf<'order.placed'>) => {
    if (event.id === poison.id) throw new TypeError('it does not like this one');
  };

  it('is tried three times, then its message is dead-lettered with the cause, and acked', () => {
    const attempts = new Set<number>();
    const { clock, bus, dead, node } = start({
      react: () => {
        attempts.add(clock.nowMs());
        throw new TypeError('it does not like this one');
      },
    });
    const delivery = bus.deliverEvent(poison);
    clock.advance(60_000);
    expect(attempts.size).to.equal(handlingAttempts).and.to.equal(3);
    expect(delivery.acks()).to.equal(1);
    const [letter, ...more] = dead();
    expect(more).to.deep.equal([]);
    expect(letter).to.include({
      exchange: 'dead-letters',
      routingKey: 'payment-service.dead-letters',
      contentType: 'application/cloudevents+json',
      mandatory: true,
    });
    expect(letter?.body.equals(encodeEvent(poison)), 'the very bytes').to.equal(true);
    expect(letter?.headers).to.include({
      'x-cause': 'reaction-failed',
      'x-detail': 'TypeError: it does not like this one',
      'x-dead-lettered-by': 'payment-service',
      'x-original-exchange': 'order.events',
      'x-original-routing-key': 'order.placed',
      'x-original-message-id': poison.id,
    });
    expect(node.handler.tally).to.include({ delivered: 1, handled: 0, deadLettered: 1 });
    expect(node.handler.idle).to.equal(true);
  });

  it('is rejected when not even its dead letter can be stored: the broker keeps the message', () => {
    const { clock, bus, db, dead, node } = start({ react: onlyPoison });
    db.exec("CREATE TRIGGER no_dead_letters BEFORE INSERT ON journal BEGIN SELECT raise(ABORT, 'no'); END");
    const delivery = bus.deliverEvent(poison);
    clock.advance(60_000);
    expect({ acks: delivery.acks(), rejects: delivery.rejects() }).to.deep.equal({ acks: 0, rejects: 1 });
    expect(dead()).to.deep.equal([]);
    expect(node.handler.idle).to.equal(true);
  });

  it('is not acked while it is being tried', () => {
    const { clock, bus } = start({ react: onlyPoison });
    const delivery = bus.deliverEvent(poison);
    clock.turn();
    clock.advance(40);
    expect(delivery.acks()).to.equal(0);
  });

  it('leaves no trace of the attempts: the redriven message takes effect', () => {
    let broken = true;
    const { clock, bus, balance } = start({
      react: () => {
        if (broken) throw new Error('for now');
      },
    });
    bus.deliverEvent(poison);
    clock.advance(60_000);
    expect(balance()).to.equal(10 * placed.total);
    broken = false;
    bus.deliverEvent(poison);
    clock.turn();
    expect(balance()).to.equal(9 * placed.total);
  });

  it('succeeds at the third attempt and is not dead-lettered', () => {
    let attempts = 0;
    const { clock, bus, balance, dead } = start({
      react: () => {
        attempts += 1;
        if (attempts < 3) throw new Error('not yet');
      },
    });
    const delivery = bus.deliverEvent(poison);
    clock.advance(60_000);
    expect(delivery.acks()).to.equal(1);
    expect(balance()).to.equal(9 * placed.total);
    expect(dead()).to.deep.equal([]);
  });

  it('holds nobody up: 99 others of the same group take effect in that group', () => {
    const { clock, bus, db } = start({ react: onlyPoison });
    const deliveries = Array.from({ length: 100 }, (_, n) =>
      bus.deliverEvent(n === 50 ? poison : order(String(1000 + n))),
    );
    clock.turn();
    expect(deliveries.filter(({ acks }) => acks() === 1)).to.have.lengthOf(99);
    expect(deliveries[50]?.acks()).to.equal(0);
    expect(db.prepare('SELECT count(*) FROM payments').pluck().get()).to.equal(99);
  });
});

describe('a message that cannot be read', () => {
  const good = eventOf('order.placed');
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  const poisons: readonly [what: string, body: Buffer, contentType: string | undefined, cause: string][] = [
    ['not JSON', Buffer.from('{"id":'), undefined, 'not-json'],
    ['empty', Buffer.alloc(0), undefined, 'not-json'],
    ['1 MiB of zeros', Buffer.alloc(messageBytesMax), undefined, 'not-json'],
    ['nested 6,000 deep', Buffer.from(`${'['.repeat(6_000)}${']'.repeat(6_000)}`), undefined, 'too-deep'],
    [
      'a batch of 2,000',
      Buffer.from(`[${Array.from({ length: 2_000 }, () => '{}').join()}]`),
      cloudEventBatchContentType,
      'too-many-events',
    ],
    ['of another content type', json(good), 'text/plain', 'wrong-content-type'],
    ['JSON of another shape', json({ hello: 'world' }), undefined, 'not-a-cloudevent'],
    ['of an unknown type', json({ ...good, type: 'order.eaten' }), undefined, 'unknown-type'],
    ['of a type that this service does not subscribe to', json(eventOf('product.updated')), undefined, 'unknown-type'],
    [
      'of a newer major version',
      json({ ...good, dataschema: 'urn:choreography-saga:order.placed:2' }),
      undefined,
      'newer-version',
    ],
    ['from another service than it says', json({ ...good, source: 'inventory-service' }), undefined, 'wrong-source'],
    ['with wrong data', json({ ...good, data: { ...good.data, total: -1 } }), undefined, 'wrong-data'],
  ];

  for (const [what, body, contentType, cause] of poisons)
    it(`is dead-lettered at once with its cause and acked, and the next one is handled: ${what}`, () => {
      const { clock, bus, dead, answers, db } = start();
      const before = contentOf(db);
      const delivery = bus.deliver(body, { messageId: 'm-1', ...(contentType ? { contentType } : {}) });
      clock.turn();
      expect(delivery.acks()).to.equal(1);
      const [letter, ...more] = dead();
      expect(more).to.deep.equal([]);
      expect(letter?.headers).to.include({
        'x-cause': cause,
        'x-original-content-type': contentType ?? 'application/cloudevents+json',
      });
      expect(letter?.headers?.['x-detail'], 'x-detail').to.be.a('string').with.property('length').within(1, 1_000);
      expect(letter?.body.equals(body), 'the very bytes').to.equal(true);
      const { journal: _dead, inbox: seen, ...after } = contentOf(db);
      const { journal: _none, inbox: _empty, ...rest } = before;
      expect(after).to.deep.equal(rest);
      expect(seen, 'what is an event is known as dead-lettered').to.have.lengthOf(
        letter?.headers?.['x-original-message-id'] === 'm-1' ? 0 : 1,
      );

      const next = bus.deliverEvent(order('1'));
      clock.turn();
      expect(next.acks()).to.equal(1);
      bus.answerOpen('confirmed');
      expect(answers()).to.have.lengthOf(1);
    });

  it('has no content type at all: the dead letter says so', () => {
    const { clock, bus, dead } = start();
    bus.deliver(Buffer.from('x'), { contentType: undefined });
    clock.turn();
    expect(dead()[0]?.headers).to.include({ 'x-cause': 'wrong-content-type', 'x-original-message-id': '' });
    expect(dead()[0]?.contentType).to.equal('application/octet-stream');
  });
});

describe('a message that is too large to be stored', () => {
  it('is rejected at one byte above 1 MiB, and nothing of it is stored: the broker dead-letters it as it is', () => {
    const { clock, bus, dead, db, node } = start();
    const before = contentOf(db);
    const delivery = bus.deliver(Buffer.alloc(messageBytesMax + 1));
    clock.turn();
    expect({ acks: delivery.acks(), rejects: delivery.rejects() }).to.deep.equal({ acks: 0, rejects: 1 });
    expect(dead()).to.deep.equal([]);
    expect(contentOf(db)).to.deep.equal(before);
    expect(node.handler.tally).to.include({ delivered: 1, deadLettered: 1 });
    expect(node.handler.idle).to.equal(true);
  });
});

describe('an event that contradicts what is known', () => {
  it('is dead-lettered at the first attempt, and recognised as known', () => {
    const attempts = new Set<number>();
    const { clock, bus, dead, node } = start({
      react: () => {
        attempts.add(clock.nowMs());
        throw new ContradictoryEventError('another amount');
      },
    });
    const event = order('1');
    const delivery = bus.deliverEvent(event);
    clock.advance(60_000);
    expect([attempts.size, delivery.acks()]).to.deep.equal([1, 1]);
    expect(dead().map(({ headers }) => headers?.['x-cause'])).to.deep.equal(['contradictory']);
    expect(node.handler.tally).to.include({ handled: 0, deadLettered: 1, duplicates: 0 });
  });
});

describe('an event about something unknown', () => {
  const unknownUntil = (known: () => boolean) => () => {
    if (!known()) throw new UnknownSubjectError('order 1 is not known here');
  };

  it('is retried, and handled once that is known, without being counted as failed', () => {
    let known = false;
    const { clock, bus, balance, dead } = start({ react: unknownUntil(() => known) });
    const delivery = bus.deliverEvent(order('1'));
    clock.advance(60_000);
    expect({ acks: delivery.acks(), dead: dead().length }).to.deep.equal({ acks: 0, dead: 0 });
    known = true;
    clock.advance(5_000);
    expect(delivery.acks()).to.equal(1);
    expect(balance()).to.equal(9 * placed.total);
    expect(dead()).to.deep.equal([]);
  });

  it('holds nobody up meanwhile', () => {
    const { clock, bus, balance } = start({
      react: (event) => {
        if (event.data.orderId.endsWith('1')) throw new UnknownSubjectError('order 1 is not known here');
      },
    });
    bus.deliverEvent(order('1'));
    const other = bus.deliverEvent(order('2'));
    clock.turn();
    expect(other.acks()).to.equal(1);
    expect(balance()).to.equal(9 * placed.total);
  });

  it('is dead-lettered after the 30th attempt, about two minutes later, and its message is acked', () => {
    const attempts = new Set<number>();
    const { clock, bus, dead } = start({
      react: () => {
        attempts.add(clock.nowMs());
        throw new UnknownSubjectError('order 1 is not known here');
      },
    });
    const delivery = bus.deliverEvent(order('1'));
    clock.advance(100_000);
    expect(delivery.acks()).to.equal(0);
    clock.advance(60_000);
    expect([attempts.size, delivery.acks()]).to.deep.equal([30, 1]);
    expect(dead().map(({ headers }) => headers?.['x-cause'])).to.deep.equal(['unknown-subject']);
  });
});

describe('a redriven event that is still about something unknown', () => {
  it('is dead-lettered again within a second: it has waited before, and others want its place', () => {
    const { clock, bus, dead } = start({
      react: () => {
        throw new UnknownSubjectError('order 1 is not known here');
      },
    });
    const event = order('1');
    bus.deliverEvent(event);
    clock.advance(160_000);
    expect(dead()).to.have.lengthOf(1);
    const again = bus.deliverEvent(event);
    clock.advance(1_000);
    expect(again.acks()).to.equal(1);
    expect(dead()).to.have.lengthOf(2);
  });
});

describe('the id of an answer', () => {
  it('is made from its cause, so that a restored database publishes the same event again', () => {
    const [one, other] = [start(), start()];
    const event = order('1');
    for (const { bus, clock } of [one, other]) {
      bus.deliverEvent(event);
      clock.turn();
    }
    const [first, second] = [one, other].map(({ answers }) => answers()[0]?.messageId);
    expect(first)
      .to.equal(causedEventId(event.id, 'payment-service', 'payment.completed'))
      .and.to.equal(second);
  });
});

describe('more events than are taken in hand', () => {
  it('are decoded 512 at a time, and all handled in the end', () => {
    let started = 0;
    const { clock, bus, node, store } = start({
      react: () => {
        started += 1;
      },
    });
    const deliveries = Array.from({ length: 2_000 }, (_, n) => bus.deliverEvent(order(String(10_000 + n))));
    expect(node.handler.tally.delivered).to.equal(512);
    clock.turn();
    expect(deliveries.filter(({ acks }) => acks() === 1)).to.have.lengthOf(2_000);
    expect(started).to.equal(2_000);
    expect(store.totals().charged).to.equal(10 * placed.total);
    expect(node.handler.idle).to.equal(true);
  });
});

describe('a transient error', () => {
  it('acks nothing while it lasts, dead-letters nothing, and goes on by itself when it is over', () => {
    const { clock, bus, db, balance, dead, node } = start();
    db.pragma('query_only = 1');
    const deliveries = ['1', '2', '3'].map((tail) => bus.deliverEvent(order(tail)));
    const unreadable = bus.deliver(Buffer.from('x'));
    clock.advance(600_000);
    expect([...deliveries, unreadable].map(({ acks }) => acks())).to.deep.equal([0, 0, 0, 0]);
    expect(node.handler.idle).to.equal(false);
    db.pragma('query_only = 0');
    clock.advance(5_000);
    expect([...deliveries, unreadable].map(({ acks }) => acks())).to.deep.equal([1, 1, 1, 1]);
    expect(balance()).to.equal(7 * placed.total);
    expect(dead()).to.have.lengthOf(1);
    expect(node.handler.tally).to.include({ delivered: 4, handled: 3, deadLettered: 1, duplicates: 0 });
    expect(node.handler.idle).to.equal(true);
  });

  it('that one event alone meets, while others get through, has it dead-lettered; one that all meet does not', () => {
    const poison = order('666');
    const { clock, bus, dead } = start({
      react: ({ subject }) => {
        if (subject === poison.subject) throw new TransientError('disk I/O error');
      },
    });
    const delivery = bus.deliverEvent(poison);
    clock.advance(600_000);
    expect(delivery.acks(), 'nothing else has got through').to.equal(0);
    for (let count = 0; count < 60 && delivery.acks() === 0; count += 1) {
      bus.deliverEvent(order(String(1000 + count)));
      clock.advance(1_000);
    }
    expect(delivery.acks()).to.equal(1);
    expect(dead().map(({ headers }) => headers?.['x-cause'])).to.deep.equal(['storage-failed']);
  });

  it('of a full disk has nothing dead-lettered, also when others get through', () => {
    const large = order('666');
    let full = true;
    const { clock, bus, dead } = start({
      react: ({ subject }) => {
        if (full && subject === large.subject) throw new Sqlite.SqliteError('database or disk is full', 'SQLITE_FULL');
      },
    });
    const delivery = bus.deliverEvent(large);
    for (let count = 0; count < 60; count += 1) {
      bus.deliverEvent(order(String(1000 + count)));
      clock.advance(1_000);
    }
    expect(delivery.acks()).to.equal(0);
    full = false;
    clock.advance(5_000);
    expect(delivery.acks()).to.equal(1);
    expect(dead()).to.deep.equal([]);
  });

  it('that one event meets while only duplicates get through does not have it dead-lettered: they write nothing', () => {
    const refused = order('666');
    const { clock, bus, dead } = start({
      react: ({ subject }) => {
        if (subject === refused.subject) throw new TransientError('disk I/O error');
      },
    });
    const known = order('1');
    bus.deliverEvent(known);
    clock.advance(1_000);
    const delivery = bus.deliverEvent(refused);
    for (let count = 0; count < 60; count += 1) {
      const again = bus.deliverEvent(known);
      clock.advance(1_000);
      expect(again.acks()).to.equal(1);
    }
    expect(delivery.acks()).to.equal(0);
    expect(dead()).to.deep.equal([]);
  });

  it('takes up what is delivered meanwhile', () => {
    const { clock, bus, db, balance } = start();
    db.pragma('query_only = 1');
    const early = bus.deliverEvent(order('1'));
    clock.advance(2_500);
    const late = bus.deliverEvent(order('2'));
    clock.advance(100);
    db.pragma('query_only = 0');
    clock.advance(5_000);
    expect([early.acks(), late.acks()]).to.deep.equal([1, 1]);
    expect(balance()).to.equal(8 * placed.total);
  });

  it('is not counted as a failure of the reaction, however often it is met', () => {
    let full = true;
    const { clock, bus, balance, dead } = start({
      react: () => {
        if (full) throw new TransientError('disk full');
      },
    });
    bus.deliverEvent(order('1'));
    clock.advance(600_000);
    full = false;
    clock.advance(5_000);
    expect(balance()).to.equal(9 * placed.total);
    expect(dead()).to.deep.equal([]);
  });

  it('rejects a command with it, and nothing of that is stored', async () => {
    const { clock, db, node } = start();
    const before = contentOf(db);
    db.pragma('query_only = 1');
    const answer = node.transact((tx) => putAccount(node.parts.store, tx, 'bob', { balance: 1 }), node.newCause());
    clock.turn();
    expect(await answer.catch((error: Error) => error.name)).to.equal('TransientError');
    db.pragma('query_only = 0');
    expect(contentOf(db)).to.deep.equal(before);
  });
});

describe('a node that is stopped', () => {
  it('acks nothing more and reacts to nothing more', () => {
    const { clock, bus, balance, node } = start();
    node.stop();
    const delivery = bus.deliverEvent(order('1'));
    clock.advance(60_000);
    expect(delivery.acks()).to.equal(0);
    expect(balance()).to.equal(10 * placed.total);
  });
});
