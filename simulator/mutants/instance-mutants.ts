// Several instances of order-service: joining, losing a database, adoption, and who decides.
import { paths } from '../../order-service/peer-answers.ts';
import type { OrderParts } from '../../order-service/service.ts';
import { serviceOf } from '../../shared/contract/members.ts';
import type { ServiceParts } from '../../shared/runtime/node/service.ts';
import { replaced } from '../environment/sim-database.ts';
import { type Mutant, type Planting, planted } from './mutant.ts';
import { parts, peersAnswering, sql } from './planting.ts';

/** Runs with three instances. */
function amongThree(planting: Planting): Planting {
  return { instances: 3, ...planting };
}

type React = (event: { readonly type: string; readonly subject: string }, at: unknown) => unknown;

/** What an instance does with the events of its peers is different. */
function peerReaction(type: string, build: (real: React, store: OrderParts['store']) => React): Planting {
  return parts('order-service', (real) => {
    const peers = (real.peerReactions ?? {}) as unknown as Record<string, React>;
    const { store } = real as unknown as OrderParts;
    const bugged = { ...peers, [type]: build(peers[type] as React, store) };
    return { ...real, peerReactions: bugged as unknown as NonNullable<ServiceParts['peerReactions']> };
  });
}

/** An instance takes itself for something else than it is. */
function instancesSaying(
  change: (instances: OrderParts['store']['instances']) => Partial<OrderParts['store']['instances']>,
): Planting {
  return parts('order-service', (real) => {
    const { instances } = (real as unknown as OrderParts).store;
    Object.assign(instances, change(instances));
    return real;
  });
}

export const instanceMutants: readonly Mutant[] = [
  planted(
    'P2',
    'everyone-decides',
    'every instance decides about every order',
    amongThree(instancesSaying(() => ({ decides: () => true }))),
  ),
  planted(
    'P5',
    'peers-end-unrecorded',
    'an instance does not record that another has confirmed an order',
    amongThree(peerReaction('order.confirmed', () => () => 'noted')),
  ),
  planted(
    'P5',
    'peers-withdrawal-unrecorded',
    'an instance does not record that another has withdrawn an order',
    amongThree(peerReaction('order.withdrawn', () => () => 'noted')),
  ),
  planted(
    'P5',
    'early-facts-dropped',
    'what comes before its order is dropped',
    amongThree(
      parts('order-service', (real) => {
        const { store } = real as unknown as OrderParts;
        const reactions = Object.entries(real.reactions as unknown as Record<string, React>).map(
          ([type, react]): [string, React] => [
            type,
            (event, at) => (type !== 'product.updated' && !store.order(event.subject) ? 'waits' : react(event, at)),
          ],
        );
        return { ...real, reactions: Object.fromEntries(reactions) as unknown as ServiceParts['reactions'] };
      }),
    ),
  ),
  planted('P5', 'latest-fact-stays', 'of several events of one type the one that came first to an instance stays', {
    ...amongThree(sql('UPDATE facts SET event_id', /WHERE order_id = /, 'WHERE 0 AND order_id = ')),
    // Two instances decide the same only about orders that one has adopted while the other was away.
    faults: ['instance-adopted', 'away', 'broker-wiped', 'queue-purged', 'connection-cut'],
  }),
  planted(
    'P5',
    'copies-of-one-page',
    'an instance that has lost its database copies the first page of what a peer knows',
    amongThree({
      // Of 50 events: a page of the usual size has room for all that is known in a run of this size.
      peer: (real) => ({
        get: (path, query, done) =>
          real.get(path, path === paths.facts ? { ...query, limit: '50' } : query, (answer) =>
            done(answer instanceof Error ? answer : { ...(answer as object), next: undefined }),
          ),
      }),
    }),
  ),
  planted(
    'P5',
    'no-copies',
    'an instance that has lost its database copies nothing from its peers',
    amongThree(
      peersAnswering((path, answer) =>
        path === '/copies/facts' ? { ...(answer as object), events: [], next: undefined } : answer,
      ),
    ),
  ),
  planted(
    'P5',
    'cancellation-decided-by-all',
    'every instance withdraws an order when a customer cancels it elsewhere',
    {
      ...amongThree(
        peerReaction('order.cancel-requested', (real, store) => (event, at) => {
          const order = store.order(event.subject);
          if (order?.status !== 'pending') return real(event, at);
          const { orderId, userId } = order;
          return { type: 'order.withdrawn', data: { orderId, userId, reason: 'customer' } };
        }),
      ),
      faults: ['cancel', 'delay', 'away', 'reorder', 'duplicate'],
    },
  ),
  planted(
    'P2',
    'adopted-orders-left-open',
    'an instance that has adopted another decides about none of its orders',
    amongThree(
      instancesSaying((own) => ({ decides: (origin = 'order-service') => own.ready && origin === own.member })),
    ),
  ),
  planted(
    'P3',
    'key-charged-by-each',
    'payment-service charges every order of one Idempotency-Key',
    amongThree(sql('SELECT order_id FROM order_keys WHERE key', 'WHERE key', 'WHERE 0 AND key', 'payment-service')),
  ),
  planted(
    'P2',
    'adoption-unknown-to-payment',
    'payment-service does not note that an instance was adopted',
    amongThree({
      statements: (service) => (text, statement) =>
        service === 'payment-service' && text.startsWith('INSERT OR IGNORE INTO adopted_instances')
          ? replaced(statement, { run: () => ({ changes: 1, lastInsertRowid: 0 }) })
          : statement,
    }),
  ),
  planted(
    'P8',
    'journals-of-peers-unread',
    'an instance does not compare the journals of its peers',
    amongThree({
      journal: (reader, publisher) =>
        serviceOf(publisher) === 'order-service' && publisher !== 'order-service'
          ? { ...reader, ids: (_query, done) => reader.events([], () => done([])), events: reader.events }
          : reader,
    }),
  ),
];
