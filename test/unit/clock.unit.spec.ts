// Backoff, and the clock and ids of a real process.
import { expect } from 'chai';
import fc from 'fast-check';
import { z } from 'zod';
import { backoffMs, isoTime, systemClock } from '../../shared/runtime/environment/clock.ts';

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
