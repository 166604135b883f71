// Messages that do not get through: which one is tried, when, and how many wait behind it.
import { expect } from 'chai';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import { PublishRetries } from '../../shared/runtime/messaging/publish-retries.ts';
import { HandClock } from '../support/hand-clock.ts';

const key = 'order.placed';

function start() {
  const clock = new HandClock();
  const startMs = clock.nowMs();
  const broker = { away: false };
  const tried: [position: number, afterMs: number][] = [];
  let warnings = 0;
  const retries = new PublishRetries({
    clock,
    log: {
      ...silentLog,
      warn: () => {
        warnings += 1;
      },
    },
    tryAgain: (position) => {
      if (broker.away) return false;
      tried.push([position, clock.nowMs() - startMs]);
      return true;
    },
  });
  return { clock, broker, tried, retries, warnings: () => warnings };
}

describe('messages of a routing key that do not get through', () => {
  it('are tried by the oldest of them alone, later and later, up to 5 s apart', () => {
    const { clock, retries, tried } = start();
    for (const position of [7, 6, 8]) retries.failed(key, position, false);
    for (let attempt = 0; attempt < 7; attempt += 1) {
      clock.advance(5_000);
      retries.failed(key, 6, false);
    }
    expect(tried.map(([position]) => position)).to.deep.equal(Array(7).fill(6));
    const late = start();
    const delays: number[] = [];
    for (let before = 0, attempt = 0; attempt < 7; attempt += 1) {
      late.retries.failed(key, 1, false);
      while (late.tried.length === attempt) late.clock.advance(100);
      const [, atMs] = late.tried.at(-1) ?? [0, 0];
      delays.push(atMs - before);
      before = atMs;
    }
    expect(delays).to.deep.equal([200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  });

  it('are counted with those that wait behind them, each once, as long as they are unroutable', () => {
    const { clock, retries, warnings } = start();
    retries.failed(key, 5, true);
    retries.failed(key, 6, true);
    retries.wait(key);
    retries.wait('order.confirmed');
    expect(retries.unroutable()).to.deep.equal({ [key]: 3 });
    clock.advance(200);
    retries.failed(key, 5, true);
    expect(retries.unroutable(), 'tried again').to.deep.equal({ [key]: 3 });
    expect(warnings()).to.equal(1);
    retries.failed(key, 5, false);
    expect(retries.unroutable(), 'refused for another reason').to.deep.equal({});
    retries.failed(key, 5, true);
    expect(retries.unroutable()).to.deep.equal({ [key]: 3 });
    expect(warnings(), 'unroutable once more').to.equal(2);
  });

  it('hold up theirs and no others, until the oldest has got through', () => {
    const { clock, retries } = start();
    retries.failed(key, 5, true);
    retries.failed(key, 6, true);
    expect([retries.blocks(key), retries.blocks('order.confirmed')]).to.deep.equal([true, false]);
    expect(retries.passed('order.confirmed', 5)).to.equal(false);
    expect(retries.passed(key, 6)).to.equal(false);
    expect(retries.blocks(key)).to.equal(true);
    expect(retries.passed(key, 5)).to.equal(true);
    expect([retries.blocks(key), retries.unroutable(), clock.pending]).to.deep.equal([false, {}, 0]);
  });

  it('are tried as soon as there is a broker again when they were due without one, and then soon again', () => {
    const { clock, retries, tried, broker } = start();
    retries.failed(key, 5, false);
    retries.resume();
    expect(tried, 'not due yet').to.deep.equal([]);
    broker.away = true;
    clock.advance(60_000);
    retries.resume();
    broker.away = false;
    expect(tried).to.deep.equal([]);
    retries.resume();
    retries.resume();
    expect(tried).to.deep.equal([[5, 60_000]]);
    retries.failed(key, 5, false);
    clock.advance(399);
    expect(tried).to.have.lengthOf(1);
    clock.advance(1);
    expect(tried).to.have.lengthOf(2);
  });

  it('are not tried after a stop', () => {
    const { clock, retries, tried } = start();
    retries.failed(key, 5, false);
    retries.stop();
    expect(clock.pending).to.equal(0);
    clock.advance(60_000);
    expect(tried).to.deep.equal([]);
  });
});
