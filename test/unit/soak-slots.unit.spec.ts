// The soak's customers ask only so much at once.
import { expect } from 'chai';
import { Slots } from '../../local/soak/slots.ts';

describe('slots for requests', () => {
  /** Something that runs until it is let go. */
  function task() {
    let end = (_error?: Error): void => {};
    let running = false;
    const run = () =>
      new Promise<void>((resolve, reject) => {
        running = true;
        end = (error) => (error ? reject(error) : resolve());
      });
    return { run, end: (error?: Error) => end(error), isRunning: () => running };
  }

  it('let the third wait until one of two has ended, in whatever way, and then those that came first', async () => {
    const slots = new Slots(2);
    const [first, second, third, fourth] = [task(), task(), task(), task()];
    const uses = [first, second, third, fourth].map(({ run }) => slots.use(run).catch((error: unknown) => error));
    const running = () => [first, second, third, fourth].map(({ isRunning }) => isRunning());
    expect(running()).to.deep.equal([true, true, false, false]);
    second.end(new Error('refused'));
    expect(String(await uses[1])).to.equal('Error: refused');
    await Promise.resolve();
    expect(running()).to.deep.equal([true, true, true, false]);
    first.end();
    await uses[0];
    await Promise.resolve();
    expect(running()).to.deep.equal([true, true, true, true]);
    for (const { end } of [third, fourth]) end();
    await Promise.all(uses);
    expect(await slots.use(async () => 'free again')).to.equal('free again');
  });
});
