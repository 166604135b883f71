// How often the broker is asked for the depths of the queues.
import { expect } from 'chai';
import { askAgainMs, QueueDepths } from '../../shared/runtime/http/metrics/queue-depths.ts';
import { FakeBus } from '../support/fake-bus.ts';
import { HandClock } from '../support/hand-clock.ts';

describe('the depths of the queues', () => {
  it('are asked for again after five seconds, and not a millisecond sooner', () => {
    const [bus, clock] = [new FakeBus(), new HandClock()];
    const depths = new QueueDepths(bus, clock);
    bus.deadLettersWaiting = 1;
    expect(depths.read().deadLetters).to.equal(1);
    bus.deadLettersWaiting = 2;
    clock.advance(askAgainMs - 1);
    expect(depths.read().deadLetters).to.equal(1);
    clock.advance(1);
    expect(depths.read().deadLetters).to.equal(2);
    expect(bus.deadLetterQuestions).to.equal(2);
  });

  it('are not asked for when nobody reads them', () => {
    const [bus, clock] = [new FakeBus(), new HandClock()];
    new QueueDepths(bus, clock).read();
    clock.advance(100 * askAgainMs);
    expect(bus.deadLetterQuestions).to.equal(1);
  });

  it('are what the broker said last, until it has answered again; unknown once it cannot be asked', () => {
    const [bus, clock] = [new FakeBus(), new HandClock()];
    const depths = new QueueDepths(bus, clock);
    bus.waiting = 5;
    depths.read();
    let answer: (messages: number | undefined) => void = () => {};
    bus.backlog = (done) => {
      answer = done;
    };
    clock.advance(askAgainMs);
    expect(depths.read().queue).to.equal(5);
    answer(undefined);
    expect(depths.read().queue).to.equal(undefined);
  });
});
