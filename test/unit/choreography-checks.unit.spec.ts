// The static checks: each rule catches its mistake, and accepts similar contracts that are correct.
import { expect } from 'chai';
import { z } from 'zod';
import { checkChoreography, type RuleName } from '../../shared/contract/checks/all-checks.ts';
import { choreography } from '../../shared/contract/choreography.ts';
import type { Choreography, EventSpec } from '../../shared/contract/language.ts';

type Row = Partial<EventSpec> & { readonly by: string };

/** A contract in a few lines. A row leaves out what does not matter to the test. */
function contractOf(rows: Record<string, Row>): Choreography {
  const data = z.object({ orderId: z.string() });
  const events = Object.entries(rows).map(([type, row]) => [type, { data, subject: 'orderId', reactions: {}, ...row }]);
  return { starts: 'order.placed', withdrawal: 'order.withdrawn', events: Object.fromEntries(events) };
}

/** The same rows with some changed or added. `undefined` removes a row. */
function changed(rows: Record<string, Row>, changes: Record<string, Partial<Row> | undefined>): Choreography {
  const kept = Object.entries(rows).filter(([type]) => !(type in changes && changes[type] === undefined));
  const merged = kept.map(([type, row]) => [type, { ...row, ...changes[type] }]);
  const added = Object.entries(changes).filter(([type, row]) => row !== undefined && !(type in rows));
  return contractOf(Object.fromEntries([...merged, ...added]) as Record<string, Row>);
}

/** The same rows with other outcomes for one reaction. An empty list removes the reaction. */
function reacting(rows: Record<string, Row>, type: string, service: string, outcomes: readonly string[]): Choreography {
  const { [service]: _, ...others } = rows[type]?.reactions ?? {};
  return changed(rows, { [type]: { reactions: outcomes.length > 0 ? { ...others, [service]: outcomes } : others } });
}

function findings(contract: Choreography): string[] {
  return checkChoreography(contract).map(({ rule, message, path }) => `${rule}: ${message} [${path.join(' > ')}]`);
}

function rulesOf(contract: Choreography): RuleName[] {
  return [...new Set(checkChoreography(contract).map(({ rule }) => rule))];
}

function expectFinding(contract: Choreography, rule: RuleName, path: readonly string[], words: RegExp): void {
  const found = checkChoreography(contract).some(
    (finding) => finding.rule === rule && finding.path.join() === path.join() && words.test(finding.message),
  );
  if (!found)
    expect.fail(
      `no ${rule} ${words} with path ${path.join(' > ')} among:\n${findings(contract).join('\n') || '(nothing)'}`,
    );
}

function expectNothing(contract: Choreography): void {
  expect(findings(contract)).to.deep.equal([]);
}

// The smallest complete saga: one service takes one step.
const small: Record<string, Row> = {
  'order.placed': {
    by: 'order',
    trigger: 'a customer',
    reactions: { payment: ['payment.completed', 'payment.failed', 'fenced'] },
  },
  'payment.completed': { by: 'payment', reactions: { order: ['order.confirmed', 'withdrawn'] } },
  'payment.failed': { by: 'payment', reactions: { order: ['order.cancelled'] } },
  'order.withdrawn': {
    by: 'order',
    trigger: 'a customer',
    reactions: { payment: ['payment.refunded', 'payment.voided', 'compensated'] },
  },
  'payment.refunded': { by: 'payment', compensates: 'payment.completed', reactions: { order: ['order.cancelled'] } },
  'payment.voided': { by: 'payment', reactions: { order: ['order.cancelled'] } },
  'order.confirmed': { by: 'order', final: 'confirmed' },
  'order.cancelled': { by: 'order', final: 'cancelled' },
};

// Four services in the saga, one after another, and a fifth that acts after its end.
const undo = ['order.cancelled', 'waits'];
const long: Record<string, Row> = {
  'order.placed': {
    by: 'order',
    trigger: 'a customer',
    reactions: { payment: ['payment.completed', 'payment.failed', 'fenced'] },
  },
  'payment.completed': {
    by: 'payment',
    reactions: { loyalty: ['loyalty.redeemed', 'loyalty.refused', 'fenced'], order: ['noted'] },
  },
  'loyalty.redeemed': {
    by: 'loyalty',
    reactions: { inventory: ['inventory.reserved', 'inventory.rejected', 'fenced'] },
  },
  'inventory.reserved': { by: 'inventory', reactions: { order: ['order.confirmed', 'withdrawn'] } },
  'order.confirmed': { by: 'order', final: 'confirmed', reactions: { shipping: ['shipping.booked'] } },
  'shipping.booked': { by: 'shipping', standalone: true },
  'payment.failed': { by: 'payment', reactions: { order: ['order.cancelled'] } },
  'loyalty.refused': { by: 'loyalty', reactions: { payment: ['payment.refunded', 'compensated'], order: undo } },
  'inventory.rejected': {
    by: 'inventory',
    reactions: {
      payment: ['payment.refunded', 'compensated'],
      loyalty: ['loyalty.restored', 'compensated'],
      order: undo,
    },
  },
  'order.withdrawn': {
    by: 'order',
    trigger: 'a customer',
    reactions: {
      payment: ['payment.refunded', 'payment.voided', 'compensated'],
      loyalty: ['loyalty.restored', 'loyalty.voided', 'compensated'],
      inventory: ['inventory.released', 'inventory.voided', 'compensated'],
    },
  },
  'payment.refunded': { by: 'payment', compensates: 'payment.completed', reactions: { order: undo } },
  'payment.voided': { by: 'payment', reactions: { order: undo } },
  'loyalty.restored': { by: 'loyalty', compensates: 'loyalty.redeemed', reactions: { order: undo } },
  'loyalty.voided': { by: 'loyalty', reactions: { order: [...undo, 'ended'] } },
  'inventory.released': { by: 'inventory', compensates: 'inventory.reserved', reactions: { order: undo } },
  'inventory.voided': { by: 'inventory', reactions: { order: [...undo, 'ended'] } },
  'order.cancelled': { by: 'order', final: 'cancelled' },
};

// Payment and inventory work in parallel; order joins them.
const parallel: Record<string, Row> = {
  'order.placed': {
    by: 'order',
    trigger: 'a customer',
    reactions: {
      payment: ['payment.completed', 'payment.failed', 'fenced'],
      inventory: ['inventory.reserved', 'inventory.rejected', 'fenced'],
    },
  },
  'payment.completed': { by: 'payment', reactions: { order: ['order.confirmed', 'waits', 'withdrawn', 'ended'] } },
  'inventory.reserved': { by: 'inventory', reactions: { order: ['order.confirmed', 'waits', 'withdrawn', 'ended'] } },
  'payment.failed': {
    by: 'payment',
    reactions: { inventory: ['inventory.released', 'inventory.voided', 'compensated'], order: undo },
  },
  'inventory.rejected': {
    by: 'inventory',
    reactions: { payment: ['payment.refunded', 'payment.voided', 'compensated'], order: undo },
  },
  'order.withdrawn': {
    by: 'order',
    trigger: 'a customer',
    reactions: {
      payment: ['payment.refunded', 'payment.voided', 'compensated'],
      inventory: ['inventory.released', 'inventory.voided', 'compensated'],
    },
  },
  'payment.refunded': { by: 'payment', compensates: 'payment.completed', reactions: { order: undo } },
  'payment.voided': { by: 'payment', reactions: { order: undo } },
  'inventory.released': { by: 'inventory', compensates: 'inventory.reserved', reactions: { order: undo } },
  'inventory.voided': { by: 'inventory', reactions: { order: undo } },
  'order.confirmed': { by: 'order', final: 'confirmed' },
  'order.cancelled': { by: 'order', final: 'cancelled' },
};

describe('the static checks of a choreography', () => {
  describe('accept', () => {
    it('the contract of this project', () => expectNothing(choreography));
    it('the smallest complete saga', () => expectNothing(contractOf(small)));
    it('a longer chain, with a service that acts after the confirmation', () => expectNothing(contractOf(long)));
    it('two services in parallel, joined at the end', () => expectNothing(contractOf(parallel)));
    it('compensations that trigger each other, instead of one event that triggers all of them', () => {
      const chain = changed(long, {
        'inventory.rejected': { reactions: { loyalty: ['loyalty.restored', 'compensated'], order: undo } },
        'loyalty.restored': { reactions: { payment: ['payment.refunded', 'compensated'], order: undo } },
      });
      expectNothing(chain);
    });
  });

  describe('has-publisher', () => {
    it('catches an event that no reaction has as its outcome', () => {
      const contract = reacting(small, 'order.placed', 'payment', ['payment.completed', 'fenced']);
      expectFinding(contract, 'has-publisher', ['payment.failed'], /payment never publishes payment\.failed/);
    });
    it('accepts such an event when it has a trigger and is standalone', () =>
      expectNothing(
        changed(small, { 'price.changed': { by: 'payment', trigger: 'a price changes', standalone: true } }),
      ));
    it('catches an outcome that only another service may publish', () => {
      const contract = reacting(small, 'payment.completed', 'shipping', ['order.cancelled']);
      const path = ['order.placed', 'payment.completed', 'order.cancelled'];
      expectFinding(contract, 'has-publisher', path, /shipping reacts .* which only order may publish/);
    });
    it('catches a misspelt outcome', () => {
      const contract = reacting(small, 'payment.failed', 'order', ['order.canceled']);
      expectFinding(contract, 'has-publisher', ['order.placed', 'payment.failed', 'order.canceled'], /is not an event/);
    });
    it('catches a reaction without any outcome', () => {
      const contract = changed(small, { 'payment.failed': { reactions: { order: [] } } });
      expectFinding(contract, 'has-publisher', ['payment.failed'], /without any outcome/);
    });
    it('catches a compensation of an event that does not exist, or that another service published', () => {
      const misspelt = changed(small, { 'payment.refunded': { compensates: 'payment.complete' } });
      expectFinding(misspelt, 'has-publisher', ['payment.refunded', 'payment.complete'], /which is not an event/);
      const stolen = changed(small, { 'payment.refunded': { compensates: 'order.confirmed' } });
      expectFinding(
        stolen,
        'has-publisher',
        ['order.confirmed', 'payment.refunded'],
        /payment cannot compensate what order did/,
      );
    });
    it('catches a start and a withdrawal that do not exist or have no trigger', () => {
      const unknown = { ...contractOf(small), starts: 'order.put', withdrawal: 'constructor' };
      expectFinding(unknown, 'has-publisher', ['order.put'], /'starts'/);
      expectFinding(unknown, 'has-publisher', ['constructor'], /'withdrawal'/);
      const led = { ...contractOf(small), withdrawal: 'payment.failed' };
      expectFinding(led, 'has-publisher', ['payment.failed'], /has no trigger/);
    });
  });

  describe('consumed-or-final', () => {
    it('catches an event that nobody subscribes to', () => {
      const contract = reacting(small, 'payment.failed', 'order', []);
      expectFinding(
        contract,
        'consumed-or-final',
        ['order.placed', 'payment.failed'],
        /nobody subscribes to payment\.failed/,
      );
    });
    it('accepts an event that a service only notes if the saga continues elsewhere', () => {
      const rows = { ...small, 'payment.audited': { by: 'audit', reactions: { payment: ['noted'] } } };
      expectNothing(reacting(rows, 'payment.completed', 'audit', ['payment.audited']));
    });
  });

  describe('no-loops', () => {
    it('catches two services that react to each other', () => {
      const contract = changed(small, {
        'payment.failed': { reactions: { order: ['order.cancelled', 'order.retried'] } },
        'order.retried': { by: 'order', reactions: { payment: ['payment.failed', 'fenced'] } },
      });
      expectFinding(contract, 'no-loops', ['payment.failed', 'order.retried', 'payment.failed'], /back to itself/);
    });
    it('reports one loop once', () => {
      const contract = changed(small, {
        'payment.failed': { reactions: { payment: ['payment.failed'], order: ['order.cancelled'] } },
      });
      expect(checkChoreography(contract).filter(({ rule }) => rule === 'no-loops')).to.have.length(1);
    });
    it('accepts two paths to the same event', () =>
      expectNothing(changed(small, { 'payment.refunded': { reactions: { order: ['order.cancelled', 'ended'] } } })));
  });

  describe('paths-end', () => {
    it('catches a path on which every service only notes', () => {
      const contract = reacting(small, 'payment.failed', 'order', ['noted']);
      expectFinding(
        contract,
        'paths-end',
        ['order.placed', 'payment.failed'],
        /after payment\.failed \(order: noted\)/,
      );
    });
    it('catches a withdrawal that never ends', () => {
      const contract = reacting(small, 'payment.voided', 'order', ['noted']);
      const path = ['order.placed', 'order.withdrawn', 'payment.voided'];
      expectFinding(contract, 'paths-end', path, /after .*payment\.voided \(order: noted\)/);
    });
    it('catches a join that one of its events does not complete when it arrives last', () => {
      const contract = reacting(parallel, 'inventory.reserved', 'order', ['waits', 'withdrawn', 'ended']);
      expect(rulesOf(contract)).to.deep.equal(['paths-end', 'no-failure-after-confirm']);
    });
    it('accepts a reaction that only waits, for an event that is sure to arrive later', () =>
      expectNothing(reacting(long, 'payment.completed', 'order', ['waits', 'ended'])));
    it('continues after a success that is only noted', () => {
      const asked = { ...parallel['order.placed']?.reactions, audit: ['audit.passed'] };
      const passed = { by: 'audit', reactions: { order: ['noted'] } };
      expectNothing(changed(parallel, { 'order.placed': { reactions: asked }, 'audit.passed': passed }));
    });
    it('catches a reaction that waits for an event that never arrives', () => {
      const contract = reacting(small, 'payment.failed', 'order', ['order.cancelled', 'waits']);
      expectFinding(
        contract,
        'paths-end',
        ['order.placed', 'payment.failed'],
        /order waits on payment\.failed, but no other event completes the wait/,
      );
    });
    it('accepts a reaction that waits for an event that arrives only when the order is withdrawn', () =>
      expectNothing(reacting(long, 'payment.failed', 'order', undo)));
    it('catches a path that ends both ways', () => {
      const contract = changed(parallel, {
        'payment.completed': { reactions: { order: ['order.confirmed', 'withdrawn'] } },
        'inventory.rejected': {
          reactions: { payment: ['payment.refunded', 'payment.voided', 'compensated'], order: ['order.cancelled'] },
        },
      });
      expect(findings(contract).join('\n')).to.match(/paths-end: a path ends more than once/);
    });
    it('catches a saga that can never be confirmed', () => {
      const contract = reacting(small, 'payment.completed', 'order', ['order.cancelled', 'withdrawn']);
      expectFinding(contract, 'paths-end', ['order.placed'], /no path from order\.placed ends in a final 'confirmed'/);
    });
    it('catches an event with a trigger in the middle of a saga', () => {
      const contract = changed(small, {
        'payment.expired': { by: 'payment', trigger: 'a timer', reactions: { order: ['ended'] } },
      });
      expectFinding(contract, 'paths-end', ['payment.expired'], /a path of its own/);
    });
  });

  describe('compensation-complete', () => {
    it('catches a refusal that an earlier service does not subscribe to', () => {
      const contract = reacting(long, 'loyalty.refused', 'payment', []);
      const path = ['order.placed', 'payment.completed', 'loyalty.refused', 'order.cancelled'];
      expectFinding(
        contract,
        'compensation-complete',
        path,
        /payment does not compensate payment\.completed on the path of loyalty\.refused/,
      );
    });
    it('catches a withdrawal to which a service reacts without compensating', () => {
      const contract = reacting(long, 'order.withdrawn', 'payment', ['payment.voided', 'compensated']);
      expect(findings(contract).join('\n')).to.match(
        /compensation-complete: payment does not compensate payment\.completed on the path of order\.withdrawn/,
      );
    });
    it('catches a step that no event compensates', () => {
      const contract = changed(small, { 'payment.refunded': { compensates: 'payment.voided' } });
      expectFinding(
        contract,
        'compensation-complete',
        ['order.placed', 'payment.completed'],
        /no event compensates payment\.completed/,
      );
    });
    it('accepts a step without a compensation from the service that started the saga', () =>
      expectNothing(
        changed(small, {
          'order.placed': { reactions: { order: ['order.checked', 'withdrawn'] } },
          'order.checked': { by: 'order', reactions: { payment: ['payment.completed', 'payment.failed', 'fenced'] } },
        }),
      ));
    it('catches an end that is published before the compensation', () => {
      const contract = reacting(long, 'loyalty.refused', 'order', ['order.cancelled']);
      expect(findings(contract).join('\n')).to.match(
        /compensation-complete: order can publish order\.cancelled on loyalty\.refused without waiting for payment\.refunded/,
      );
    });
    it('catches an end whose service does not subscribe to the compensation', () => {
      const contract = changed(long, { 'loyalty.restored': { reactions: { payment: ['noted'] } } });
      expect(findings(contract).join('\n')).to.match(
        /order publishes order\.cancelled but does not subscribe to loyalty\.restored/,
      );
    });
    it('catches an end whose service cannot know whether a compensation is still to come', () => {
      const contract = reacting(long, 'inventory.rejected', 'order', []);
      expect(rulesOf(contract)).to.deep.equal(['compensation-complete']);
      expect(findings(contract).join('\n')).to.match(
        /cannot tell from .*payment\.refunded.* whether inventory\.released is still to come/,
      );
    });
  });

  describe('races-covered', () => {
    it('catches a step without a fence', () => {
      const contract = reacting(small, 'order.placed', 'payment', ['payment.completed', 'payment.failed']);
      expectFinding(
        contract,
        'races-covered',
        ['order.withdrawn', 'order.placed'],
        /payment needs 'fenced' on order\.placed/,
      );
    });
    it('catches a service that does not subscribe to the withdrawal', () => {
      const contract = reacting(long, 'order.withdrawn', 'loyalty', []);
      expectFinding(
        contract,
        'races-covered',
        ['order.withdrawn', 'loyalty'],
        /loyalty does not subscribe to order\.withdrawn/,
      );
    });
    it('accepts a service that acts only after the confirmation and does not subscribe to the withdrawal', () => {
      expect(long['order.withdrawn']?.reactions).to.not.have.property('shipping');
      expectNothing(contractOf(long));
    });
    it('catches a withdrawal without an outcome for a service that has done nothing yet', () => {
      const contract = reacting(small, 'order.withdrawn', 'payment', ['payment.refunded', 'compensated']);
      expectFinding(contract, 'races-covered', ['order.withdrawn', 'order.placed'], /it has done nothing yet/);
    });
    it('catches a withdrawal without an outcome for a service whose step came first', () => {
      const contract = reacting(long, 'order.withdrawn', 'loyalty', ['loyalty.voided', 'compensated']);
      expectFinding(
        contract,
        'races-covered',
        ['loyalty.redeemed', 'order.withdrawn'],
        /loyalty needs loyalty\.restored/,
      );
    });
    it('catches a withdrawal without an outcome for a service that has refused', () => {
      const contract = reacting(small, 'order.withdrawn', 'payment', ['payment.refunded', 'payment.voided']);
      expectFinding(
        contract,
        'races-covered',
        ['payment.failed', 'order.withdrawn'],
        /payment needs 'compensated' on order\.withdrawn/,
      );
    });
    it('catches a compensation that two events lead to and that one of them would repeat', () => {
      const contract = reacting(long, 'loyalty.refused', 'payment', ['payment.refunded']);
      const path = ['inventory.rejected', 'order.withdrawn', 'loyalty.refused'];
      expectFinding(contract, 'races-covered', path, /payment needs 'compensated' on loyalty\.refused/);
    });
    it('catches a success that would confirm a withdrawn order', () => {
      const contract = reacting(small, 'payment.completed', 'order', ['order.confirmed']);
      expectFinding(contract, 'races-covered', ['order.withdrawn', 'payment.completed'], /order needs 'withdrawn'/);
    });
    it('catches an event that can arrive after the end', () => {
      const contract = reacting(long, 'loyalty.voided', 'order', undo);
      const path =
        'order.placed > order.withdrawn > payment.failed > order.cancelled > loyalty.voided > inventory.voided';
      expect(findings(contract)).to.deep.equal([
        `races-covered: order needs 'ended' on loyalty.voided, which can arrive after payment.failed has led to order.cancelled [${path}]`,
      ]);
    });
    it('catches a refusal that overtakes a parallel step', () => {
      const contract = reacting(parallel, 'payment.failed', 'inventory', ['inventory.released', 'compensated']);
      expectFinding(
        contract,
        'races-covered',
        ['payment.failed', 'inventory.reserved'],
        /inventory has no outcome on payment\.failed/,
      );
    });
  });

  describe('no-failure-after-confirm', () => {
    it('catches a later step whose refusal cancels', () => {
      const contract = changed(long, {
        'order.confirmed': { reactions: { shipping: ['shipping.booked', 'shipping.refused'] } },
        'shipping.refused': { by: 'shipping', reactions: { order: ['order.cancelled'] } },
      });
      const path = ['order.confirmed', 'shipping.refused', 'order.cancelled'];
      expectFinding(contract, 'no-failure-after-confirm', path, /can still end as order\.cancelled/);
    });
    it('catches a later step whose refusal compensates', () => {
      const contract = changed(long, {
        'order.confirmed': { reactions: { shipping: ['shipping.booked', 'shipping.refused'] } },
        'shipping.refused': { by: 'shipping', standalone: true, reactions: { payment: ['payment.refunded'] } },
      });
      const path = ['order.confirmed', 'shipping.refused', 'payment.refunded'];
      expectFinding(contract, 'no-failure-after-confirm', path, /payment can still compensate payment\.completed/);
    });
    it('accepts a later service that succeeds or fails on its own', () =>
      expectNothing(
        changed(long, {
          'order.confirmed': { reactions: { shipping: ['shipping.booked', 'shipping.refused'] } },
          'shipping.refused': { by: 'shipping', standalone: true, reactions: { order: ['noted'] } },
        }),
      ));
    it('catches a confirmation together with a compensation', () => {
      const contract = changed(parallel, {
        'payment.completed': { reactions: { order: ['order.confirmed', 'withdrawn', 'ended'] } },
        'inventory.reserved': { reactions: { order: ['noted'] } },
      });
      const path = ['order.placed', 'payment.completed', 'inventory.rejected', 'order.confirmed', 'payment.refunded'];
      expectFinding(contract, 'no-failure-after-confirm', path, /both order\.confirmed and payment\.refunded/);
    });
    it('catches a confirmation that does not wait for every service that can still refuse', () => {
      const asked = { ...parallel['order.placed']?.reactions, audit: ['audit.passed', 'audit.refused'] };
      const contract = changed(parallel, {
        'order.placed': { reactions: asked },
        'audit.passed': { by: 'audit', reactions: { order: ['noted'] } },
        'audit.refused': {
          by: 'audit',
          reactions: {
            payment: ['payment.refunded', 'payment.voided', 'compensated'],
            inventory: ['inventory.released', 'inventory.voided', 'compensated'],
            order: ['order.cancelled', 'waits', 'ended'],
          },
        },
      });
      expect(findings(contract).join('\n')).to.match(
        /no-failure-after-confirm: order can publish order\.confirmed on order\.placed, payment\.completed, inventory\.reserved while another/,
      );
    });
  });

  describe('on a service that was added to the chain with one mistake', () => {
    const cases: { mistake: string; contract: Choreography; rules: RuleName[] }[] = [
      {
        mistake: 'it has no fence',
        contract: reacting(long, 'payment.completed', 'loyalty', ['loyalty.redeemed', 'loyalty.refused']),
        rules: ['races-covered'],
      },
      {
        mistake: 'its compensation names the wrong event',
        contract: changed(long, { 'loyalty.restored': { by: 'loyalty', compensates: 'loyalty.voided' } }),
        rules: ['compensation-complete'],
      },
      {
        mistake: 'it does not subscribe to the refusal of the next service',
        contract: reacting(long, 'inventory.rejected', 'loyalty', []),
        rules: ['compensation-complete'],
      },
      {
        mistake: 'the service before it does not subscribe to its refusal',
        contract: reacting(long, 'loyalty.refused', 'payment', []),
        rules: ['compensation-complete'],
      },
      {
        mistake: 'it has no outcome for a second event that asks it to compensate',
        contract: reacting(long, 'inventory.rejected', 'loyalty', ['loyalty.restored']),
        rules: ['races-covered'],
      },
      {
        mistake: 'order does not subscribe to its refusal',
        contract: reacting(long, 'loyalty.refused', 'order', []),
        rules: ['compensation-complete'],
      },
      {
        mistake: 'order does not subscribe to its compensation',
        contract: reacting(long, 'loyalty.restored', 'order', []),
        rules: ['consumed-or-final', 'compensation-complete'],
      },
      {
        mistake: 'the event of the service after the end is not standalone',
        contract: changed(long, {
          'shipping.booked': { by: 'shipping', reactions: {}, standalone: undefined } as unknown as Row,
        }),
        rules: ['consumed-or-final'],
      },
    ];
    for (const { mistake, contract, rules } of cases) {
      it(`${mistake}: ${rules.join(' and ')}`, () => {
        expect(rulesOf(contract), findings(contract).join('\n')).to.deep.equal(rules);
      });
    }
    it('it does not subscribe to the withdrawal: races-covered and compensation-complete', () => {
      const rules = rulesOf(reacting(long, 'order.withdrawn', 'loyalty', []));
      expect(rules).to.include('races-covered').and.to.include('compensation-complete');
    });
  });

  describe('on the contract of this project, with any one outcome removed', () => {
    const rows = choreography.events as Record<string, Row>;
    // Every saga would end without these outcomes. They have other reasons.
    const optional = [
      // Nothing is on its way after payment.voided except inventory.voided, which may arrive late.
      'waits from payment.voided at order-service',
      // Not part of the saga. The tests of the catalogue check that outdated versions are ignored.
      'noted from product.updated at order-service',
      'outdated from product.updated at order-service',
      // The checks know of each event once, and of databases that lose nothing. Answers to a question that was asked
      // twice, and orders that are rebuilt, are for the tests of the reactions.
      'ended from payment.failed at order-service',
      'ended from payment.refunded at order-service',
      'ended from payment.voided at order-service',
      'ended from inventory.released at order-service',
      'ended from inventory.rejected at order-service',
      'recovered from payment.completed at order-service',
    ];
    for (const [type, row] of Object.entries(rows)) {
      for (const [service, outcomes] of Object.entries(row.reactions ?? {})) {
        for (const outcome of outcomes) {
          const name = `${outcome} from ${type} at ${service}`;
          const rest = outcomes.filter((other) => other !== outcome);
          const contract = changed(rows, { [type]: { reactions: { ...row.reactions, [service]: rest } } });
          const isRequired = !optional.includes(name);
          it(`${isRequired ? 'requires' : 'does not require'} ${name}`, () => {
            if (isRequired) expect(findings(contract)).to.not.deep.equal([]);
            else expectNothing(contract);
          });
        }
      }
    }
  });

  it('gives the same findings for the same contract, whatever the order of its rows', () => {
    const reversed = contractOf(Object.fromEntries(Object.entries(long).reverse()));
    expectNothing(reversed);
    const broken = reacting(long, 'loyalty.refused', 'payment', []);
    expect(checkChoreography(broken)).to.deep.equal(checkChoreography(broken));
  });
});
