// How a named instance joins its peers. It asks them whether its orders were adopted; one whose database is new copies what
// they know, also of orders that it had accepted itself, and compares the journals of all to their end. Only then it answers
// requests and decides about orders.
import type { z } from 'zod';
import { emit } from '../shared/contract/choreography.ts';
import { encodeEvent } from '../shared/contract/cloud-event.ts';
import type { Joining, JoiningTools } from '../shared/runtime/node/service.ts';
import type { Transaction } from '../shared/saga.ts';
import { unnamed } from './instances.ts';
import { OverdueOrders } from './overdue-orders.ts';
import { askPeer, CatalogueCopies, FactCopies, type FactCursor, InstancesAnswer, paths } from './peer-answers.ts';
import type { OrderStore } from './store.ts';

const retryMs = 500;
const pollMs = 100;
const logMs = 2_000;
/** A peer that has not answered so often is away. Only an instance that knows everything already goes on without it. */
const attemptsMax = 3;
const copiesPage = '500';

type Tools = JoiningTools;

export class CatchUp implements Joining {
  readonly #store: OrderStore;
  readonly #tools: Tools;
  readonly #overdue: OverdueOrders;
  /** For people: what it is doing. */
  #doing = 'asking its peers whether its orders were adopted';
  #stopped = false;
  #loggedAtMs = 0;

  constructor(store: OrderStore, tools: Tools) {
    this.#store = store;
    this.#tools = tools;
    this.#overdue = new OverdueOrders(store, tools);
  }

  start(): void {
    this.#askAll(new Map(Object.keys(this.#tools.peers).map((peer) => [peer, 0])));
  }

  stop(): void {
    this.#stopped = true;
    this.#overdue.stop();
  }

  /** Why it is not ready; undefined: it is. */
  get notReady(): string | undefined {
    const { instances } = this.#store;
    const { adoptedBy } = instances;
    if (adoptedBy) {
      return `${adoptedBy} has adopted the orders of ${instances.member}, which decides nothing any more: start an instance with another name and a new database`;
    }
    return instances.ready ? undefined : `${instances.member} is catching up: ${this.#doing}`;
  }

  // ---- whether it was adopted

  /** @param waiting the peers that have not answered yet, and how often they were asked */
  #askAll(waiting: Map<string, number>): void {
    const peers = [...waiting.keys()];
    let left = peers.length;
    if (left === 0) return this.#allAnswered();
    for (const peer of peers) {
      this.#get(peer, paths.instances, {}, InstancesAnswer, (answer) => {
        if (answer instanceof Error) waiting.set(peer, (waiting.get(peer) ?? 0) + 1);
        else if (answer.member !== peer) {
          waiting.set(peer, 0);
          this.#tools.log.error({ peer, found: answer.member }, 'another instance answers at the address of this peer');
        } else waiting.delete(peer);
        const adoptions = answer instanceof Error ? [] : answer.adoptions;
        this.#submit(
          () => adoptions.map((adoption) => this.#store.instances.noteAdoption(adoption)),
          () => {
            left -= 1;
            if (left === 0) this.#asked(waiting);
          },
        );
      });
    }
  }

  #asked(waiting: Map<string, number>): void {
    const goesOn = this.#store.instances.complete && [...waiting.values()].every((failures) => failures >= attemptsMax);
    if (waiting.size === 0 || goesOn) return this.#allAnswered();
    this.#progress(`waits for ${[...waiting.keys()].join(', ')} to answer`);
    this.#later(retryMs, () => this.#askAll(waiting));
  }

  #allAnswered(): void {
    const { instances } = this.#store;
    const { log } = this.#tools;
    if (instances.adoptedBy) return log.error({ by: instances.adoptedBy }, String(this.notReady));
    if (instances.complete) return this.#finish(false);
    log.info({ peers: Object.keys(this.#tools.peers) }, 'this database is new: catching up with the peers');
    this.#copyFrom(Object.keys(this.#tools.peers));
  }

  // ---- what the peers know

  #copyFrom([peer, ...others]: readonly string[]): void {
    if (peer === undefined) return this.#compare();
    this.#get(peer, paths.instances, { count: 'true' }, InstancesAnswer, (answer) => {
      if (answer instanceof Error) return this.#copyAgain(peer, others, answer);
      const total = answer.orders?.reduce((sum, { orders }) => sum + orders, 0) ?? 0;
      this.#copyFacts(peer, { events: 0, orders: new Set(), total }, undefined, (facts) => {
        if (facts instanceof Error) return this.#copyAgain(peer, others, facts);
        this.#copyCatalogue(peer, '', (products) => {
          if (products instanceof Error) return this.#copyAgain(peer, others, products);
          this.#tools.log.info(
            { peer, events: facts.events, orders: facts.orders.size },
            'copied what this peer knows',
          );
          this.#copyFrom(others);
        });
      });
    });
  }

  #copyAgain(peer: string, others: readonly string[], error: Error): void {
    this.#progress(`waits for ${peer}: ${error.message}`);
    this.#later(retryMs, () => this.#copyFrom([peer, ...others]));
  }

  #copyFacts(
    peer: string,
    copied: Copied,
    after: FactCursor | undefined,
    done: (result: Copied | Error) => void,
  ): void {
    const cursor = after && { afterOrder: after.orderId, afterType: after.type };
    this.#get(peer, paths.facts, { limit: copiesPage, ...cursor }, FactCopies, (page) => {
      if (page instanceof Error) return done(page);
      const events = page.events.map((event) => ({ body: encodeEvent(event), eventId: event.id, position: 0 }));
      this.#tools.handler.handleFetched(peer, events, () => {
        for (const { subject } of page.events) copied.orders.add(subject);
        copied.events += events.length;
        this.#progress(`copied ${copied.orders.size} of ${copied.total} orders from ${peer}`);
        if (page.next) this.#copyFacts(peer, copied, page.next, done);
        else done(copied);
      });
    });
  }

  #copyCatalogue(peer: string, after: string, done: (error: Error | undefined) => void): void {
    this.#get(
      peer,
      paths.catalogue,
      { limit: copiesPage, ...(after === '' ? {} : { after }) },
      CatalogueCopies,
      (page) => {
        if (page instanceof Error) return done(page);
        this.#submit(
          () => page.products.map((product) => this.#store.catalogue.putEntry(product)),
          () => {
            if (page.next) this.#copyCatalogue(peer, page.next, done);
            else done(undefined);
          },
        );
      },
    );
  }

  // ---- what their journals hold

  #compare(): void {
    const { reconciliation, log } = this.#tools;
    const publishers = Object.entries(reconciliation.status()).filter(([, { state }]) => state !== 'off');
    const behind = publishers.filter(([, { state }]) => state !== 'reconciled');
    if (behind.length > 0) {
      const head = publishers.reduce((sum, [, status]) => sum + status.head, 0);
      const until = publishers.reduce((sum, [, status]) => sum + Math.min(status.head, status.reconciledUntil), 0);
      const away = behind.filter(([, { state }]) => state === 'unreachable').map(([publisher]) => publisher);
      const waits = away.length === 0 ? '' : `; waits for ${away.join(', ')}`;
      this.#progress(`compared ${until} of ${head} entries of the others' journals${waits}`);
      return this.#later(pollMs, () => this.#compare());
    }
    for (const [publisher, oldest] of reconciliation.oldest()) {
      if (oldest <= 1) continue;
      log.warn(
        { publisher, oldest },
        'the journal of this publisher was cut off by retention: of what is older, only what the peers know was copied',
      );
    }
    this.#finish(true);
  }

  /** @param anew this database was new: whatever it is to decide about has to be looked at */
  #finish(anew: boolean): void {
    const { instances } = this.#store;
    this.#submit(
      () => instances.setComplete(),
      () => {
        if (instances.adoptedBy) return;
        instances.ready = true;
        this.#overdue.start();
        this.#tools.log.info({ member: instances.member }, 'this instance is ready');
        this.#submit(
          (tx) => {
            for (const origin of anew ? instances.originsDecidedBy(instances.member) : []) this.#store.makeDue(origin);
            if (instances.hasUnnamedOrders)
              tx.publish(emit('instance.adopted', { instance: unnamed, by: instances.member }));
          },
          () => {},
        );
      },
    );
  }

  // ----

  #get<T>(
    peer: string,
    path: string,
    query: Readonly<Record<string, string>>,
    schema: z.ZodType<T>,
    done: (answer: T | Error) => void,
  ): void {
    askPeer(this.#tools.peers, peer, { path, query, schema }, (answer) => {
      if (!this.#stopped) done(answer);
    });
  }

  #later(delayMs: number, run: () => void): void {
    this.#tools.clock.after(delayMs, () => {
      if (!this.#stopped) run();
    });
  }

  /** Until it is on disk. */
  #submit(run: (tx: Transaction<'order-service'>) => unknown, done: () => void): void {
    this.#tools.submit(run, (result) => {
      if (this.#stopped) return;
      if (result.ok) return done();
      this.#tools.log.warn({ error: String(result.error) }, 'catching up could not write: it is tried again');
      this.#later(retryMs, () => this.#submit(run, done));
    });
  }

  #progress(doing: string): void {
    this.#doing = doing;
    const nowMs = this.#tools.clock.nowMs();
    if (Math.abs(nowMs - this.#loggedAtMs) < logMs) return;
    this.#loggedAtMs = nowMs;
    this.#tools.log.info({ progress: doing }, 'catching up');
  }
}

interface Copied {
  events: number;
  readonly orders: Set<string>;
  /** Orders that the peer knows. */
  readonly total: number;
}
