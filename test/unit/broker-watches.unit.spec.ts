// A broker that keeps the connection and does nothing is noticed.
import { expect } from 'chai';
import { ConfirmWatch, confirmTimeoutMs } from '../../shared/runtime/rabbitmq/confirm-watch.ts';
import { ConsumerWatch, silentMsMax } from '../../shared/runtime/rabbitmq/consumer-watch.ts';

describe('confirms that do not come', () => {
  it('are a fault after half a minute, and not a millisecond earlier', () => {
    const watch = new ConfirmWatch();
    watch.published(0, 1_000);
    watch.published(1, 20_000);
    expect(watch.look(1, 1_000 + confirmTimeoutMs - 1)).to.equal(false);
    expect(watch.silent).to.equal(false);
    expect(watch.look(1, 1_000 + confirmTimeoutMs)).to.equal(true);
    expect(watch.silent).to.equal(true);
  });

  it('are no fault while one comes now and then, or while nothing waits', () => {
    const watch = new ConfirmWatch();
    watch.published(0, 0);
    for (let number = 1; number <= 5; number += 1) {
      watch.answered(number, number * (confirmTimeoutMs - 1));
      expect(watch.look(number + 1, number * (confirmTimeoutMs - 1) + 1)).to.equal(false);
    }
    expect(watch.look(undefined, 10_000_000)).to.equal(false);
  });

  it('are a fault for one message alone, half a minute after it is seen that others have overtaken it', () => {
    const watch = new ConfirmWatch();
    for (let number = 1; number <= 3; number += 1) watch.published(number - 1, 0);
    watch.answered(2, 0);
    expect(watch.look(1, 1_000)).to.equal(false);
    watch.answered(3, 29_000);
    expect(watch.look(1, 1_000 + confirmTimeoutMs - 1)).to.equal(false);
    expect(watch.look(1, 1_000 + confirmTimeoutMs)).to.equal(true);
  });

  it('for a message have half a minute more where another was the oldest before, and where the broker was blocked', () => {
    const watch = new ConfirmWatch();
    watch.published(0, 0);
    watch.answered(9, 0);
    watch.look(1, 0);
    watch.answered(1, confirmTimeoutMs - 1);
    expect(watch.look(2, confirmTimeoutMs)).to.equal(false);
    watch.answered(10, 2 * confirmTimeoutMs - 2);
    watch.beginAgain(2 * confirmTimeoutMs - 1);
    expect(watch.look(2, 2 * confirmTimeoutMs)).to.equal(false);
  });

  it('stay known over reconnecting, until one comes', () => {
    const watch = new ConfirmWatch();
    watch.published(0, 0);
    watch.look(1, confirmTimeoutMs);
    watch.published(0, confirmTimeoutMs + 1);
    expect(watch.silent).to.equal(true);
    watch.answered(2, confirmTimeoutMs + 2);
    expect(watch.silent).to.equal(false);
  });
});

describe('a consumer that gets nothing', () => {
  const waiting = { consumers: 1, messages: 5 };
  const empty = { consumers: 1, messages: 0 };
  const silence = "the broker delivers nothing from 'orders', where 5 messages wait";

  it('although messages wait is given up after 20 seconds, and not a millisecond earlier', () => {
    const watch = new ConsumerWatch('orders');
    watch.begin();
    expect(watch.look(waiting, 0, 0)).to.equal(undefined);
    expect(watch.look(waiting, 0, silentMsMax - 1)).to.equal(undefined);
    expect(watch.look(waiting, 0, silentMsMax)).to.equal(silence);
  });

  it('has 20 seconds more once something was delivered, is in hand, or nothing waits, and when it is a new one', () => {
    const watch = new ConsumerWatch('orders');
    for (const [at, relief] of [
      () => watch.delivered(),
      () => watch.look(waiting, 300, 0),
      () => watch.look(empty, 0, 0),
      () => watch.begin(),
    ].entries()) {
      watch.look(waiting, 0, 0);
      relief();
      if (at === 0) expect(watch.look(waiting, 0, silentMsMax), 'the look at which that shows').to.equal(undefined);
      expect(watch.look(waiting, 0, silentMsMax + 1), `relief ${at}`).to.equal(undefined);
      expect(watch.look(waiting, 0, 3 * silentMsMax), `relief ${at}`).to.equal(silence);
      watch.begin();
    }
  });

  it('since the broker lists none is asked about again, and given up at the second look', () => {
    const watch = new ConsumerWatch('orders');
    const none = { consumers: 0, messages: 0 };
    watch.begin();
    expect(watch.look(none, 0, 0)).to.equal(undefined);
    expect(watch.suspects).to.equal(true);
    expect(watch.look(none, 0, 200)).to.equal("the broker has lost the consumer of 'orders'");
  });
});
