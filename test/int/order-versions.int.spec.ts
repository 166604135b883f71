// Read your own write: what an instance says it knows of an order, and how long a read waits for what it does not know yet.
import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { orderService } from '../../order-service/service.ts';
import { latestVersion, VersionWaiters, versionHeader, withVersion } from '../../order-service/versions.ts';
import type { DataOf, EventType } from '../../shared/contract/choreography.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import { ProblemError } from '../../shared/runtime/http/problem.ts';
import { ServiceNode } from '../../shared/runtime/node/service-node.ts';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import { eventOf, orderId, samples } from '../support/events.ts';
import { FakeBus } from '../support/fake-bus.ts';
import { HandClock } from '../support/hand-clock.ts';

const placed = `${orderId}:order.placed`;

function start(instance: string | undefined = 'a') {
  const clock = new HandClock();
  const bus = new FakeBus();
  const db = openDatabase(':memory:', orderService.migrations);
  const node = new ServiceNode(orderService, { db, bus, clock, log: silentLog, ...(instance ? { instance } : {}) });
  node.start();
  clock.turn();
  const source = 'order-service.b';
  const comes = <T extends EventType>(type: T, data: DataOf<T> = samples[type]) => {
    bus.deliverEvent(eventOf(type, data, { source }));
    clock.advance(100);
  };
  const waiters = new VersionWaiters(node);
  const ask = (header: string, waitMs: number | undefined = 0, signal = new AbortController().signal) =>
    waiters.known(header, waitMs, signal).then(
      () => 'known',
      (error: unknown) => (error instanceof ProblemError ? `${error.status} ${error.code}` : String(error)),
    );
  return { clock, store: node.parts.store, waiters, comes, ask };
}

describe('the version of an order', () => {
  const answer = { status: 200, body: {}, headers: { etag: 'x' } };

  it('is the latest of the events that order-service has published about it', () => {
    const { store, comes } = start();
    expect(latestVersion(store, orderId)).to.equal(undefined);
    expect(withVersion(store, orderId, answer)).to.equal(answer);
    for (const type of ['order.placed', 'order.cancel-requested', 'order.withdrawn', 'order.cancelled'] as const) {
      comes(type);
      expect(latestVersion(store, orderId)).to.equal(type);
      expect(withVersion(store, orderId, answer)).to.deep.equal({
        ...answer,
        headers: { etag: 'x', 'saga-version': `${orderId}:${type}` },
      });
    }
  });

  it('is not said where there are no other instances', () => {
    const { store } = start('');
    store.addFact(eventOf('order.placed'));
    expect(latestVersion(store, orderId)).to.equal('order.placed');
    expect(withVersion(store, orderId, answer)).to.equal(answer);
    expect(versionHeader(store, orderId, 'order.placed')).to.deep.equal({});
  });
});

describe('a read that brings versions along', () => {
  it('is answered at once when all of them are known, in capitals, too', async () => {
    const { comes, ask } = start();
    comes('order.placed');
    comes('order.withdrawn');
    expect(await ask(placed)).to.equal('known');
    expect(
      await ask(`${placed.toUpperCase().replace('ORDER.PLACED', 'order.placed')} , ${orderId}:order.withdrawn`),
    ).to.equal('known');
    expect(await ask(`${placed},${orderId}:order.confirmed`), 'one of two').to.equal('503 version-not-known');
  });

  it('is refused when they are none, or more than 20', async () => {
    const { comes, ask } = start();
    comes('order.placed');
    for (const header of ['', 'x', `${orderId}`, `${orderId}:order.eaten`, `x:order.placed`, `${placed},`])
      expect(await ask(header), header).to.equal('400 invalid-version');
    expect(await ask(Array(20).fill(placed).join())).to.equal('known');
    expect(await ask(Array(21).fill(placed).join())).to.equal('400 invalid-version');
  });

  it('waits until they are known, and not for the fact alone: the order itself must be there', async () => {
    const { comes, ask } = start();
    const { signal } = new AbortController();
    const answer = noted(ask(`${orderId}:order.withdrawn`, 10_000, signal));
    comes('order.withdrawn');
    expect(await answer()).to.equal(undefined);
    comes('order.placed');
    expect(await answer()).to.equal('known');
    expect(getEventListeners(signal, 'abort'), 'it has left nothing behind').to.deep.equal([]);
  });

  it('is given up at once when it may not wait, when whoever has asked is gone, or was gone before', async () => {
    const { ask } = start();
    expect(await noted(ask(placed, 0))()).to.equal('503 version-not-known');
    const gone = new AbortController();
    const answer = noted(ask(placed, 10_000, gone.signal));
    expect(await answer()).to.equal(undefined);
    gone.abort();
    expect(await answer()).to.equal('503 version-not-known');
    expect(await noted(ask(placed, 10_000, gone.signal))(), 'gone before').to.equal('503 version-not-known');
  });

  it('waits as long as it says, or two seconds, and then says who does not know the version', async () => {
    const { clock, waiters } = start();
    for (const [waitMs, allowedMs] of [
      [300, 300],
      [undefined, 2_000],
    ] as const) {
      const answer = noted(
        waiters.known(placed, waitMs, new AbortController().signal).then(
          () => 'known',
          (error: Error) => error.message,
        ),
      );
      clock.advance(allowedMs - 1);
      expect(await answer()).to.equal(undefined);
      clock.advance(1);
      expect(await answer()).to.match(/^order-service\.a does not know that version yet/);
    }
  });
});

/** @returns what is known of it by now: the answer, or undefined */
function noted(answer: Promise<string>): () => Promise<string | undefined> {
  let known: string | undefined;
  void answer.then((text) => {
    known = text;
  });
  return async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return known;
  };
}
