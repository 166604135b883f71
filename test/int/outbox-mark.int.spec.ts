// The mark of the outbox: what it goes past, what it must not go past, and what a process takes over from a dead one.
import { expect } from 'chai';
import { TransientError } from '../../shared/runtime/storage/database.ts';
import { Outbox } from '../../shared/runtime/storage/outbox.ts';
import { FakeBus } from '../support/fake-bus.ts';
import { newDatabasePath, removeDatabases } from '../support/files.ts';
import { HandClock } from '../support/hand-clock.ts';
import { markMs, named, RelayRun } from '../support/relay-run.ts';

/** How often a process looks for one that has died. */
const lookMs = 30_000;

describe('what a process takes over from one that died', () => {
  afterEach(removeDatabases);

  /** Processes on one file that have all written something, which is confirmed and marked. */
  function processes(count: number) {
    const path = newDatabasePath();
    const clock = new HandClock();
    const start = () => RelayRun.over(path, { clock });
    const runs = Array.from({ length: count }, start);
    for (const run of runs) run.write().bus.answerOpen('confirmed');
    clock.advance(markMs);
    for (const run of runs) run.bus.published.length = 0;
    return { clock, start, runs };
  }

  function pair() {
    const { clock, start, runs } = processes(2);
    const [dying, other] = runs as [RelayRun, RelayRun];
    dying.bus.disconnect();
    return { clock, start, dying, other };
  }

  it('is also what it wrote after the other had last looked', () => {
    const { clock, dying, other } = pair();
    dying.write();
    other.write().bus.answerOpen('confirmed');
    clock.advance(lookMs);
    dying.write();
    other.write().bus.answerOpen('confirmed');
    dying.die();
    clock.advance(2 * lookMs);
    expect(other.sent).to.deep.equal(named('order.placed', 4, 6, 3, 5));
    other.die();
  });

  it('is below its own entries that wait: the mark stays below the lowest of all', () => {
    const { clock, start, dying, other } = pair();
    dying.write();
    other.write();
    dying.write();
    dying.die();
    other.write();
    clock.advance(2 * lookMs);
    expect(other.sent).to.deep.equal(named('order.placed', 4, 6, 3, 5));
    expect(other.relay.oldestWaiting).to.equal(3);
    const third = other.bus.open.find(({ message }) => message.messageId === other.journal.eventIdAt(3));
    third?.answer('confirmed');
    clock.advance(markMs);
    other.die();
    const next = start();
    expect(next.sent).to.deep.equal(named('order.placed', 4, 5, 6));
    next.die();
  });

  it('is nothing that the dead one had marked as confirmed, and nothing twice', () => {
    const { clock, dying, other } = pair();
    dying.bus.connect();
    for (let round = 0; round < 3; round += 1) {
      dying.write().bus.answerOpen('confirmed');
      other.write().bus.answerOpen('confirmed');
      clock.advance(markMs);
    }
    dying.bus.disconnect();
    dying.write();
    other.write().bus.answerOpen('confirmed');
    dying.die();
    other.bus.published.length = 0;
    clock.advance(2 * lookMs);
    expect(other.sent).to.deep.equal(named('order.placed', 9));
    other.confirmAll();
    clock.advance(4 * lookMs);
    expect(other.sent).to.deep.equal(named('order.placed', 9));
    other.die();
  });

  it('is nothing as long as its mark moves, or has nothing before it', () => {
    const { clock, runs } = processes(2);
    const [one, other] = runs as [RelayRun, RelayRun];
    for (const run of [one, other, one, other]) run.write();
    other.bus.answerOpen('confirmed');
    clock.advance(lookMs);
    one.bus.open[0]?.answer('confirmed');
    clock.advance(lookMs);
    expect(other.outbox.othersConfirmedUntil(), 'it has moved, and is still behind').to.equal(4);
    one.bus.answerOpen('confirmed');
    clock.advance(4 * lookMs);
    expect(other.sent).to.deep.equal(named('order.placed', 4, 6));
    expect(other.outbox.othersConfirmedUntil(), 'of the living one').to.equal(6);
    one.die();
    other.die();
  });

  it('is published, whoever of two others takes it over', () => {
    const { clock, runs } = processes(3);
    const [dying, ...others] = runs as [RelayRun, RelayRun, RelayRun];
    dying.bus.disconnect();
    dying.write();
    dying.die();
    for (let look = 0; look < 3; look += 1) {
      for (const run of others) run.write().bus.answerOpen('confirmed');
      clock.advance(lookMs);
    }
    expect(others.flatMap(({ sent }) => sent)).to.include('order.placed#4');
    for (const run of others) run.confirmAll();
    expect(others.map(({ left }) => left)).to.deep.equal([[], []]);
    for (const run of others) run.die();
  });

  it('is not lost when taking over cannot be written at first, and the process dies before the broker has confirmed', () => {
    const { clock, start, dying, other } = pair();
    dying.write();
    other.write().bus.answerOpen('confirmed');
    dying.die();
    clock.advance(lookMs);
    other.db.pragma('query_only = 1');
    clock.advance(lookMs);
    other.db.pragma('query_only = 0');
    clock.advance(lookMs);
    expect(other.open).to.deep.equal(['order.placed#3']);
    other.die();
    const next = start();
    expect(next.sent).to.include('order.placed#3');
    next.die();
  });
});

describe('the mark of the outbox', () => {
  afterEach(removeDatabases);

  it('goes past 1,000 entries that do not get through with each write, and on with the next', () => {
    const on = RelayRun.inMemory();
    on.writeStuck(1_500);
    expect([on.exceptions.length, on.outbox.confirmedUntil()]).to.deep.equal([1_000, 1_000]);
    on.clock.advance(markMs);
    on.bus.answerOpen('unroutable');
    on.clock.advance(markMs);
    expect([on.exceptions.length, on.outbox.confirmedUntil()]).to.deep.equal([1_500, 1_501]);
  });

  it('has an exception published again by a later run when its end could not be written', () => {
    const first = RelayRun.over().writeStuck(1);
    const second = first.restart();
    second.db.pragma('query_only = 1');
    second.bus.answerOpen('confirmed');
    second.clock.advance(10 * markMs);
    expect(second.relay.drained).to.equal(true);
    const third = second.restart();
    expect(third.sent).to.deep.equal(['order.placed#1']);
    third.confirmAll();
    expect(third.left).to.deep.equal([]);
    third.die();
  });

  it('waits for nothing once it is stopped, also when the group fails in which it was to be written', () => {
    const on = RelayRun.inMemory();
    on.write(2);
    on.bus.answerOpen('confirmed');
    on.relay.stop();
    expect(on.clock.pending, 'timers').to.equal(0);

    const stopping = RelayRun.inMemory();
    stopping.write(2);
    stopping.bus.answerOpen('confirmed');
    stopping.commit.join({
      begin() {},
      committed() {},
      rolledBack() {},
      worked() {
        stopping.relay.stop();
        throw new TransientError('the disk is full');
      },
    });
    stopping.clock.advance(markMs);
    expect(stopping.clock.pending, 'timers').to.equal(0);
  });

  it('is not written again and again while nothing happens', () => {
    const on = RelayRun.inMemory().write(2).confirmAll();
    let groups = 0;
    on.commit.onWritten(() => {
      groups += 1;
    });
    on.clock.advance(600_000);
    expect(groups).to.equal(0);
  });

  it('is not written with what is stored before the relay starts: nothing confirmed is published again', () => {
    const bus = new FakeBus();
    bus.disconnect();
    const second = RelayRun.over()
      .write(3)
      .confirmAll()
      .restart({ bus, beforeStart: (run) => run.write() });
    bus.connect();
    expect(second.sent).to.deep.equal(named('order.placed', 4));
    second.die();
  });

  it('goes past nothing of its own that was written in several transactions while there was no broker', () => {
    const on = RelayRun.inMemory().write().confirmAll();
    on.bus.disconnect();
    for (let count = 0; count < 3; count += 1) on.write();
    on.clock.advance(markMs);
    expect(on.left).to.deep.equal([2, 3, 4]);
    on.bus.connect();
    expect(on.sent).to.deep.equal(named('order.placed', 1, 2, 3, 4));
  });

  it('of another process is deleted when that one has written none for a day', () => {
    const { clock, outbox, journal, db } = RelayRun.inMemory();
    const dayMs = 24 * 60 * 60 * 1000;
    const other = new Outbox(db, journal, 'another process');
    other.mark(3, clock.nowMs());
    outbox.mark(5, clock.nowMs() + dayMs);
    expect([outbox.confirmedUntil(), other.isRegistered()]).to.deep.equal([3, true]);
    outbox.mark(5, clock.nowMs() + dayMs + 1);
    expect([outbox.confirmedUntil(), other.isRegistered(), outbox.isRegistered()]).to.deep.equal([5, false, true]);
    expect(outbox.othersConfirmedUntil()).to.equal(undefined);
  });

  it('has no exception left where retention has deleted the entry', () => {
    const on = RelayRun.inMemory().write(1);
    for (const position of [1, 2]) on.outbox.except(position);
    expect(on.outbox.exceptionsAfter(0, 10).map(({ position }) => position)).to.deep.equal([1]);
  });
});
