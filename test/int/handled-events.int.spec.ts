// What the event handler keeps an account of: what came of each event, what the broker has delivered, what is its own, and
// what it has fetched from a journal.
import Sqlite from 'better-sqlite3';
import { expect } from 'chai';
import { orderService } from '../../order-service/service.ts';
import {
  type CloudEvent,
  cloudEventBatchContentType,
  encodeBatch,
  encodeEvent,
} from '../../shared/contract/cloud-event.ts';
import { messageBytesMax } from '../../shared/contract/read-message.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import type { JournalReader } from '../../shared/runtime/messaging/journal-queries.ts';
import { ContradictoryEventError, UnknownSubjectError } from '../../shared/runtime/messaging/reaction.ts';
import type { Span, TracedHandling, Tracing } from '../../shared/runtime/messaging/tracing.ts';
import { ServiceNode } from '../../shared/runtime/node/service-node.ts';
import { openDatabase, TransientError } from '../../shared/runtime/storage/database.ts';
import { eventOf, samples } from '../support/events.ts';
import { FakeBus } from '../support/fake-bus.ts';
import { HandClock } from '../support/hand-clock.ts';
import { orderOf as order, startPayments as start } from '../support/payment-node.ts';

const placed = samples['order.placed'];

/** Has a reaction find something wrong with this event. */
function refuse(event: CloudEvent, error: Error) {
  return ({ id }: CloudEvent) => {
    if (id === event.id) throw error;
  };
}

function reasons(dead: ReturnType<ReturnType<typeof start>['dead']>) {
  return dead.map(({ headers }) => headers?.['x-cause']);
}

describe('the tally of a service', () => {
  it('holds each event once, by its type and by what came of it', () => {
    const wrong = order('9');
    const { clock, bus, node } = start({ react: refuse(wrong, new ContradictoryEventError('another amount')) });
    const [known, late] = [order('1'), order('2')];
    const withdrawn = eventOf('order.withdrawn', { ...samples['order.withdrawn'], orderId: late.subject });
    for (const event of [known, known, known, withdrawn, late, wrong]) bus.deliverEvent(event);
    bus.deliver(Buffer.from('x'));
    clock.advance(1_000);
    const { outcomes, duplicateTypes, deadLetterReasons } = node.handler.tally;
    expect(node.handler.tally).to.include({
      delivered: 7,
      own: 0,
      handled: 3,
      duplicates: 2,
      deadLettered: 2,
      reconciled: 0,
    });
    expect(Object.fromEntries(outcomes)).to.deep.equal({
      'order.placed -> payment.completed': 1,
      'order.withdrawn -> payment.voided': 1,
      'order.placed -> fenced': 1,
    });
    expect(Object.fromEntries(duplicateTypes)).to.deep.equal({ 'order.placed': 2 });
    expect(Object.fromEntries(deadLetterReasons)).to.deep.equal({
      'order.placed -> contradictory': 1,
      'unreadable -> not-json': 1,
    });
  });

  it('knows the highest position that the broker has delivered, of each publisher', () => {
    const { clock, bus, node } = start();
    for (const event of [order('1', 7), order('2', 3), order('3')]) bus.deliverEvent(event);
    clock.turn();
    expect(node.handler.deliveredPosition('order-service')).to.equal(7);
    expect(node.handler.deliveredPosition('inventory-service')).to.equal(0);
  });

  it('goes with one line in the log for each event that was handled, and an error for each dead letter', () => {
    const lines: string[] = [];
    const write = (level: string) => (fields: object, message: string) =>
      void lines.push(`${level} ${'outcome' in fields ? fields.outcome : message}`);
    const wrong = order('9');
    const { clock, bus } = start({
      log: { ...silentLog, info: write('info'), error: write('error') },
      react: refuse(wrong, new ContradictoryEventError('another amount')),
    });
    for (const event of [order('1'), order('2')]) bus.deliverEvent(event);
    clock.turn();
    lines.push('and then');
    bus.deliver(Buffer.from('x'));
    bus.deliverEvent(wrong);
    clock.turn();
    expect(lines).to.deep.equal([
      'info payment.completed',
      'info payment.completed',
      'and then',
      'error dead-lettered: this message cannot be handled',
      'error a reaction threw',
      'error dead-lettered: this message cannot be handled',
    ]);
  });
});

describe('a dead letter', () => {
  it('says why in 500 characters at most, and has 255 of a foreign content type; it is about what its event is about', () => {
    const wrong = order('1');
    const { clock, bus, dead, node } = start({ react: refuse(wrong, new ContradictoryEventError('x'.repeat(600))) });
    bus.deliverEvent(wrong);
    clock.turn();
    bus.deliver(Buffer.from('x'), { contentType: `text/${'y'.repeat(300)}` });
    clock.turn();
    const [contradictory, foreign] = dead().map(({ headers }) => headers);
    expect(contradictory?.['x-detail']).to.equal(`ContradictoryEventError: ${'x'.repeat(600)}`.slice(0, 500));
    expect(contradictory?.['x-dead-lettered-at']).to.equal('2030-01-01T00:00:00.000Z');
    expect(foreign?.['x-original-content-type']).to.equal(`text/${'y'.repeat(250)}`);
    const subjects = node.journal.after(0, 10).map(({ subject }) => subject);
    expect(subjects).to.deep.equal([wrong.subject, '']);
  });
});

describe('an event that a service has published itself, and that its queue brings back', () => {
  function published() {
    const run = start();
    run.bus.deliverEvent(order('1'));
    run.clock.turn();
    const [answer] = run.answers();
    if (!answer) expect.fail('payment-service has published nothing');
    return { ...run, own: JSON.parse(answer.body.toString()) as CloudEvent };
  }

  it('is acked and left alone, whether it comes alone or beside one of others', () => {
    const { clock, bus, dead, node, own, balance } = published();
    const alone = bus.deliverEvent(own);
    const beside = bus.deliver(encodeBatch([own, order('2')].map(encodeEvent)), {
      contentType: cloudEventBatchContentType,
    });
    expect([alone.acks(), beside.acks()], 'the other one is not handled yet').to.deep.equal([1, 0]);
    clock.turn();
    expect([alone.acks(), beside.acks()]).to.deep.equal([1, 1]);
    expect(node.handler.tally).to.include({ own: 2, delivered: 2, handled: 2 });
    expect(node.handler.deliveredPosition('payment-service')).to.equal(0);
    expect(balance()).to.equal(8 * placed.total);
    expect(dead()).to.deep.equal([]);
    expect(node.handler.idle).to.equal(true);
  });

  it('is not its own when its journal has another event in that place, or none: its database was lost', () => {
    const { clock, bus, dead, node, own } = published();
    bus.deliverEvent({ ...own, id: order('2').id });
    bus.deliverEvent({ ...own, sequence: '0000000000000099' });
    const { sequence: _none, ...withoutPosition } = own;
    bus.deliverEvent(withoutPosition);
    clock.turn();
    expect(node.handler.tally.own).to.equal(0);
    expect(reasons(dead())).to.deep.equal(['unknown-type', 'unknown-type', 'unknown-type']);
  });
});

describe('an event from which nothing follows', () => {
  it('waits 25 ms for others to join in one transaction; one from which something may follow does not wait', () => {
    const clock = new HandClock();
    const bus = new FakeBus();
    const db = openDatabase(':memory:', orderService.migrations);
    let tried = 0;
    const warn = () => {
      tried += 1;
    };
    new ServiceNode(orderService, { db, bus, clock, log: { ...silentLog, warn } }).start();
    clock.turn();
    const note = bus.deliverEvent(eventOf('product.updated'));
    clock.advance(24);
    expect(note.acks()).to.equal(0);
    clock.advance(1);
    expect(note.acks()).to.equal(1);
    tried = 0;
    bus.deliverEvent(eventOf('payment.failed'));
    clock.turn();
    expect(tried, 'its order is not known').to.equal(1);
  });
});

describe('a transient error', () => {
  it('has all that waits tried again together, however many wait', () => {
    const { clock, bus, db } = start();
    db.pragma('query_only = 1');
    bus.deliverEvent(order('1'));
    clock.turn();
    const timers = clock.pending;
    for (const tail of ['2', '3']) bus.deliverEvent(order(tail));
    clock.turn();
    expect(clock.pending).to.equal(timers);
  });

  it('is met with the shortest delay again once something has been written in between', () => {
    const { clock, bus, db } = start();
    db.pragma('query_only = 1');
    bus.deliverEvent(order('1'));
    clock.advance(10_000);
    db.pragma('query_only = 0');
    clock.advance(1_000);
    db.pragma('query_only = 1');
    const second = bus.deliverEvent(order('2'));
    clock.advance(1);
    db.pragma('query_only = 0');
    clock.advance(98);
    expect(second.acks()).to.equal(0);
    clock.advance(1);
    expect(second.acks()).to.equal(1);
  });

  it('has no event dead-lettered that meets it fewer than 20 times, also when others get through', () => {
    const unlucky = order('666');
    let failures = 19;
    const { clock, bus, dead } = start({
      react: ({ id }) => {
        if (id !== unlucky.id || failures === 0) return;
        failures -= 1;
        throw new TransientError('disk I/O error');
      },
    });
    const delivery = bus.deliverEvent(unlucky);
    for (let count = 0; count < 60; count += 1) {
      bus.deliverEvent(order(String(1000 + count)));
      clock.advance(1_000);
    }
    expect(delivery.acks()).to.equal(1);
    expect(dead()).to.deep.equal([]);
  });
});

describe('a full disk', () => {
  it('is not held against an event that has met other transient errors before, while nothing else got through', () => {
    const unlucky = order('666');
    let error: Error = new TransientError('disk I/O error');
    const { clock, bus, dead } = start({
      react: ({ id }) => {
        if (id === unlucky.id) throw error;
      },
    });
    const delivery = bus.deliverEvent(unlucky);
    clock.advance(60_000);
    error = new Sqlite.SqliteError('database or disk is full', 'SQLITE_FULL');
    clock.advance(1_000);
    for (let count = 0; count < 30; count += 1) {
      bus.deliverEvent(order(String(1000 + count)));
      clock.advance(1_000);
    }
    expect(delivery.acks()).to.equal(0);
    expect(dead()).to.deep.equal([]);
  });
});

describe('a stopped event handler', () => {
  it('does not try again what meets a transient error while it stops, and acks nothing that comes later', () => {
    const { clock, bus, db, node, answers, balance } = start();
    const known = bus.deliverEvent(order('1'));
    clock.turn();
    const own = JSON.parse(answers()[0]?.body.toString() ?? '') as CloudEvent;
    db.pragma('query_only = 1');
    const waiting = [bus.deliverEvent(order('2'))];
    node.stop();
    clock.turn();
    waiting.push(bus.deliverEvent(own), bus.deliverEvent(own, { returns: 3 }));
    db.pragma('query_only = 0');
    clock.advance(60_000);
    expect([known, ...waiting].map(({ acks }) => acks())).to.deep.equal([1, 0, 0, 0]);
    expect(balance()).to.equal(9 * placed.total);
  });

  it('tries nothing again of what waited for a transient error to pass, or for its next attempt', () => {
    const failing = order('666');
    let attempts = 0;
    const { clock, bus, db, node, balance } = start({
      react: ({ id }) => {
        if (id !== failing.id) return;
        attempts += 1;
        throw new Error('for now');
      },
    });
    const waiting = [bus.deliverEvent(failing)];
    clock.turn();
    const before = attempts;
    db.pragma('query_only = 1');
    waiting.push(bus.deliverEvent(order('1')));
    clock.turn();
    node.stop();
    db.pragma('query_only = 0');
    clock.advance(60_000);
    expect(waiting.map(({ acks }) => acks())).to.deep.equal([0, 0]);
    expect(attempts).to.equal(before);
    expect(balance()).to.equal(10 * placed.total);
  });

  it('leaves to the next run what fails while it stops, unhandled and not rejected', () => {
    const run = start();
    run.db.exec("CREATE TRIGGER no_dead_letters BEFORE INSERT ON journal BEGIN SELECT raise(ABORT, 'no'); END");
    const delivery = run.bus.deliver(Buffer.from('x'));
    run.node.stop();
    run.clock.advance(60_000);
    expect({ acks: delivery.acks(), rejects: delivery.rejects() }).to.deep.equal({ acks: 0, rejects: 0 });
  });

  it('decodes nothing more of what waits to be taken in hand', () => {
    const { clock, bus, node } = start();
    const deliveries = Array.from({ length: 600 }, (_, n) => bus.deliverEvent(order(String(1000 + n))));
    node.stop();
    clock.advance(60_000);
    expect(node.handler.tally.delivered).to.equal(512);
    expect(deliveries.slice(512).map(({ acks }) => acks())).to.not.include(1);
  });
});

describe('events that are fetched from a journal', () => {
  const source = 'order-service';
  const pageOf = (...events: readonly CloudEvent[]) =>
    events.map((event, index) => ({ body: encodeEvent(event), eventId: event.id, position: index + 1 }));

  function fetching() {
    const run = start();
    let done = 0;
    const fetch = (page: ReturnType<typeof pageOf>) =>
      run.node.handler.handleFetched(source, page, () => {
        done += 1;
      });
    return { ...run, fetch, done: () => done };
  }

  it('are handled, and their end is reported once, when all are', () => {
    const { clock, fetch, done, node, balance } = fetching();
    fetch(pageOf(order('1'), order('2'), order('3')));
    expect(done()).to.equal(0);
    clock.advance(1_000);
    expect(done()).to.equal(1);
    expect(balance()).to.equal(7 * placed.total);
    expect(node.handler.tally).to.include({ delivered: 0, handled: 3, reconciled: 3 });
    expect(node.handler.deliveredPosition(source), 'the broker has delivered nothing').to.equal(0);
    expect(node.handler.idle).to.equal(true);
  });

  it('are left alone where they were dead-lettered here: those wait for a redrive', () => {
    const dead = order('1', 1);
    const run = fetching();
    const refused = { ...dead, data: { ...dead.data, total: -1 } };
    run.bus.deliver(encodeEvent(refused));
    run.clock.turn();
    run.fetch([{ body: encodeEvent(refused), eventId: dead.id, position: 1 }]);
    run.clock.advance(1_000);
    const deadLetters = run.dead().length;
    run.fetch([{ body: encodeEvent(dead), eventId: dead.id, position: 1 }]);
    expect(run.done(), 'nothing was left to do').to.equal(2);
    run.clock.advance(1_000);
    expect(run.dead()).to.have.lengthOf(deadLetters);
    expect(run.balance()).to.equal(10 * placed.total);
  });

  it('are dead-lettered when they cannot be read, with what their journal knows of them', () => {
    const { clock, fetch, done, dead, db } = fetching();
    const [unreadable, tooLarge] = [order('1'), order('2')];
    fetch([
      { body: Buffer.from('x'), eventId: unreadable.id, position: 1 },
      { body: Buffer.alloc(messageBytesMax + 1), eventId: tooLarge.id, position: 2 },
    ]);
    clock.advance(1_000);
    expect(done()).to.equal(1);
    expect(reasons(dead())).to.deep.equal(['not-json', 'too-large']);
    expect(dead()[0]?.headers).to.include({
      'x-original-exchange': 'order.events',
      'x-original-routing-key': '',
      'x-original-message-id': unreadable.id,
    });
    expect(db.prepare('SELECT position, dead_letter FROM inbox ORDER BY position').raw().all()).to.deep.equal([
      [1, 1],
      [2, 1],
    ]);
  });

  it('are dead-lettered with their type as routing key when they contradict what is known', () => {
    const wrong = order('1');
    const run = start({ react: refuse(wrong, new ContradictoryEventError('another amount')) });
    run.node.handler.handleFetched(source, pageOf(wrong), () => {});
    run.clock.advance(1_000);
    expect(run.dead()[0]?.headers).to.include({ 'x-cause': 'contradictory', 'x-original-routing-key': 'order.placed' });
  });

  it('end also when not even a dead letter of them can be stored: there is no message to reject', () => {
    const { clock, fetch, done, db, node } = fetching();
    db.exec("CREATE TRIGGER no_dead_letters BEFORE INSERT ON journal BEGIN SELECT raise(ABORT, 'no'); END");
    fetch([{ body: Buffer.from('x'), eventId: order('1').id, position: 1 }]);
    clock.advance(60_000);
    expect(done()).to.equal(1);
    expect(node.handler.idle).to.equal(true);
    expect([...node.handler.tally.deadLetterReasons]).to.deep.equal([['unreadable -> cannot-be-stored', 1]]);
  });

  it('are handled at once when those of another publisher are in hand: no crash is held against them', () => {
    const { clock, node, balance } = fetching();
    const withdrawn = eventOf('inventory.rejected', { ...samples['inventory.rejected'], orderId: order('1').subject });
    node.handler.handleFetched(source, pageOf(order('1')), () => {});
    node.handler.handleFetched('inventory-service', pageOf(withdrawn), () => {});
    clock.turn();
    expect(node.handler.tally.handled).to.equal(2);
    expect(balance()).to.equal(10 * placed.total);
  });
});

describe('a named instance', () => {
  it('subscribes to the events of its peers; a service without instances does not', () => {
    const confirmed = { ...eventOf('order.confirmed'), source: 'order-service.b' };
    const outcomes = ['a', undefined].map((instance) => {
      const clock = new HandClock();
      const bus = new FakeBus();
      const db = openDatabase(':memory:', orderService.migrations);
      const environment = { db, bus, clock, log: silentLog, ...(instance ? { instance } : {}) };
      const node = new ServiceNode(orderService, environment);
      node.start();
      bus.deliverEvent(confirmed);
      clock.advance(1_000);
      return [...node.handler.tally.deadLetterReasons.keys()];
    });
    expect(outcomes).to.deep.equal([[], ['order.confirmed -> unknown-type']]);
  });
});

describe('the span of an event', () => {
  function traced(react: (event: CloudEvent) => void = () => {}) {
    const handlings: TracedHandling[] = [];
    const ends: string[] = [];
    const span: Span = {
      context: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-00000000000000aa-01' },
      retried: (detail) => void ends.push(`retried: ${detail}`),
      linkTo() {},
      end: (outcome) => void ends.push(outcome),
      fail: (reason) => void ends.push(`failed: ${reason}`),
    };
    const handle = (handling: TracedHandling) => {
      handlings.push(handling);
      return span;
    };
    const tracing: Tracing = { request: () => span, publish: () => span, handle, commit() {} };
    return { ...start({ tracing, react }), handlings, ends };
  }

  it('says whence the event came, and is where its answer goes on', () => {
    const { clock, bus, node, answers, handlings } = traced();
    const [delivered, fetched] = [order('1'), order('2')];
    bus.deliverEvent(delivered, { redelivered: true });
    bus.deliver(Buffer.from('no event, so no span'));
    node.handler.handleFetched(
      'order-service',
      [{ body: encodeEvent(fetched), eventId: fetched.id, position: 2 }],
      () => {},
    );
    clock.turn();
    const common = { exchange: 'order.events', routingKey: 'order.placed', queue: 'payment-service' };
    expect(handlings).to.deep.equal(
      [delivered, fetched].map(({ id, subject, traceparent }, index) => ({
        ...common,
        eventId: id,
        subject,
        parent: { traceparent, tracestate: undefined },
        redelivered: index === 0,
        fetched: index === 1,
      })),
    );
    const [answer] = answers().map(({ body }) => JSON.parse(body.toString()) as CloudEvent);
    expect(answer?.traceparent).to.match(/00000000000000aa/);
  });

  it('ends with the outcome, after the attempts that failed', () => {
    let broken = true;
    const { clock, bus, ends } = traced(() => {
      if (broken) throw new Error('not yet');
    });
    bus.deliverEvent(order('1'));
    clock.turn();
    broken = false;
    clock.advance(1_000);
    expect(ends.filter((end) => end !== 'confirmed')).to.deep.equal(['retried: Error: not yet', 'payment.completed']);
  });

  it('fails with the reason of a dead letter, and shows a transient error', () => {
    const wrong = order('1');
    const { clock, bus, db, ends } = traced(refuse(wrong, new ContradictoryEventError('another amount')));
    db.pragma('query_only = 1');
    bus.deliverEvent(wrong);
    clock.turn();
    db.pragma('query_only = 0');
    clock.advance(1_000);
    expect(ends[0]).to.match(/^retried: .*readonly/);
    expect(ends).to.include('failed: contradictory');
  });
});

describe('an event about something unknown', () => {
  it('has what is missing looked for in the journals at once', () => {
    let asked = 0;
    const away = new Error('connect ECONNREFUSED');
    const digests: JournalReader['digests'] = (_query, done) => {
      asked += 1;
      done(away);
    };
    const [orphan, wrong] = [order('1'), order('9')];
    const { clock, bus } = start({
      journals: { 'order-service': { digests, ids: (_query, done) => done(away), events: (_at, done) => done(away) } },
      react: (event) => {
        refuse(orphan, new UnknownSubjectError('its order is not known here'))(event);
        refuse(wrong, new ContradictoryEventError('another amount'))(event);
      },
    });
    const before = asked;
    for (const event of [order('2'), wrong]) bus.deliverEvent(event);
    clock.turn();
    expect(asked, 'nothing is unknown yet').to.equal(before);
    bus.deliverEvent(orphan);
    clock.turn();
    expect(asked).to.equal(before + 1);
  });
});
