// Backoff, and the clock and ids of a real process.
import { expect } from 'chai';
import fc from 'fast-check';
import { z } from 'zod';
import { backoffMs, isoTime, SteadyTime, systemClock } from '../../shared/runtime/environment/clock.ts';

describe('the waiting time before another attempt', () => {
  it('is the shortest before the first, and doubles', () => {
    expect([1, 2, 3, 4].map((attempt) => backoffMs(attempt, 100, 5_000))).to.deep.equal([100, 200, 400, 800]);
  });

  it('stops at the longest, exactly', () => {
    expect(backoffMs(6, 100, 3_200)).to.equal(3_200);
    expect(backoffMs(6, 100, 3_199)).to.equal(3_199);
    expect(backoffMs(7, 100, 3_200)).to.equal(3_200);
  });

  it('is finite, within its bounds and never shorter than before, however often it was tried', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 }), fc.integer({ min: 1, max: 60_000 }), (attempt, minMs) => {
        const delayMs = backoffMs(attempt, minMs, 60_000);
        expect(delayMs).to.be.within(minMs, 60_000);
        expect(backoffMs(attempt + 1, minMs, 60_000)).to.be.at.least(delayMs);
      }),
    );
  });
});

describe('the clock of a process', () => {
  it('writes times as ISO 8601 in UTC, with milliseconds', () => {
    expect(isoTime(0)).to.equal('1970-01-01T00:00:00.000Z');
  });

  it('gives ids that are UUIDs of version 7 and ascend, also within one millisecond', () => {
    const ids = Array.from({ length: 5_000 }, () => systemClock.newId());
    for (const id of ids) z.uuidv7().parse(id);
    expect(ids).to.deep.equal([...new Set(ids)].sort());
  });

  it('does not run what was cancelled, and runs soon before after', async () => {
    const ran: string[] = [];
    systemClock.after(0, () => ran.push('cancelled')).cancel();
    await new Promise<void>((resolve) => {
      systemClock.soon(() => ran.push('soon'));
      systemClock.after(20, () => {
        ran.push('after');
        resolve();
      });
      // Its own timers keep no process alive.
      const alive = setInterval(() => {}, 5);
      systemClock.after(25, () => clearInterval(alive));
    });
    expect(ran).to.deep.equal(['soon', 'after']);
  });

  it('takes a delay of a year for a long one, not for none', () => {
    let ran = false;
    const timer = systemClock.after(365 * 86_400_000, () => {
      ran = true;
    });
    return new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve))).then(() => {
      timer.cancel();
      expect(ran).to.equal(false);
    });
  });
});

describe('the steady time of a process', () => {
  function steady() {
    const at = { wallMs: 1_000_000, elapsedMs: 5 };
    const time = new SteadyTime(
      () => at.wallMs,
      () => at.elapsedMs,
    );
    const pass = (wallMs: number, elapsedMs: number): number => {
      at.wallMs += wallMs;
      at.elapsedMs += elapsedMs;
      return time.nowMs();
    };
    return { pass };
  }

  it('is the wall clock, and follows it when it is adjusted by up to a second', () => {
    const { pass } = steady();
    expect(pass(0, 0)).to.equal(1_000_000);
    expect(pass(3_000, 2_000)).to.equal(1_003_000);
    expect(pass(1_000, 2_000)).to.equal(1_004_000);
  });

  it('leaves out every jump of more than a second, either way', () => {
    const { pass } = steady();
    expect(pass(3_602_000, 2_000)).to.equal(1_002_000);
    expect(pass(2_000, 2_000)).to.equal(1_004_000);
    expect(pass(-7_198_000, 2_000)).to.equal(1_006_000);
    expect(pass(4_000, 2_000)).to.equal(1_008_000);
  });

  it('follows a clock that is off by less than a thousandth for a week', () => {
    const { pass } = steady();
    const weekMs = 7 * 86_400_000;
    expect(pass(weekMs + weekMs / 2_000, weekMs)).to.equal(1_000_000 + weekMs + weekMs / 2_000);
  });
});
