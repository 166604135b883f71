// Laws that hold for every reaction of every service. Services, events and outcomes come from the contract, and the
// histories of an order from the exhaustive exploration, so a new reaction is held to them without a new test.
import { expect } from 'chai';
import { type PerService, type SagaService, serviceNames } from '../../services.ts';
import { choreography, type EventType } from '../../shared/contract/choreography.ts';
import { consumedBy } from '../../shared/contract/language.ts';
import { deadLetterExchange, deadLetterQueueOf } from '../../shared/contract/topology.ts';
import { declaredOutcomes } from '../../simulator/coverage.ts';
import { isSagaEvent } from '../../simulator/environment/saga-event.ts';
import { type Exploration, explore } from '../../simulator/exhaustive/explorer.ts';
import { scenarios } from '../../simulator/exhaustive/scenarios.ts';
import { deliverAll, type History, historiesIn, permutations, possibleOrders } from './histories.ts';
import { endOf } from './legal-ends.ts';
import { handledBefore, LoneService } from './lone-service.ts';

type React = (event: unknown, at: unknown) => unknown;

/** Attempts that a reaction gets before its event is dead-lettered. */
const attempts = 3;

/** The same service with a reaction that throws after it has done its work. */
function throwing(definition: SagaService, type: EventType, called: () => void) {
  // What prepares the service is let through.
  let letThrough = handledBefore[definition.name]?.includes(type) ? 1 : 0;
  const wrap = (react: React | undefined): React => {
    return (event, at) => {
      if (letThrough > 0) {
        letThrough -= 1;
        return react?.(event, at);
      }
      called();
      try {
        react?.(event, at);
      } catch {
        // Some cannot happen first. They must leave nothing all the same.
      }
      throw new Error('planted');
    };
  };
  const bugged: typeof definition = {
    ...definition,
    build: (db) => {
      const parts = definition.build(db);
      const reactions = parts.reactions as unknown as Record<string, React>;
      return { ...parts, reactions: { ...reactions, [type]: wrap(reactions[type]) } as never };
    },
  };
  return bugged;
}

/** What order-service does about an order that is no longer in its database. */
function outcomesAfterPutBack(): string[] {
  const service = new LoneService('order-service');
  service.orderId = '01900000-0000-7000-8000-0000000000bb';
  service.get('payment.completed');
  return service.outcomes;
}

describe('laws over every reaction of every service', function () {
  this.timeout(600_000);
  let explorations: Exploration[];
  let histories: PerService<History[]>;

  before(() => {
    // Asking again takes a cancellation and a deadline; where stock is refused as well, that is too much for every run.
    explorations = scenarios.map((scenario) =>
      explore(scenario, { crashes: 0, cancels: 1, deadline: !scenario.stock.includes(0) }),
    );
    histories = historiesIn(explorations);
  });

  for (const name of serviceNames) {
    describe(name, () => {
      it('an event that comes twice changes nothing and publishes nothing the second time', () => {
        const met = new Set<string>();
        for (const history of histories[name]) {
          const service = new LoneService(name);
          deliverAll(service, possibleOrders(name, history)[0] ?? history, (event) => {
            met.add(event.type);
            const [digest, published] = [service.digest, service.published.length];
            service.deliver(event);
            expect(service.digest, event.type).to.equal(digest);
            expect(service.published.length, event.type).to.equal(published);
          });
        }
        expect([...met]).to.include.members(consumedBy(choreography, name).filter(isSagaEvent));
      });

      it('a reaction that throws leaves nothing behind but a dead letter', () => {
        for (const type of consumedBy(choreography, name) as EventType[]) {
          let calls = 0;
          const service = new LoneService(name, (definition) => throwing(definition, type, () => void calls++));
          const [digest, handled] = [service.digest, service.handled];
          service.get(type);
          // The first time, it fails without a savepoint, and once more with one.
          expect(calls, type).to.equal(attempts + 1);
          expect(service.digest, type).to.equal(digest);
          expect(service.handled, type).to.equal(handled);
          const routes = service.published.map(({ exchange, routingKey }) => [exchange, routingKey]);
          expect(routes, type).to.deep.equal([[deadLetterExchange, deadLetterQueueOf(name)]]);
          expect(service.published[0]?.headers?.['x-cause']).to.equal('reaction-failed');
        }
      });

      it('a history in any order ends in a legal state, by declared outcomes only', () => {
        for (const history of histories[name]) {
          const ends = new Set<string>();
          for (const order of possibleOrders(name, history)) {
            const service = new LoneService(name);
            deliverAll(service, order);
            const text = `${name}: ${order.join(', ')}`;
            const details = service.deadLetters.map(({ headers }) => headers?.['x-detail']);
            expect(details, text).to.deep.equal([]);
            for (const outcome of service.outcomes) expect(declaredOutcomes, text).to.include(`${name}: ${outcome}`);
            ends.add(endOf[name]?.(service, order) ?? '');
          }
          // An order's status is a function of its facts. The others may end in different states, all of them legal.
          if (name === 'order-service') expect([...ends], history.join(', ')).to.have.length(1);
        }
      });
    });
  }

  it('no reaction has an outcome that the contract does not declare, and every declared one of a saga comes about', () => {
    const seen = new Set(explorations.flatMap(({ outcomes }) => [...outcomes]));
    for (const outcome of outcomesAfterPutBack()) seen.add(`order-service: ${outcome}`);
    expect([...seen].filter((outcome) => !declaredOutcomes.includes(outcome))).to.deep.equal([]);
    const saga = declaredOutcomes.filter((outcome) => !outcome.includes('product.updated'));
    expect(saga.filter((outcome) => !seen.has(outcome))).to.deep.equal([]);
  });

  it('an older version of a product never replaces a newer one', () => {
    const product = { productId: 'p', name: 'p', unitPrice: 10, available: true };
    for (const versions of permutations([2, 3, 4])) {
      const service = new LoneService('order-service');
      for (const version of versions) service.get('product.updated', { ...product, unitPrice: 10 * version, version });
      const price = service.host.database.db.prepare<[], number>('SELECT unit_price FROM catalogue').pluck().get();
      expect(price, versions.join(', ')).to.equal(40);
    }
  });
});
