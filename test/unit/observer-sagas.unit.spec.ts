// How the observer folds events into sagas, what it expects next, and that it remembers only so many.
import { expect } from 'chai';
import fc from 'fast-check';
import { contractMapOf } from '../../observer/model/contract-map.ts';
import { Disagreements } from '../../observer/sagas/disagreements.ts';
import { nextSteps } from '../../observer/sagas/next-steps.ts';
import { chartSeconds, Rates } from '../../observer/sagas/rates.ts';
import { Saga } from '../../observer/sagas/saga.ts';
import { SagaBook } from '../../observer/sagas/saga-book.ts';
import { sagaDetail } from '../../observer/sagas/saga-detail.ts';
import { glimpse, Sampler } from '../../observer/sagas/sampler.ts';
import { type SeenEvent, seenEvent } from '../../observer/sagas/seen-event.ts';
import { choreography, type EventType } from '../../shared/contract/choreography.ts';
import { eventOf, orderId, samples } from '../support/events.ts';
import { endings } from '../support/sagas.ts';

const map = contractMapOf(choreography);
const nowMs = Date.UTC(2030, 0, 1);
const urls = { order: 'http://localhost:3001' };

/** A saga's events, each caused by the one named. */
function chain(...links: readonly (readonly [type: EventType, cause?: EventType])[]): SeenEvent[] {
  const ids = new Map<string, string>();
  return links.map(([type, cause], index) => {
    const time = new Date(nowMs + index * 5).toISOString();
    const causationid = cause === undefined ? 'a-request' : (ids.get(cause) ?? 'unknown');
    const event = eventOf(type, samples[type], { time, causationid });
    ids.set(type, event.id);
    return seenEvent(JSON.stringify(event), nowMs) as SeenEvent;
  });
}

function sagaOf(events: readonly SeenEvent[]): Saga {
  const saga = new Saga(orderId, map);
  for (const event of events) saga.add(event);
  return saga;
}

const rolledBack = chain(
  ['order.placed'],
  ['payment.completed', 'order.placed'],
  ['inventory.rejected', 'payment.completed'],
  ['payment.refunded', 'inventory.rejected'],
  ['order.cancelled', 'payment.refunded'],
);

describe('what the observer expects next', () => {
  const expected = (events: readonly SeenEvent[]) =>
    nextSteps(map, events).map(({ kind, service, events: outcomes }) => `${kind} ${service}: ${outcomes.join(' or ')}`);

  it('after an order is placed: payment-service must publish one of two events', () => {
    expect(expected(rolledBack.slice(0, 1))).to.deep.equal([
      'must payment-service: payment.completed or payment.failed',
    ]);
  });

  it('after the payment: inventory-service must publish one of two events', () => {
    expect(expected(rolledBack.slice(0, 2))).to.deep.equal([
      'must inventory-service: inventory.reserved or inventory.rejected',
    ]);
  });

  it('after missing stock: payment-service must refund, and order-service may cancel', () => {
    expect(expected(rolledBack.slice(0, 3))).to.deep.equal([
      'must payment-service: payment.refunded',
      'may order-service: order.cancelled',
    ]);
  });

  it('after a withdrawal: both must answer, and the payment that was asked for before may still come', () => {
    const events = chain(['order.placed'], ['order.withdrawn']);
    expect(expected(events)).to.deep.equal([
      'must payment-service: payment.refunded or payment.voided',
      'must inventory-service: inventory.released or inventory.voided',
      'may payment-service: payment.completed or payment.failed',
    ]);
  });

  it('after the end: nothing', () => {
    expect(expected(rolledBack)).to.deep.equal([]);
  });

  it('shows the rest of the way to a confirmed order while that is possible, and never after a failure', () => {
    const [first] = nextSteps(map, rolledBack.slice(0, 1));
    expect(first?.ahead).to.deep.equal(['inventory.reserved', 'order.confirmed']);
    for (const step of nextSteps(map, chain(['order.placed'], ['order.withdrawn'])))
      expect(step.ahead).not.to.include('order.confirmed');
  });

  it('on every way that a saga can go, is what comes, and of a service that reacts', () => {
    for (const { facts } of endings) {
      // order.withdrawn has a trigger of its own; every other event was expected, certainly or possibly.
      for (let known = 1; known < facts.length; known += 1) {
        const events = facts.slice(0, known).map((type) => chain([type])[0] as SeenEvent);
        const next = facts[known] as EventType;
        const steps = nextSteps(map, events);
        for (const { service, events: outcomes } of steps)
          for (const outcome of outcomes) expect(map.events.get(outcome)?.by, outcome).to.equal(service);
        if (map.events.get(next)?.trigger) continue;
        expect(
          steps.flatMap((step) => step.events),
          `after ${facts.slice(0, known).join(', ')}`,
        ).to.include(next);
      }
    }
  });
});

describe('a saga that the observer folds', () => {
  it('is the same in whatever order its events arrive, and however often', () => {
    const whole = sagaOf(rolledBack).row(nowMs);
    fc.assert(
      fc.property(fc.shuffledSubarray([...rolledBack, ...rolledBack], { minLength: 10 }), (events) => {
        expect(sagaOf(events).row(nowMs)).to.deep.equal(whole);
      }),
    );
    expect(whole).to.include({
      state: 'cancelled',
      reason: 'out_of_stock',
      steps: 5,
      compensations: 1,
      endedAt: nowMs + 20,
    });
  });

  it('is running, undoing, then cancelled; and says why as soon as it fails', () => {
    const states = [1, 3, 5].map((known) => sagaOf(rolledBack.slice(0, known)).row(nowMs));
    expect(states.map(({ state }) => state)).to.deep.equal(['running', 'undoing', 'cancelled']);
    expect(states.map(({ reason }) => reason)).to.deep.equal([undefined, 'inventory.rejected', 'out_of_stock']);
  });

  it('shows which step each compensation undoes, what came again, and what came after the end', () => {
    const again = chain(['payment.voided'])[0] as SeenEvent;
    const late = { ...again, eventId: 'late', atMs: nowMs + 500 };
    const { steps } = sagaDetail(map, sagaOf([...rolledBack, again, late]), urls, nowMs);
    const completed = steps.find(({ type }) => type === 'payment.completed');
    expect(steps.find(({ type }) => type === 'payment.refunded')?.undoesId).to.equal(completed?.eventId);
    const voided = steps.filter(({ type }) => type === 'payment.voided');
    expect(voided.map((step) => step.repeated)).to.deep.equal([false, true]);
    expect(voided.map((step) => step.late)).to.deep.equal([false, true]);
  });

  it('puts each event after its cause, also where the clock of another service is behind', () => {
    const [placed, paid] = chain(['order.placed'], ['payment.completed', 'order.placed']) as [SeenEvent, SeenEvent];
    const { steps } = sagaDetail(map, sagaOf([{ ...paid, atMs: nowMs - 5_000 }, placed]), urls, nowMs);
    expect(steps.map(({ type }) => type)).to.deep.equal(['order.placed', 'payment.completed']);
  });

  it('quotes foreign text in the curl lines, so that a shell does nothing with it', () => {
    const hostile = "x';touch /tmp/pwned;'";
    const placed = eventOf('order.placed', { ...samples['order.placed'], userId: hostile });
    const { requests } = sagaDetail(map, sagaOf([seenEvent(JSON.stringify(placed), nowMs) as SeenEvent]), urls, nowMs);
    expect(requests[0]?.curl).to.include(`"userId":"x'\\'';touch /tmp/pwned;'\\''"`);
  });

  it('links its trace where there is an address for that', () => {
    const trace = 'http://localhost:16686/trace/{traceId}?uiFind=order';
    const { traceId } = sagaDetail(map, sagaOf(rolledBack), urls, nowMs);
    expect(traceId).to.match(/^[0-9a-f]{32}$/);
    expect(sagaDetail(map, sagaOf(rolledBack), { ...urls, trace }, nowMs).traceUrl).to.equal(
      `http://localhost:16686/trace/${traceId}?uiFind=order`,
    );
    expect(sagaDetail(map, sagaOf(rolledBack), urls, nowMs)).to.not.have.property('traceUrl');
  });

  it('disagrees when it was cancelled and nothing has undone a step, but only once all should be here', () => {
    const unrefunded = chain(['order.placed'], ['payment.completed', 'order.placed'], ['order.cancelled']);
    expect(sagaOf(unrefunded).row(nowMs).disagreement).to.equal(undefined);
    expect(sagaOf(unrefunded).row(nowMs + 60_000).disagreement).to.equal(
      'it was cancelled, but nothing has undone payment.completed',
    );
    expect(sagaOf(rolledBack).row(nowMs + 60_000).disagreement).to.equal(undefined);
  });
});

describe('what the observer leaves out', () => {
  it('is nothing up to 500 events a second; then whole sagas, one in two, four or eight', () => {
    const sampler = new Sampler();
    const ids = Array.from({ length: 8_000 }, (_, n) => orderId.slice(0, -4) + n.toString(16).padStart(4, '0'));
    const kept = (count: number, atMs: number) => ids.slice(0, count).filter((id) => sampler.keeps(id, atMs));
    expect(kept(250, 0)).to.have.length(250);
    expect(kept(251, 500), 'as many as in the half second before').to.have.length(251);
    const first = kept(2_000, 1_000);
    expect(first).to.have.length(1_000);
    expect(kept(2_000, 1_500)).to.deep.equal(ids.slice(0, 2_000).filter((_, n) => n % 8 === 0));
    expect(kept(100, 60_000), 'after a pause').to.have.length(100);
  });

  it('is still counted, by what its text says first', () => {
    const cancelled = eventOf('order.cancelled', {
      ...samples['order.cancelled'],
      userId: '","reason":"none","time":"x',
    });
    expect(glimpse('order.cancelled', JSON.stringify(cancelled))).to.deep.equal({
      type: 'order.cancelled',
      subject: orderId,
      atMs: Date.UTC(2030, 0, 1),
      reason: 'out_of_stock',
    });
  });
});

describe('the memory of the observer', function () {
  this.timeout(60_000);

  it('holds as many sagas as it may after 200,000, the last ones, and those that have not ended', () => {
    const sagasMax = 500;
    const book = new SagaBook(map, sagasMax);
    const rates = new Rates(map);
    const disagreements = new Disagreements();
    const [placed, cancelled] = chain(['order.placed'], ['order.cancelled']) as [SeenEvent, SeenEvent];
    const open = { ...placed, subject: 'open' };
    book.add(open);
    for (let n = 1; n <= 200_000; n += 1) {
      for (const event of [placed, cancelled]) {
        const seen = { ...event, subject: `order-${n}`, eventId: `${event.eventId}-${n}`, atMs: nowMs + n };
        const saga = book.add(seen);
        rates.count(seen, nowMs + n);
        if (saga) disagreements.changed(saga, nowMs + n);
      }
      if (book.size > sagasMax) expect.fail(`it holds ${book.size} sagas`);
    }
    expect(book.size).to.be.greaterThan(sagasMax * 0.8);
    expect(book.get('order-200000')).to.not.equal(undefined);
    expect(book.get('order-100000')).to.equal(undefined);
    expect(book.get('open')?.final).to.equal(undefined);
    expect(book.get('open')).to.not.equal(undefined);
    expect(rates.chart(nowMs + 200_000).started).to.have.length(chartSeconds);
  });

  it('counts sagas by second and by reason, and those of one second more than the chart holds not at all', () => {
    const rates = new Rates(map);
    const at = (event: SeenEvent, atMs: number) => ({ ...event, atMs });
    const [placed, , , , cancelled] = rolledBack as [SeenEvent, SeenEvent, SeenEvent, SeenEvent, SeenEvent];
    rates.count(at(placed, nowMs - 1_000), nowMs);
    rates.count(at(cancelled, nowMs - 1_000), nowMs);
    rates.count(at(placed, nowMs - chartSeconds * 1_000), nowMs);
    const chart = rates.chart(nowMs);
    expect(chart.started.at(-2)).to.equal(1);
    expect(chart.started.reduce((sum, value) => sum + value)).to.equal(1);
    expect(rates.reasons(nowMs)).to.deep.equal([{ reason: 'out_of_stock', count: 1 }]);
  });
});
