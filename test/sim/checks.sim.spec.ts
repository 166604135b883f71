// Every check can fail: evidence of a good run is tampered with, and the promise that is broken by it is named.
import { expect } from 'chai';
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { checkPromises } from '../../simulator/checks/check-promises.ts';
import type { Evidence } from '../../simulator/checks/evidence.ts';
import type { PromiseId } from '../../simulator/environment/violation.ts';
import { simulate } from '../../simulator/simulation.ts';

type Tamper = (evidence: Evidence) => Evidence;

function sql(service: ServiceName, text: string): Tamper {
  return (evidence) => {
    const db = evidence.databases[service];
    db.pragma('foreign_keys = OFF');
    db.exec(text);
    return evidence;
  };
}

const order = (text: string) => sql('order-service', text);
const payment = (text: string) => sql('payment-service', text);
const inventory = (text: string) => sql('inventory-service', text);

const unsentEntry = `INSERT INTO journal
  SELECT max(position) + 1, randomblob(16), 0, 'order.placed', '', NULL, 0, x'00' FROM journal`;

const cases: readonly (readonly [PromiseId, string, Tamper])[] = [
  ['P1', 'an accepted order is gone', order("DELETE FROM orders WHERE status = 'confirmed'")],
  ['P1', 'an order has another total', order('UPDATE orders SET total = total + 1')],
  ['P2', 'an order is still pending', order("UPDATE orders SET status = 'pending'")],
  ['P2', 'an order never published its end', order("DELETE FROM facts WHERE type = 'order.cancelled'")],
  ['P3', 'a balance is one too high', payment('UPDATE accounts SET balance = balance + 1')],
  ['P3', 'a refund is missing', payment("DELETE FROM ledger WHERE kind = 'refund'")],
  [
    'P3',
    'money paid in has vanished, and the totals agree',
    payment(
      `UPDATE accounts SET balance = balance - 1 WHERE user_id = 'rich-1';
       INSERT INTO ledger SELECT NULL, 'rich-1', 'deposit', -1, 0, NULL, 0, NULL`,
    ),
  ],
  ['P4', 'a stock is one too low', inventory("UPDATE products SET stock = stock - 1 WHERE product_id = 'plenty-1'")],
  ['P4', 'a line was not set aside', inventory("DELETE FROM movements WHERE kind = 'reserve' AND movement_id % 2 = 0")],
  ['P5', 'a payment has another status', payment("UPDATE payments SET status = 'voided' WHERE status = 'completed'")],
  ['P5', 'the catalogue is out of date', order('UPDATE catalogue SET unit_price = unit_price + 1')],
  ['P6', 'an event was published as two events', publishTwice],
  ['P7', 'a fact does not fit the status', order("DELETE FROM facts WHERE type = 'inventory.reserved'")],
  ['P7', 'a cancelled order still counts as paid', chargeAfterFence],
  [
    'P8',
    'an acked event is in no inbox',
    payment('DELETE FROM inbox WHERE event_id = (SELECT event_id FROM inbox LIMIT 1)'),
  ],
  ['P8', 'a poison message is nowhere', (evidence) => ({ ...evidence, deadLetters: [] })],
  ['P8', 'a good message is among the dead letters', blameGoodMessages],
  ['P9', 'a journal has an event that the broker does not know', order(unsentEntry)],
  [
    'P9',
    'an event never arrived at the broker',
    (evidence) => ({ ...evidence, published: new Map([...evidence.published].slice(0, -20)) }),
  ],
  ['P10', 'there is an order that nobody asked for', loseAnAnswer],
];

function publishTwice(evidence: Evidence): Evidence {
  const first = [...evidence.published.values()].find(({ routingKey }) => routingKey === 'order.placed');
  if (!first) throw new Error('no order was placed');
  const published = new Map(evidence.published).set('another', { ...first, messageId: 'another' });
  return { ...evidence, published };
}

function chargeAfterFence(evidence: Evidence): Evidence {
  return payment(
    `UPDATE payments SET status = 'completed' WHERE status = 'refunded';
     DELETE FROM ledger WHERE kind = 'refund'`,
  )(evidence);
}

function blameGoodMessages(evidence: Evidence): Evidence {
  const deadLetters = evidence.deadLetters.map((letter) => {
    return { ...letter, messageId: 'good', reason: 'reaction-failed' };
  });
  return { ...evidence, deadLetters, brokenReactions: new Set() };
}

function loseAnAnswer(evidence: Evidence): Evidence {
  const accepted = new Map([...evidence.answers.accepted].slice(1));
  return { ...evidence, answers: { ...evidence.answers, accepted, unansweredRequests: 0 } };
}

/** In the database of the instance that is not looked at by the other checks. */
function lastInstance(text: string): Tamper {
  return (evidence) => {
    evidence.instances?.standing.at(-1)?.database.db.exec(text);
    return evidence;
  };
}

const amongInstances: readonly (readonly [PromiseId, string, Tamper])[] = [
  ['P5', 'an instance has another status', lastInstance("UPDATE orders SET status = 'pending'")],
  ['P5', 'an instance lacks a fact', lastInstance("DELETE FROM facts WHERE type = 'payment.completed'")],
  ['P5', 'an instance lacks an entry of a list', lastInstance('DELETE FROM orders_of_user')],
  ['P5', 'an instance has another price', lastInstance('UPDATE catalogue SET unit_price = unit_price + 1')],
  ['P2', 'another instance has decided', decidedElsewhere],
  ['P3', 'two orders with one key were charged', chargedTwice],
  [
    'P9',
    'a journal holds other bytes than were published',
    lastInstance("UPDATE journal SET body = CAST('{}' AS BLOB)"),
  ],
];

/** Who has accepted an order was another one. */
function decidedElsewhere(evidence: Evidence): Evidence {
  for (const { database } of evidence.instances?.standing ?? []) {
    database.db.exec("UPDATE orders SET origin = 'order-service.x'");
  }
  return evidence;
}

function chargedTwice(evidence: Evidence): Evidence {
  const idempotency = { key: 'the same', request: '' };
  const published = [...evidence.published].map(([id, message]): [string, typeof message] => {
    if (message.routingKey !== 'order.placed') return [id, message];
    const event = JSON.parse(message.body.toString()) as { data: object };
    const body = Buffer.from(JSON.stringify({ ...event, data: { ...event.data, idempotency } }));
    return [id, { ...message, body }];
  });
  return { ...evidence, published: new Map(published) };
}

describe('the checks of several instances', function () {
  this.timeout(600_000);

  for (const [promise, what, tamper] of amongInstances) {
    it(`name ${promise} when ${what}`, () => {
      let found: string[] = [];
      const inspect = (evidence: Evidence) => {
        expect(checkPromises(evidence)).to.deep.equal([]);
        found = checkPromises(tamper(evidence)).map((violation) => violation.promise);
      };
      simulate({ seed: 31, orders: 40, faults: ['cancel'], instances: 2, inspect });
      expect(found).to.include(promise);
    });
  }
});

describe('the check of databases that were put back', function () {
  this.timeout(600_000);

  it('names P12 when a service lacks an event of an order that may disagree', () => {
    let found: string[] = [];
    const inspect = (evidence: Evidence) => {
      expect(checkPromises(evidence)).to.deep.equal([]);
      // All others are lost, too, so that no other promise says anything of them.
      const lost = new Set([
        ...evidence.lost,
        ...[...evidence.published.values()].map(({ correlationId = '' }) => correlationId),
      ]);
      const withoutEvent = payment('DELETE FROM inbox WHERE event_id = (SELECT event_id FROM inbox LIMIT 1)')(evidence);
      found = checkPromises({ ...withoutEvent, lost, model: undefined }).map(({ promise }) => promise);
    };
    simulate({ seed: 31, orders: 60, faults: ['put-back'], inspect });
    expect(found).to.deep.equal(['P12']);
  });
});

describe('the checks of the promises', function () {
  this.timeout(600_000);

  for (const [promise, what, tamper] of cases) {
    it(`name ${promise} when ${what}`, () => {
      let found: string[] = [];
      const inspect = (evidence: Evidence) => {
        expect(checkPromises(evidence)).to.deep.equal([]);
        // Without the model, which the planted bugs hold to account: it would see most of these, too.
        found = checkPromises(tamper({ ...evidence, model: undefined })).map((violation) => violation.promise);
      };
      simulate({ seed: 31, orders: 60, faults: ['poison', 'cancel', 'broken-reaction'], inspect });
      expect(found).to.include(promise);
    });
  }
});
