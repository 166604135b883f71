// A connection to the broker is kept up whatever ends it, held against a scripted broker and a clock that the test turns.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { expect } from 'chai';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import { AmqpConnection } from '../../shared/runtime/rabbitmq/amqp-connection.ts';
import { BusOnScript } from '../support/bus-on-script.ts';
import { HandClock } from '../support/hand-clock.ts';
import { type PeerConnection, ScriptedBroker } from '../support/scripted-broker.ts';
import { eventually } from '../support/wait.ts';

describe('the connections of a bus', () => {
  let on: BusOnScript;
  afterEach(() => on.end());

  it('are two, each named after what it is for, with a heartbeat of 10 s', async () => {
    on = await BusOnScript.connected();
    const seen = on.broker.connections.map(({ name, heartbeat }) => [name, heartbeat]);
    expect(seen).to.have.deep.members([
      ['payment-service publisher', 10],
      ['payment-service consumer', 10],
    ]);
  });

  it('come back when the broker has been away for two minutes, within 5 s, and say meanwhile that they are not there', async () => {
    on = await BusOnScript.connected();
    on.broker.leave();
    await eventually('the loss to be noticed', () => {
      const { publisher, consumer } = on.bus.status();
      return publisher === 'connecting' && consumer === 'connecting';
    });
    expect(on.changes.at(-1), 'announced').to.equal(false);
    for (let seconds = 0; seconds < 120; seconds += 5) {
      on.clock.advance(5_000);
      await on.quiet();
    }
    expect(on.broker.attempts, 'two connections, every 5 s at most').to.be.within(40, 110);
    expect(on.bus.status().lastError).to.be.a('string').and.not.empty;
    expect(
      on.lines.filter(({ level }) => level === 'error'),
      'errors in the log of something that is only away',
    ).to.deep.equal([]);
    on.broker.present = true;
    on.clock.advance(5_000);
    await on.connected();
    expect(on.bus.status()).to.deep.include({ publisher: 'connected', consumer: 'connected', lastError: undefined });
    expect([on.began, on.changes.at(-1)]).to.deep.equal([2, true]);
    expect(on.bus.traffic().reconnects).to.deep.equal({ publisher: 1, consumer: 1 });
  });

  for (const method of ['ChannelOpen', 'ExchangeDeclare', 'QueueDeclare', 'QueueBind']) {
    it(`are given up when ${method} is not answered within 20 s of the setup, and made again`, async () => {
      on = await BusOnScript.begin();
      on.broker.mute.add(method);
      await eventually(
        'both to be asked',
        () => on.broker.connections.filter((connection) => connection.has(method)).length === 2,
      );
      const first = [...on.broker.connections];
      on.clock.advance(19_999);
      await on.quiet();
      expect(first.map(({ open }) => open)).to.deep.equal([true, true]);
      on.broker.mute.clear();
      on.clock.advance(1);
      // Each gets a second to close in an orderly way.
      await eventually('both to be given up', () => first.every(({ open }) => !open));
      expect(on.bus.status().lastError).to.match(/did not answer the setup within 20000 ms/);
      await on.advanceUntil('both to be made again', () => on.bus.canPublish() && on.began === 1, 100);
    });
  }

  const endings: Readonly<Record<string, (connection: PeerConnection) => void>> = {
    'cut off': (connection) => connection.cut(),
    'closed by the broker': (connection) => connection.close(),
  };
  for (const [how, end] of Object.entries(endings)) {
    it(`are made again when they are ${how} in the middle of the setup, several times`, async () => {
      on = await BusOnScript.begin();
      let left = 6;
      on.broker.onMethod = ({ name }, connection) => {
        if (name !== 'QueueDeclare' || left === 0) return;
        left -= 1;
        end(connection);
      };
      await on.advanceUntil('both to be set up', () => on.bus.canPublish() && on.began === 1, 500);
      expect(left).to.equal(0);
    });
  }

  it('leave no timer behind when they are made again and again', async () => {
    on = await BusOnScript.connected();
    const { pending } = on.clock;
    for (let round = 1; round <= 5; round += 1) {
      on.publisher().cut();
      on.consumer().cut();
      await on.advanceUntil(
        'both to be set up again',
        () => on.began === round + 1 && on.bus.traffic().reconnects.publisher === round,
        100,
      );
    }
    expect(on.clock.pending).to.equal(pending);
  });

  it('are ended at once by a stop while the broker is away', async () => {
    on = await BusOnScript.begin();
    on.broker.leave();
    await eventually('an error', () => on.bus.status().lastError !== undefined);
    await on.quiet();
    const { attempts } = on.broker;
    await on.bus.stop();
    expect(on.bus.status()).to.include({ publisher: 'stopped', consumer: 'stopped' });
    on.clock.advance(60_000);
    await on.quiet();
    expect(on.broker.attempts).to.equal(attempts);
  });

  it('are ended by a stop even if the broker does not answer it', async () => {
    on = await BusOnScript.connected();
    on.broker.mute.add('ChannelClose').add('ConnectionClose');
    await on.bus.stop();
    await eventually('the connections to be closed', () => on.broker.connections.every(({ open }) => !open));
  });

  it('log what a person must do about other arguments and about wrong credentials, and try again all the same', async () => {
    on = await BusOnScript.begin();
    const refuse = (replyCode: number, replyText: string) => {
      on.broker.refuses = { method: 'QueueDeclare', with: { replyCode, replyText } };
    };
    refuse(406, "PRECONDITION_FAILED - inequivalent arg 'x-overflow' for queue 'payment-service'");
    const logged = (pattern: RegExp) => () =>
      on.lines.some(({ level, message }) => level === 'error' && pattern.test(message));
    await on.advanceUntil('the first advice', logged(/already exists with different arguments/), 100);
    refuse(403, "ACCESS_REFUSED - access to queue 'payment-service' refused");
    await on.advanceUntil('the second advice', logged(/check AMQP_URL/), 100);
    on.broker.refuses = undefined;
    await on.advanceUntil('both to be set up', () => on.bus.canPublish() && on.began === 1, 500);
  });
});

describe('attempts to connect', () => {
  const clock = new HandClock();
  let server: Server;
  let attempts = 0;
  let connection: AmqpConnection | undefined;

  beforeEach(async () => {
    attempts = 0;
    server = createServer((socket) => {
      attempts += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    await connection?.stop();
    server.close();
  });

  function connect(url: string): AmqpConnection {
    const nothing = async () => {};
    connection = new AmqpConnection({
      url,
      name: 'test',
      log: silentLog,
      clock,
      setUp: nothing,
      closing: nothing,
      lost() {},
    });
    connection.start();
    return connection;
  }
  const urlOf = (at: Server) => `amqp://127.0.0.1:${(at.address() as AddressInfo).port}`;
  const url = () => urlOf(server);

  /** So many attempts have been made, and the next one is arranged for: the clock has nothing else to wait for. */
  const over = (count: number, made = () => attempts) =>
    eventually(`attempt ${count} to be over`, () => made() === count && clock.pending > 0);

  it('come later and later, each between half of its delay and the whole of it, up to 5 s, and never end', async () => {
    connect(url());
    await over(1);
    for (let attempt = 1; attempt <= 40; attempt += 1) {
      const delayMs = Math.min(5_000, 100 * 2 ** (attempt - 1));
      clock.advance(delayMs / 2 - 1);
      await over(attempt);
      clock.advance(delayMs / 2 + 1);
      await over(attempt + 1);
    }
  });

  it('try each of two addresses in turn, and come later only after both', async () => {
    const tried: string[] = [];
    const second = createServer((socket) => {
      attempts += 1;
      tried.push('second');
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(second, 'listening');
    server.on('connection', () => void tried.push('first'));
    connect(`${url()},${urlOf(second)}`);
    for (const delayMs of [100, 100, 200, 200, 400, 400]) {
      await over(attempts === 0 ? 1 : attempts);
      const before = attempts;
      clock.advance(delayMs / 2 - 1);
      await over(before);
      clock.advance(delayMs / 2 + 1);
      await over(before + 1);
    }
    second.close();
    expect(tried).to.have.lengthOf(7);
    // It begins with any of them, so that many services do not all begin with the same.
    expect(tried.filter((one, index) => one === tried[index - 1])).to.deep.equal([]);
  });

  it('come a second later when a node of several is lost: its queues elect leaders on the others meanwhile', async () => {
    const broker = await ScriptedBroker.start();
    try {
      const made = connect(`${broker.url},${broker.url}`);
      await eventually('a connection', () => made.connected);
      broker.connections[0]?.close();
      await eventually('its loss to be noticed', () => !made.connected);
      const [before, atLeastMs, jitterMs] = [broker.attempts, 1_000, 100];
      await over(before, () => broker.attempts);
      clock.advance(atLeastMs);
      await over(before, () => broker.attempts);
      clock.advance(jitterMs);
      await eventually('the next attempt', () => broker.attempts === before + 1);
    } finally {
      await broker.stop();
    }
  });

  it('come at once again after a connection that has lasted for more than 10 s', async () => {
    const broker = await ScriptedBroker.start();
    try {
      broker.present = false;
      const made = connect(broker.url);
      const tried = (count: number) => over(count, () => broker.attempts);
      for (let count = 1; count <= 5; count += 1) {
        await tried(count);
        if (count === 5) broker.present = true;
        clock.advance(5_000);
      }
      await eventually('a connection', () => made.connected);
      clock.advance(10_001);
      // It has no channel, whose end would be noticed, too.
      broker.connections[0]?.close();
      await eventually('its loss to be noticed', () => !made.connected);
      await tried(6);
      clock.advance(100);
      await eventually('the next attempt', () => broker.attempts === 7);
    } finally {
      await broker.stop();
    }
  });

  it('of which nothing comes, not even a greeting, are given up after 10 s', async function () {
    this.timeout(30_000);
    let closed = 0;
    server.removeAllListeners('connection');
    server.on('connection', (socket) => {
      attempts += 1;
      socket.resume();
      socket.on('error', () => {});
      socket.on('close', () => {
        closed += 1;
      });
    });
    connect(url());
    await eventually('the attempt', () => attempts === 1);
    await eventually('it to be given up', () => closed === 1, Boolean, 20_000);
    await eventually('the reason', () => /ETIMEDOUT/.test(connection?.lastError ?? ''));
  });
});
