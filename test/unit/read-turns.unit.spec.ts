// Reads share the event loop: a few milliseconds in each turn.
import { expect } from 'chai';
import { ProblemError } from '../../shared/runtime/http/problem.ts';
import { type Reader, ReadTurns, restFactor, turnMs, waitMsMax } from '../../shared/runtime/http/read-turns.ts';
import { HandClock } from '../support/hand-clock.ts';

describe('reads', () => {
  let clock: HandClock;
  let turns: ReadTurns;
  let done: string[];
  beforeEach(() => {
    clock = new HandClock();
    turns = new ReadTurns(clock);
    done = [];
  });

  /** Asks for a read that takes so long. */
  const ask = (name: string, tookMs: number, reader: Reader = 'customers', isGone = () => false) =>
    turns.run(reader, isGone, () => {
      clock.advanceWithin(tookMs);
      done.push(name);
      return name;
    });
  const seen = () => done.splice(0).join();

  it('are done at once, one after the other, while there is time in the turn', () => {
    expect(ask('a', turnMs - 1)).to.equal('a');
    expect(ask('b', 5)).to.equal('b');
    expect(seen()).to.equal('a,b');
  });

  it('wait for the next turn when ten milliseconds are over, and for the one after when those of that are', async () => {
    ask('a', turnMs);
    const answers = [ask('b', turnMs - 1), ask('c', 1), ask('d', 1)];
    expect(seen()).to.equal('a');
    clock.turnOnce();
    expect(seen()).to.equal('b,c');
    clock.turnOnce();
    expect(seen()).to.equal('d');
    expect(await Promise.all(answers)).to.deep.equal(['b', 'c', 'd']);
  });

  it('do not overtake those that wait', () => {
    ask('a', turnMs);
    void ask('b', turnMs);
    void ask('c', turnMs);
    clock.turnOnce();
    void ask('d', 0);
    expect(seen()).to.equal('a,b');
    clock.turn();
    expect(seen()).to.equal('c,d');
  });

  it('are done at once again when nothing has arrived for a turn', () => {
    ask('a', turnMs);
    turns.arrived();
    void ask('b', 0);
    clock.turnOnce();
    expect(seen(), 'something has arrived').to.equal('a');
    clock.turnOnce();
    expect(seen()).to.equal('b');
    clock.advance(restFactor * turnMs);
    expect(ask('c', 0)).to.equal('c');
  });

  it('rest for twice the time that they took while something arrives in every turn', () => {
    ask('a', 7);
    void ask('b', 4);
    void ask('c', 0);
    turns.arrived();
    clock.turnOnce();
    for (let restMs = 0; restMs < restFactor * 11; restMs += 1) {
      expect(seen(), `after ${restMs} ms`).to.equal(restMs === 0 ? 'a,b' : '');
      turns.arrived();
      clock.turnOnce();
      clock.advanceWithin(1);
    }
    turns.arrived();
    clock.turnOnce();
    expect(seen()).to.equal('c');
  });

  it('that come one after the other to an idle loop do not rest', () => {
    ask('a', 7);
    clock.turn();
    turns.arrived();
    void ask('b', 7);
    clock.turnOnce();
    clock.turnOnce();
    expect(seen()).to.equal('a,b');
  });

  it('of services and of customers take turns, and neither waits for all of the others', () => {
    ask('first', turnMs);
    for (const name of ['c1', 'c2', 'c3']) void ask(name, turnMs);
    void ask('s1', turnMs, 'services');
    clock.turnOnce();
    clock.turnOnce();
    expect(seen()).to.equal('first,s1,c1');
    clock.turn();
    expect(seen()).to.equal('c2,c3');
  });

  it('are refused while the first has waited for a second, and those of the other kind are not', () => {
    ask('a', turnMs);
    void ask('b', 0);
    clock.advanceWithin(waitMsMax - 1);
    void ask('c', 0);
    clock.advanceWithin(1);
    expect(() => ask('d', 0)).to.throw(ProblemError, 'more requests come');
    void ask('s', 0, 'services');
    clock.turn();
    expect(seen()).to.equal('a,s,b,c');
    clock.advance(restFactor * turnMs);
    expect(ask('e', 0)).to.equal('e');
  });

  it('are left out when nobody waits for them any more', async () => {
    ask('a', turnMs);
    const gone = ask('b', 0, 'customers', () => true);
    const refused = Promise.resolve(gone).catch((error: unknown) => error);
    clock.turn();
    expect(await refused).to.be.instanceOf(ProblemError);
    expect(seen()).to.equal('a');
  });

  it('that fail fail for whoever asked, and the others are done', async () => {
    ask('a', turnMs);
    const failing = turns.run<string>(
      'customers',
      () => false,
      () => {
        throw new Error('locked');
      },
    );
    const failed = Promise.resolve(failing).catch((error: unknown) => String(error));
    void ask('b', 0);
    clock.turn();
    expect(await failed).to.equal('Error: locked');
    expect(seen()).to.equal('a,b');
  });
});
