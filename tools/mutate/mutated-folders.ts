// What `npm run mutate` changes, the specs that must notice, and the score that each folder must keep.
import { readdirSync } from 'node:fs';

export interface MutatedFolder {
  readonly folder: string;
  /** Files in it that are wiring only, and run in processes of their own. */
  readonly without: readonly string[];
  /** Below test/. Quick ones, since a mutant that survives has run all that cover it. They need no broker and no process: a mutant is switched on inside the process that runs the specs. */
  readonly specs: readonly string[];
  /** Sources whose own specs are enough: they are tested by them alone, which takes a tenth of the time. */
  readonly ownSpecs?: Readonly<Record<string, readonly string[]>>;
  /** Percent of the mutants that must be found. Below it, the command fails. */
  readonly scoreMin: number;
}

/** Specs of the services as a whole: over HTTP, with a bus and a clock that the tests control. */
const ofServices = [
  'int/routes',
  'int/contradictions',
  'int/idempotency',
  'int/openapi',
  'int/bad-input',
  'int/erasure',
  'int/order-deletion',
];

export const mutatedFolders: readonly MutatedFolder[] = [
  {
    folder: 'payment-service',
    without: ['main.ts', 'program.ts'],
    specs: ['unit/payment-reactions', ...ofServices],
    ownSpecs: {
      'store.ts': ['unit/payment-reactions', 'int/routes', 'int/order-deletion'],
    },
    scoreMin: 90,
  },
  {
    folder: 'inventory-service',
    without: ['main.ts', 'program.ts'],
    specs: ['unit/inventory-reactions', ...ofServices],
    ownSpecs: {
      'store.ts': ['unit/inventory-reactions', 'int/routes', 'int/order-deletion'],
    },
    scoreMin: 90,
  },
  {
    folder: 'order-service',
    without: ['main.ts', 'program.ts'],
    specs: [
      'unit/order',
      'unit/order-reactions',
      'unit/order-closing',
      'unit/order-timeline',
      'int/order-instances',
      'int/order-instance-changes',
      'int/open-orders',
      'int/deadline-timer',
      'int/idempotency-keys',
      ...ofServices,
    ],
    ownSpecs: {
      'order.ts': ['unit/order', 'unit/order-reactions', 'unit/order-closing', 'unit/order-contradictions'],
      'reactions.ts': ['unit/order-reactions', 'unit/order-instances', 'unit/order-contradictions'],
      'peer-reactions.ts': ['unit/order-instances', 'unit/order-contradictions', 'unit/order-keys'],
      'commands.ts': ['unit/order-reactions', 'unit/order-instances'],
      'instances.ts': ['unit/order-instances'],
      'store.ts': ['unit/order-store', 'unit/order-instances', 'int/open-orders', 'int/order-deletion'],
      'catalogue.ts': ['int/catalogue'],
      'catalogue-copy.ts': ['unit/catalogue-copy', 'unit/order-reactions'],
      'versions.ts': ['int/order-versions'],
      'idempotency.ts': ['unit/order-keys'],
    },
    scoreMin: 90,
  },
  {
    folder: 'shared/runtime/storage',
    without: [],
    specs: [
      'int/group-commit',
      'int/inbox',
      'int/journal',
      'int/database',
      'int/event-handler',
      'int/suspect-messages',
      'int/outbox-relay',
    ],
    ownSpecs: {
      'deleted-orders.ts': ['unit/deleted-orders', 'int/order-deletion'],
      'group-commit.ts': ['int/group-commit'],
      'inbox.ts': ['int/inbox', 'int/reconciliation'],
      'journal.ts': ['int/journal', 'int/outbox-relay'],
      'outbox.ts': ['int/outbox-mark', 'int/outbox-relay'],
      'suspects.ts': ['int/suspect-messages'],
    },
    scoreMin: 90,
  },
  {
    folder: 'shared/runtime/messaging',
    without: [],
    specs: [
      'int/outbox-relay',
      'int/event-handler',
      'int/event-batch',
      'int/suspect-messages',
      'int/journal',
      'int/events-routes',
      'int/reconciliation',
      'int/contradictions',
    ],
    ownSpecs: {
      'outbox-mark.ts': ['int/outbox-mark', 'int/outbox-relay'],
      'outbox-progress.ts': ['int/outbox-relay'],
      'outbox-relay.ts': ['int/outbox-relay', 'int/event-batch'],
      'publish-retries.ts': ['unit/publish-retries', 'int/outbox-relay'],
      'event-handler.ts': [
        'int/handled-events',
        'int/event-handler',
        'int/event-batch',
        'int/suspect-messages',
        'int/reconciliation',
      ],
      'handling-retries.ts': ['unit/handling-retries', 'int/handled-events', 'int/event-handler'],
      'dead-letter.ts': ['int/handled-events', 'int/event-handler', 'int/event-batch'],
      'message-parts.ts': ['int/event-handler', 'int/event-batch'],
      'event-batch.ts': ['int/event-batch'],
      'suspect-messages.ts': ['int/suspect-messages'],
      'unit-of-work.ts': ['int/units-of-work'],
      'publisher-reconciliation.ts': [
        'int/reconciliation-rounds',
        'int/reconciliation-steps',
        'int/reconciliation-interrupted',
        'int/reconciliation',
      ],
      'reconciliation.ts': [
        'int/reconciliation-rounds',
        'int/reconciliation-steps',
        'int/reconciliation-interrupted',
        'int/reconciliation',
      ],
      'journal-queries.ts': ['int/reconciliation-rounds', 'int/reconciliation'],
    },
    scoreMin: 90,
  },
];

/** Paths from the project's folder. */
export function sourcesOf({ folder, without }: MutatedFolder): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.ts') && !without.includes(name))
    .sort()
    .map((name) => `${folder}/${name}`);
}

/** The specs that a source is tested by, compiled. */
export function specsOf({ folder, specs, ownSpecs = {} }: MutatedFolder, source: string): string[] {
  const chosen = ownSpecs[source.slice(folder.length + 1)] ?? specs;
  return chosen.map((spec) => `dist/test/${spec}.${spec.startsWith('unit/') ? 'unit' : 'int'}.spec.js`);
}
