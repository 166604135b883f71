// The static checks: each rule catches what it is for, and lets pass what is only similar.
import { expect } from 'chai';
import { z } from 'zod';
import { checkChoreography, type RuleName } from '../../shared/contract/checks/all-checks.ts';
import { choreography } from '../../shared/contract/choreography.ts';
import type { Choreography, EventSpec } from '../../shared/contract/language.ts';

type Row = Partial<EventSpec> & { readonly by: string };

/** A contract in a few lines: what a row leaves out does not matter to the test. */
function contractOf(rows: Record<string, Row>): Choreography {
  const data = z.object({ orderId: z.string() });
  const events = Object.entries(rows).map(([type, row]) => [type, { data, subject: 'orderId', reactions: {}, ...row }]);
  return { starts: 'order.placed', withdrawal: 'order.withdrawn', events: Object.fromEntries(events) };
}

/** The same rows with some changed or added; `undefined` takes a row away. */
function changed(rows: Record<string, Row>, changes: Record<string, Partial<Row> | undefined>): Choreography {
  const kept = Object.entries(rows).filter(([type]) => !(type in changes && changes[type] === undefined));
  const merged = kept.map(([type, row]) => [type, { ...row, ...changes[type] }]);
  const added = Object.entries(changes).filter(([type, row]) => row !== undefined && !(type in rows));
  return contractOf(Object.fromEntries([...merged, ...added]) as Record<string, Row>);
}

/** Rows whose reaction has other outcomes; an empty list takes the reaction away. */
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

// The smallest whole saga: one service does one thing.
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

// Four services in the saga, one after another, and a fifth that goes on after its end.
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

// Payment and inventory work side by side; the order joins them.
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
  describe('let pass', () => {
    it('the contract of this project', () => expectNothing(choreography));
    it('the smallest whole saga', () => expectNothing(contractOf(small)));
    it('a longer chain, with a service that goes on after the confirmation', () => expectNothing(contractOf(long)));
    it('two services side by side, joined at the end', () => expectNothing(contractOf(parallel)));
    it('a compensation that is handed on from service to service instead of told to all', () => {
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
      expectFinding(contract, 'has-publisher', ['payment.failed'], /nothing makes payment say payment\.failed/);
    });
    it('lets such an event pass when it is trigger and standalone', () =>
      expectNothing(
        changed(small, { 'price.changed': { by: 'payment', trigger: 'a price changes', standalone: true } }),
      ));
    it('catches an outcome that another service owns', () => {
      const contract = reacting(small, 'payment.completed', 'shipping', ['order.cancelled']);
      const path = ['order.placed', 'payment.completed', 'order.cancelled'];
      expectFinding(contract, 'has-publisher', path, /shipping reacts .* which only order may say/);
    });
    it('catches a misspelt outcome', () => {
      const contract = reacting(small, 'payment.failed', 'order', ['order.canceled']);
      expectFinding(contract, 'has-publisher', ['order.placed', 'payment.failed', 'order.canceled'], /is no event/);
    });
    it('catches a reaction without any outcome', () => {
      const contract = changed(small, { 'payment.failed': { reactions: { order: [] } } });
      expectFinding(contract, 'has-publisher', ['payment.failed'], /no outcome at all/);
    });
    it('catches an compensates that names nothing, or what another service did', () => {
      const misspelt = changed(small, { 'payment.refunded': { compensates: 'payment.complete' } });
      expectFinding(misspelt, 'has-publisher', ['payment.refunded', 'payment.complete'], /which is no event/);
      const stolen = changed(small, { 'payment.refunded': { compensates: 'order.confirmed' } });
      expectFinding(stolen, 'has-publisher', ['order.confirmed', 'payment.refunded'], /of order/);
    });
    it('catches a start and a withdrawal that are no events, or that nobody says of their own accord', () => {
      const unknown = { ...contractOf(small), starts: 'order.put', withdrawal: 'constructor' };
      expectFinding(unknown, 'has-publisher', ['order.put'], /'starts'/);
      expectFinding(unknown, 'has-publisher', ['constructor'], /'withdrawal'/);
      const led = { ...contractOf(small), withdrawal: 'payment.failed' };
      expectFinding(led, 'has-publisher', ['payment.failed'], /of their own accord/);
    });
  });

  describe('consumed-or-final', () => {
    it('catches an event that nobody hears', () => {
      const contract = reacting(small, 'payment.failed', 'order', []);
      expectFinding(contract, 'consumed-or-final', ['order.placed', 'payment.failed'], /nobody reacts/);
    });
    it('lets pass an event that somebody only notes, if the saga goes on elsewhere', () => {
      const rows = { ...small, 'payment.audited': { by: 'audit', reactions: { payment: ['noted'] } } };
      expectNothing(reacting(rows, 'payment.completed', 'audit', ['payment.audited']));
    });
  });

  describe('no-loops', () => {
    it('catches two services that answer each other', () => {
      const contract = changed(small, {
        'payment.failed': { reactions: { order: ['order.cancelled', 'order.retried'] } },
        'order.retried': { by: 'order', reactions: { payment: ['payment.failed', 'fenced'] } },
      });
      expectFinding(contract, 'no-loops', ['payment.failed', 'order.retried', 'payment.failed'], /back to itself/);
    });
    it('tells one loop once', () => {
      const contract = changed(small, {
        'payment.failed': { reactions: { payment: ['payment.failed'], order: ['order.cancelled'] } },
      });
      expect(checkChoreography(contract).filter(({ rule }) => rule === 'no-loops')).to.have.length(1);
    });
    it('lets two ways to the same event pass', () =>
      expectNothing(changed(small, { 'payment.refunded': { reactions: { order: ['order.cancelled', 'ended'] } } })));
  });

  describe('paths-end', () => {
    it('catches a path on which everybody only notes', () => {
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
    it('catches a join that one of its partners does not complete when it comes last', () => {
      const contract = reacting(parallel, 'inventory.reserved', 'order', ['waits', 'withdrawn', 'ended']);
      expect(rulesOf(contract)).to.deep.equal(['paths-end', 'no-failure-after-confirm']);
    });
    it('lets a reaction only wait for what is sure to come after it', () =>
      expectNothing(reacting(long, 'payment.completed', 'order', ['waits', 'ended'])));
    it('goes on past a success that is only noted', () => {
      const asked = { ...parallel['order.placed']?.reactions, audit: ['audit.passed'] };
      const passed = { by: 'audit', reactions: { order: ['noted'] } };
      expectNothing(changed(parallel, { 'order.placed': { reactions: asked }, 'audit.passed': passed }));
    });
    it('catches a reaction that waits for a partner that never comes', () => {
      const contract = reacting(small, 'payment.failed', 'order', ['order.cancelled', 'waits']);
      expectFinding(contract, 'paths-end', ['order.placed', 'payment.failed'], /order waits on payment\.failed/);
    });
    it('lets a reaction wait whose partner comes only when the order is withdrawn', () =>
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
    it('catches an event that comes of itself in the middle of a saga', () => {
      const contract = changed(small, {
        'payment.expired': { by: 'payment', trigger: 'a timer', reactions: { order: ['ended'] } },
      });
      expectFinding(contract, 'paths-end', ['payment.expired'], /a path of its own/);
    });
  });

  describe('compensation-complete', () => {
    it('catches a refusal that an earlier service does not hear', () => {
      const contract = reacting(long, 'loyalty.refused', 'payment', []);
      const path = ['order.placed', 'payment.completed', 'loyalty.refused', 'order.cancelled'];
      expectFinding(
        contract,
        'compensation-complete',
        path,
        /payment does not undo payment\.completed on the path of loyalty\.refused/,
      );
    });
    it('catches a withdrawal that a service answers without undoing', () => {
      const contract = reacting(long, 'order.withdrawn', 'payment', ['payment.voided', 'compensated']);
      expect(findings(contract).join('\n')).to.match(
        /compensation-complete: payment does not undo payment\.completed on the path of order\.withdrawn/,
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
    it('lets a step of the service that started the saga pass without an undoing event', () =>
      expectNothing(
        changed(small, {
          'order.placed': { reactions: { order: ['order.checked', 'withdrawn'] } },
          'order.checked': { by: 'order', reactions: { payment: ['payment.completed', 'payment.failed', 'fenced'] } },
        }),
      ));
    it('catches an end that is said before the undoing', () => {
      const contract = reacting(long, 'loyalty.refused', 'order', ['order.cancelled']);
      expect(findings(contract).join('\n')).to.match(
        /compensation-complete: order can say order\.cancelled on loyalty\.refused without waiting for payment\.refunded/,
      );
    });
    it('catches an end whose service never hears of the undoing', () => {
      const contract = changed(long, { 'loyalty.restored': { reactions: { payment: ['noted'] } } });
      expect(findings(contract).join('\n')).to.match(
        /order says order\.cancelled without ever hearing of loyalty\.restored/,
      );
    });
    it('catches an end that can not know whether an undoing is still to come', () => {
      const contract = reacting(long, 'inventory.rejected', 'order', []);
      expect(rulesOf(contract)).to.deep.equal(['compensation-complete']);
      expect(findings(contract).join('\n')).to.match(
        /can't tell from .*payment\.refunded.* whether inventory\.released is still to come/,
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
        /payment has no 'fenced' on order\.placed/,
      );
    });
    it('catches a service that does not hear the withdrawal', () => {
      const contract = reacting(long, 'order.withdrawn', 'loyalty', []);
      expectFinding(
        contract,
        'races-covered',
        ['order.withdrawn', 'loyalty'],
        /loyalty does not hear order\.withdrawn/,
      );
    });
    it('lets a service pass that acts only after the confirmation and does not hear the withdrawal', () => {
      expect(long['order.withdrawn']?.reactions).to.not.have.property('shipping');
      expectNothing(contractOf(long));
    });
    it('catches a withdrawal without an answer for when nothing had happened yet', () => {
      const contract = reacting(small, 'order.withdrawn', 'payment', ['payment.refunded', 'compensated']);
      expectFinding(contract, 'races-covered', ['order.withdrawn', 'order.placed'], /nothing had happened yet/);
    });
    it('catches a withdrawal without an answer for when the step came first', () => {
      const contract = reacting(long, 'order.withdrawn', 'loyalty', ['loyalty.voided', 'compensated']);
      expectFinding(
        contract,
        'races-covered',
        ['loyalty.redeemed', 'order.withdrawn'],
        /loyalty has no loyalty\.restored/,
      );
    });
    it('catches a withdrawal without an answer for when the service had refused', () => {
      const contract = reacting(small, 'order.withdrawn', 'payment', ['payment.refunded', 'payment.voided']);
      expectFinding(
        contract,
        'races-covered',
        ['payment.failed', 'order.withdrawn'],
        /no 'compensated' on order\.withdrawn/,
      );
    });
    it('catches an undoing that two events lead to, and that one of them would do again', () => {
      const contract = reacting(long, 'loyalty.refused', 'payment', ['payment.refunded']);
      const path = ['inventory.rejected', 'order.withdrawn', 'loyalty.refused'];
      expectFinding(contract, 'races-covered', path, /payment has no 'compensated' on loyalty\.refused/);
    });
    it('catches a success that would confirm a withdrawn order', () => {
      const contract = reacting(small, 'payment.completed', 'order', ['order.confirmed']);
      expectFinding(contract, 'races-covered', ['order.withdrawn', 'payment.completed'], /order has no 'withdrawn'/);
    });
    it('catches what can arrive after the end', () => {
      const contract = reacting(long, 'loyalty.voided', 'order', undo);
      const path =
        'order.placed > order.withdrawn > payment.failed > order.cancelled > loyalty.voided > inventory.voided';
      expect(findings(contract)).to.deep.equal([
        `races-covered: order has no 'ended' on loyalty.voided, which can arrive after payment.failed has led to order.cancelled [${path}]`,
      ]);
    });
    it('catches a refusal that overtakes a step beside it', () => {
      const contract = reacting(parallel, 'payment.failed', 'inventory', ['inventory.released', 'compensated']);
      expectFinding(
        contract,
        'races-covered',
        ['payment.failed', 'inventory.reserved'],
        /inventory has no answer to payment\.failed/,
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
      expectFinding(contract, 'no-failure-after-confirm', path, /payment can still undo payment\.completed/);
    });
    it('lets a later service succeed or fail on its own', () =>
      expectNothing(
        changed(long, {
          'order.confirmed': { reactions: { shipping: ['shipping.booked', 'shipping.refused'] } },
          'shipping.refused': { by: 'shipping', standalone: true, reactions: { order: ['noted'] } },
        }),
      ));
    it('catches a yes that goes with an undoing', () => {
      const contract = changed(parallel, {
        'payment.completed': { reactions: { order: ['order.confirmed', 'withdrawn', 'ended'] } },
        'inventory.reserved': { reactions: { order: ['noted'] } },
      });
      const path = ['order.placed', 'payment.completed', 'inventory.rejected', 'order.confirmed', 'payment.refunded'];
      expectFinding(contract, 'no-failure-after-confirm', path, /both order\.confirmed and payment\.refunded/);
    });
    it('catches a yes that does not wait for everybody who can still say no', () => {
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
        /no-failure-after-confirm: order can say order\.confirmed on order\.placed, payment\.completed, inventory\.reserved while another/,
      );
    });
  });

  describe('on a service that was added to the chain, when something was forgotten', () => {
    const cases: { forgotten: string; contract: Choreography; rules: RuleName[] }[] = [
      {
        forgotten: 'its fence',
        contract: reacting(long, 'payment.completed', 'loyalty', ['loyalty.redeemed', 'loyalty.refused']),
        rules: ['races-covered'],
      },
      {
        forgotten: 'to name what its undoing event compensates',
        contract: changed(long, { 'loyalty.restored': { by: 'loyalty', compensates: 'loyalty.voided' } }),
        rules: ['compensation-complete'],
      },
      {
        forgotten: 'to hear the refusal of the next one',
        contract: reacting(long, 'inventory.rejected', 'loyalty', []),
        rules: ['compensation-complete'],
      },
      {
        forgotten: 'to let the one before it hear its refusal',
        contract: reacting(long, 'loyalty.refused', 'payment', []),
        rules: ['compensation-complete'],
      },
      {
        forgotten: 'to say that it is settled when it is asked twice',
        contract: reacting(long, 'inventory.rejected', 'loyalty', ['loyalty.restored']),
        rules: ['races-covered'],
      },
      {
        forgotten: 'to let the order hear its refusal',
        contract: reacting(long, 'loyalty.refused', 'order', []),
        rules: ['compensation-complete'],
      },
      {
        forgotten: 'to let the order hear that it gave everything back',
        contract: reacting(long, 'loyalty.restored', 'order', []),
        rules: ['consumed-or-final', 'compensation-complete'],
      },
      {
        forgotten: 'to call the event of the service after the end standalone',
        contract: changed(long, {
          'shipping.booked': { by: 'shipping', reactions: {}, standalone: undefined } as unknown as Row,
        }),
        rules: ['consumed-or-final'],
      },
    ];
    for (const { forgotten, contract, rules } of cases) {
      it(`${forgotten}: ${rules.join(' and ')}`, () => {
        expect(rulesOf(contract), findings(contract).join('\n')).to.deep.equal(rules);
      });
    }
    it('to hear the withdrawal: races-covered and compensation-complete', () => {
      const rules = rulesOf(reacting(long, 'order.withdrawn', 'loyalty', []));
      expect(rules).to.include('races-covered').and.to.include('compensation-complete');
    });
  });

  describe('on the contract of this project, with any one outcome taken away', () => {
    const rows = choreography.events as Record<string, Row>;
    // Each of these is a wish of the table's readers, which the saga would end without.
    const mayGo = [
      // It is told apart from payment.refunded: nothing is on its way after it, and inventory.voided may come late.
      'waits from payment.voided at order-service',
      // Beside the saga: whether a copy of the catalogue skips what is outdated is for the tests of that copy.
      'noted from product.updated at order-service',
      'outdated from product.updated at order-service',
      // The checks know of each event once, and of databases that lose nothing. Answers to a question that was asked
      // twice, and orders that are rebuilt, are for the tests of the reactions.
      'ended from payment.refunded at order-service',
      'ended from payment.voided at order-service',
      'ended from inventory.released at order-service',
      'recovered from payment.completed at order-service',
    ];
    for (const [type, row] of Object.entries(rows)) {
      for (const [service, outcomes] of Object.entries(row.reactions ?? {})) {
        for (const outcome of outcomes) {
          const name = `${outcome} from ${type} at ${service}`;
          const rest = outcomes.filter((other) => other !== outcome);
          const contract = changed(rows, { [type]: { reactions: { ...row.reactions, [service]: rest } } });
          const isMissed = !mayGo.includes(name);
          it(`${isMissed ? 'misses' : 'does not need'} ${name}`, () => {
            if (isMissed) expect(findings(contract)).to.not.deep.equal([]);
            else expectNothing(contract);
          });
        }
      }
    }
  });

  it('answers the same for the same contract, whatever the order of its rows', () => {
    const reversed = contractOf(Object.fromEntries(Object.entries(long).reverse()));
    expectNothing(reversed);
    const broken = reacting(long, 'loyalty.refused', 'payment', []);
    expect(checkChoreography(broken)).to.deep.equal(checkChoreography(broken));
  });
});
