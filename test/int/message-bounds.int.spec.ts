// P10: whatever a message holds, it costs little: memory, dead letters and log lines are bounded.
import { expect } from 'chai';
import {
  cloudEventBatchContentType,
  cloudEventContentType,
  encodeBatch,
  encodeEvent,
} from '../../shared/contract/cloud-event.ts';
import type { Log } from '../../shared/runtime/environment/log.ts';
import { orderOf, startPayments } from '../support/payment-node.ts';

function countingLog() {
  const counts = { lines: 0, bytes: 0, leftOut: 0 };
  const write = (fields: object, message: string): void => {
    counts.lines += 1;
    counts.bytes += JSON.stringify({ ...fields, message }).length;
    if ('leftOut' in fields) counts.leftOut += Number(fields.leftOut);
  };
  const log: Log = { debug: () => {}, info: write, warn: write, error: write };
  return { log, counts };
}

describe('P10 Bad input: a message without measure', () => {
  it('of 100,000 elements in 200 kB is one dead letter with a clear reason', () => {
    const { bus, clock, dead } = startPayments();
    bus.autoAnswer = 'confirmed';
    const body = Buffer.from(`[${Array.from({ length: 100_000 }, () => '1').join(',')}]`);
    expect(body.length).to.be.greaterThan(199_000);
    const delivery = bus.deliver(body, { contentType: cloudEventBatchContentType });
    clock.turn();
    expect(delivery.acks()).to.equal(1);
    expect(dead()).to.have.lengthOf(1);
    expect(dead()[0]?.body.equals(body)).to.equal(true);
    expect(dead()[0]?.headers).to.include({
      'x-cause': 'too-many-events',
      'x-detail': 'a batch may hold 1000 events, not 100000',
    });
  });

  for (const [what, mebibytes] of [
    ['an object of 12 MB', 12],
    ['100 MB', 100],
  ] as const)
    it(`of ${what} is neither parsed nor stored: the broker moves it, and it is said why`, () => {
      const { log, counts } = countingLog();
      const { bus, clock, db, node } = startPayments({ log });
      Object.assign(counts, { lines: 0 });
      const size = () => Number(db.pragma('page_count', { simple: true }));
      const before = size();
      const body = Buffer.alloc(mebibytes * 1_000_000, 'x');
      body.write('{"a":"');
      const delivery = bus.deliver(body, { contentType: cloudEventContentType });
      clock.turn();
      expect([delivery.acks(), delivery.rejects()]).to.deep.equal([0, 1]);
      expect(size()).to.equal(before);
      expect(node.handler.tally.deadLetterReasons.get('unreadable -> too-large')).to.equal(1);
      expect(counts.lines).to.equal(1);
    });

  for (const [what, poison] of [
    ['that are no events', () => Buffer.from('nonsense')],
    [
      'that contradict what is known',
      (count: number) =>
        encodeEvent({ ...orderOf('1'), id: `01900000-0000-7000-9000-${String(count).padStart(12, '0')}` }),
    ],
  ] as const)
    it(`of 10,000 ${what} writes a few log lines a second, with the count of the others`, () => {
      const { log, counts } = countingLog();
      const { bus, clock, node } = startPayments({ log });
      bus.deliverEvent(orderOf('1'));
      clock.turn();
      Object.assign(counts, { lines: 0, bytes: 0 });
      for (let count = 0; count < 10_000; count += 1) {
        bus.deliver(poison(count));
        if (count % 100 === 0) clock.turn();
      }
      clock.turn();
      clock.advance(1_000);
      expect(node.handler.tally.deadLettered).to.equal(10_000);
      expect(counts.lines).to.be.lessThan(50);
      expect(counts.bytes).to.be.lessThan(20_000);
      expect(counts.leftOut).to.be.at.least(10_000 - 10);
    });
});

describe('a batch of one event', () => {
  it('is a batch: its dead letter holds the event, as an event', () => {
    const { bus, clock, dead } = startPayments();
    const event = { ...orderOf('1'), dataschema: 'urn:choreography-saga:order.placed:2' };
    bus.deliver(encodeBatch([encodeEvent(event)]), { contentType: cloudEventBatchContentType });
    clock.turn();
    const [letter] = dead();
    expect(letter?.headers).to.include({
      'x-cause': 'newer-version',
      'x-original-content-type': cloudEventContentType,
    });
    expect(JSON.parse(letter?.body.toString() ?? '')).to.deep.equal(event);
  });
});
