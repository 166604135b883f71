// A unit of work: what it publishes, under which ids, and who hears of it once it is on disk.
import { expect } from 'chai';
import { choreography } from '../../shared/contract/choreography.ts';
import type { CloudEvent } from '../../shared/contract/cloud-event.ts';
import { causedEventId } from '../../shared/contract/event-id.ts';
import type { Span, Tracing } from '../../shared/runtime/messaging/tracing.ts';
import { newCause, type Transaction, UnitsOfWork } from '../../shared/runtime/messaging/unit-of-work.ts';
import { UnitTraces } from '../../shared/runtime/messaging/unit-traces.ts';
import { runtimeSchema } from '../../shared/runtime/node/runtime-schema.ts';
import { openDatabase, TransientError } from '../../shared/runtime/storage/database.ts';
import { GroupCommit } from '../../shared/runtime/storage/group-commit.ts';
import { Journal } from '../../shared/runtime/storage/journal.ts';
import { eventOf, samples } from '../support/events.ts';
import { HandClock } from '../support/hand-clock.ts';

const cancelled = { type: 'order.cancelled', data: samples['order.cancelled'] };
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const cause = { causationId: eventOf('payment.failed').id, traceparent, tracestate: 'shop=basket' };

/** @param tracing left out: nothing is traced */
function start(tracing?: Tracing) {
  const clock = new HandClock();
  const db = openDatabase(':memory:', [runtimeSchema.inboxAndOutbox, runtimeSchema.journal]);
  const journal = new Journal(db);
  const commit = new GroupCommit(db, clock);
  commit.join(journal);
  const inside: string[] = [];
  const units = new UnitsOfWork({
    contract: choreography,
    member: 'order-service.a',
    journal,
    commit,
    clock,
    published: ({ id }) => void inside.push(id),
    traces: tracing && new UnitTraces({ tracing, contract: choreography, service: 'payment-service', db, commit }),
  });
  const submit = (run: (tx: Transaction) => unknown, eventId?: (type: string) => string) => {
    const results: boolean[] = [];
    units.submit({ lane: 'event', cause, run, ...(eventId ? { eventId } : {}) }, ({ ok }) => results.push(ok));
    return results;
  };
  return { clock, journal, commit, units, submit, inside, stored: () => journal.after(0, 10) };
}

describe('a unit of work', () => {
  it('publishes its events in its own name, with its cause, trace and position, and stores the very event', () => {
    const { clock, submit, stored } = start();
    const events: CloudEvent[] = [];
    submit((tx) => events.push(tx.publish(cancelled), tx.publish(cancelled)));
    clock.turn();
    expect(events[1]).to.include({
      source: 'order-service.a',
      type: 'order.cancelled',
      subject: samples['order.cancelled'].orderId,
      time: '2030-01-01T00:00:00.000Z',
      causationid: cause.causationId,
      traceparent,
      tracestate: 'shop=basket',
      sequence: '0000000000000002',
    });
    expect(stored().map(({ body }) => JSON.parse(body.toString()))).to.deep.equal(events);
    expect(stored().map(({ eventId, type, subject }) => ({ eventId, type, subject }))).to.deep.equal(
      events.map(({ id, type, subject }) => ({ eventId: id, type, subject })),
    );
  });

  it('gives an event the id that was asked for, or that of a reaction to another cause, or a new one', () => {
    const { clock, submit, stored } = start();
    const [asked, other] = [eventOf('order.placed').id, eventOf('payment.completed').id];
    submit(
      (tx) => {
        tx.publish(cancelled);
        tx.publish(cancelled, other);
      },
      (type) => (type === 'order.cancelled' ? asked : ''),
    );
    submit((tx) => tx.publish(cancelled));
    clock.turn();
    const [first, second, third] = stored();
    expect(first?.eventId).to.equal(asked);
    expect(second?.eventId).to.equal(causedEventId(other, 'order-service', 'order.cancelled'));
    expect(JSON.parse(second?.body.toString() ?? '')).to.include({ causationid: other });
    expect([asked, second?.eventId]).to.not.include(third?.eventId);
  });

  it('has the time of its transaction, and steady time beside it, which a jump of the wall clock does not move', () => {
    const { clock, submit } = start();
    const seen: object[] = [];
    clock.jump(3_600_000);
    submit(({ nowMs, now, steadyMs }) => seen.push({ nowMs, now, steadyMs }));
    clock.turn();
    const startMs = Date.UTC(2030, 0, 1);
    expect(seen).to.deep.equal([{ nowMs: startMs + 3_600_000, now: '2030-01-01T01:00:00.000Z', steadyMs: startMs }]);
  });

  it('is reported with its events once it is on disk, each once though it ran twice, after it was called back itself', () => {
    const { clock, units, submit, inside } = start();
    const order: string[] = [];
    const unsubscribe = units.onPublished(({ id }) => order.push(id));
    units.submit({ lane: 'event', cause, run: (tx) => tx.publish(cancelled) }, () => order.push('done'));
    // The failing neighbour has the group run again, with savepoints.
    submit(() => {
      throw new Error('undone');
    });
    clock.turn();
    expect(order).to.deep.equal(['done', inside.at(-1)]);
    unsubscribe();
    submit((tx) => tx.publish(cancelled));
    clock.turn();
    expect(order).to.have.lengthOf(2);
    expect(inside).to.have.lengthOf(3);
  });

  it('has a span of its commit when it is traced and on disk, and makes ids of its own', () => {
    let commits = 0;
    const commit = () => {
      commits += 1;
    };
    const span: Span = { context: { traceparent }, retried() {}, linkTo() {}, end() {}, fail() {} };
    const tracing: Tracing = { request: () => span, publish: () => span, handle: () => span, commit };
    const { clock, submit } = start(tracing);
    submit((tx) => {
      tx.publish(cancelled);
      throw new Error('undone');
    });
    clock.turn();
    expect(commits).to.equal(0);
    const ids: string[] = [];
    submit((tx) => {
      ids.push(tx.newId(), tx.newId());
      return tx.publish(cancelled);
    });
    clock.turn();
    expect(commits).to.equal(1);
    expect(new Set(ids.filter((id) => /^[0-9a-f-]{36}$/.test(id))).size).to.equal(2);
  });

  it('is not reported when it was undone, by itself or with its group', () => {
    const { clock, units, submit, stored } = start();
    let reports = 0;
    units.onPublished(() => {
      reports += 1;
    });
    const own = submit((tx) => {
      tx.publish(cancelled);
      throw new Error('undone');
    });
    clock.turn();
    const full = (): never => {
      throw new TransientError('the disk is full');
    };
    const first = submit((tx) => {
      tx.publish(cancelled);
      full();
    });
    const second = submit(full);
    clock.turn();
    expect([own, first, second]).to.deep.equal([[false], [false], [false]]);
    expect([reports, stored()]).to.deep.equal([0, []]);
  });

  it('is reported once when its group was undone and it was not', () => {
    const { clock, units, submit, stored } = start();
    const reported: string[] = [];
    units.onPublished(({ id }) => reported.push(id));
    const first = submit((tx) => tx.publish(cancelled));
    submit(() => {
      throw new TransientError('the disk is full');
    });
    clock.turn();
    expect(first).to.deep.equal([true]);
    expect(reported).to.have.lengthOf(1);
    expect(stored()).to.have.lengthOf(1);
  });
});

describe('the cause of what no event led to', () => {
  it('begins a trace of its own, in the form of W3C Trace Context', () => {
    const clock = new HandClock();
    const [one, other] = [newCause('request', clock), newCause('request', clock)];
    expect(one.causationId).to.equal('request');
    expect(one.traceparent).to.match(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(one.traceparent).to.not.equal(other.traceparent);
  });
});
