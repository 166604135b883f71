// Who is let in when more requests come than can be worked on.
import { expect } from 'chai';
import { Admission, burstMax, burstMs, crowdMin, overloadMax } from '../../shared/runtime/http/admission.ts';
import { HandClock } from '../support/hand-clock.ts';

/** A change that is in work until it is ended. */
function change(admission: Admission): () => void {
  let end = (): void => {};
  void admission.during(
    new Promise<void>((resolve) => {
      end = resolve;
    }),
  );
  return end;
}

describe('the admission of requests', () => {
  let clock: HandClock;
  let admission: Admission;
  beforeEach(() => {
    clock = new HandClock();
    admission = new Admission(clock);
  });

  /** One turn of the event loop in which so many requests come. @returns how many of them were let in */
  function turn(requests: number, changes = false): number {
    let admitted = 0;
    for (let count = 0; count < requests; count += 1) if (!admission.refuses(changes)) admitted += 1;
    clock.turn();
    return admitted;
  }

  /** The same crowd in every turn, for longer than a burst. */
  function overload(): void {
    turn(crowdMin);
    clock.advance(burstMs);
    turn(crowdMin);
  }

  it(`lets a burst of ${burstMax} in, and refuses the next one of the same turn`, () => {
    expect(turn(burstMax + 1)).to.equal(burstMax);
    expect(turn(1)).to.equal(1);
  });

  it(`lets ${overloadMax} a turn in when a crowd has lasted for ${burstMs} ms, and not a millisecond earlier`, () => {
    turn(crowdMin);
    clock.advance(burstMs - 1);
    expect(turn(burstMax)).to.equal(burstMax);
    clock.advance(1);
    turn(crowdMin);
    expect(turn(burstMax)).to.equal(overloadMax);
  });

  it('does not take two bursts with a calm turn in between for an overload', () => {
    turn(burstMax);
    clock.advance(burstMs / 2);
    turn(crowdMin - 1);
    clock.advance(burstMs / 2);
    expect(turn(burstMax)).to.equal(burstMax);
    expect(turn(burstMax)).to.equal(burstMax);
  });

  it('counts changes until they are done, and goes on with reads while changes hang', async () => {
    const ends = Array.from({ length: crowdMin }, () => change(admission));
    turn(1);
    clock.advance(burstMs);
    turn(1);
    expect(turn(1, true)).to.equal(0);
    expect(turn(1, false)).to.equal(1);
    for (const end of ends.slice(overloadMax - 1)) end();
    await new Promise((resolve) => setImmediate(resolve));
    expect(turn(1, true)).to.equal(1);
  });

  it(`is over when nobody was refused for ${burstMs} ms`, () => {
    overload();
    expect(turn(overloadMax + 1)).to.equal(overloadMax);
    clock.advance(burstMs - 1);
    turn(1);
    expect(admission.overloaded).to.equal(true);
    clock.advance(1);
    turn(1);
    expect(admission.overloaded).to.equal(false);
    expect(turn(burstMax)).to.equal(burstMax);
  });
});
