// Which module may import which. A module is a folder with what is below it, unless that has a line of its own; services.ts
// is a module by itself.
// `npm run modules` holds the code to this table and draws docs/modules.md from it.

export interface ModuleRule {
  readonly owns: string;
  readonly mayImport: readonly string[];
}

/** An import that is against the rules, and stays for now. One that is gone from the code must go from here, too. */
export interface Exception {
  readonly from: string;
  readonly to: string;
  readonly because: string;
}

/** What each service owns. A new service needs a line here. */
const services = {
  'order-service': 'Orders, and the local copy of the catalogue',
  'payment-service': 'Accounts, charges and refunds',
  'inventory-service': 'Products, stock and reservations',
};
const serviceNames = Object.keys(services);
const contract = ['shared/contract'];
const wholeContract = [...contract, 'shared/contract/checks', 'shared/contract/documents'];
const runtime = (...layers: string[]) => layers.map((layer) => `shared/runtime/${layer}`);
const wholeRuntime = runtime('environment', 'storage', 'messaging', 'node', 'rabbitmq', 'http', 'tracing', 'process');
const all = ['services.ts', ...serviceNames, 'shared/saga.ts', ...wholeContract, ...wholeRuntime];
const local = ['local', 'local/broker', 'local/gateway'];
const observer = ['observer', 'observer/model'];
const commands = ['tools', 'tools/dead-letters', 'tools/demo', 'tools/modules', 'simulator', 'bench'];
const examples = ['examples/shipping', 'examples/loyalty'];
const testable = [
  ...all,
  ...examples,
  ...observer,
  ...local,
  'local/losses',
  'local/soak',
  ...commands,
  'test/support',
];

const service = (does: string): ModuleRule => ({
  owns: does,
  // Not rabbitmq: a service returns its events, and does not know how they travel.
  mayImport: [
    ...contract,
    'shared/saga.ts',
    ...runtime('environment', 'storage', 'messaging', 'node', 'http', 'process'),
  ],
});

export const moduleRules: Readonly<Record<string, ModuleRule>> = {
  'shared/contract': {
    owns: 'The events, who reacts to them with which outcomes, and the language this is written in',
    mayImport: [],
  },
  'shared/contract/checks': { owns: 'The static checks on the contract', mayImport: contract },
  'shared/contract/documents': {
    owns: 'The documents that follow from the contract',
    mayImport: [...contract, 'shared/contract/checks'],
  },

  'shared/runtime/environment': { owns: 'Time, ids and the log', mayImport: [] },
  'shared/runtime/storage': {
    owns: 'SQLite: the database, group commit, inbox and outbox',
    mayImport: [...contract, ...runtime('environment')],
  },
  'shared/runtime/messaging': {
    owns: 'Handling events and relaying the outbox, over any bus',
    mayImport: [...contract, ...runtime('environment', 'storage')],
  },
  'shared/runtime/node': {
    owns: 'One service without its edges: storage and messaging, wired',
    mayImport: [...contract, ...runtime('environment', 'storage', 'messaging')],
  },
  'shared/runtime/rabbitmq': {
    owns: 'The bus on RabbitMQ',
    mayImport: [...contract, ...runtime('environment', 'messaging')],
  },
  'shared/runtime/http': {
    owns: 'HTTP: routes, problems, idempotency keys, health, metrics, OpenAPI',
    mayImport: [...contract, ...runtime('environment', 'storage', 'messaging', 'node')],
  },
  'shared/runtime/tracing': {
    owns: 'Traces by OpenTelemetry, loaded only where they are exported',
    mayImport: [...contract, ...runtime('environment', 'messaging')],
  },
  'shared/runtime/process': {
    owns: 'One service as a process: settings, start and stop',
    mayImport: [...contract, ...runtime('environment', 'storage', 'messaging', 'node', 'rabbitmq', 'http', 'tracing')],
  },

  'shared/saga.ts': {
    owns: "The runtime's types, bound to this saga's contract",
    mayImport: [...contract, ...runtime('node')],
  },

  ...Object.fromEntries(Object.entries(services).map(([name, owns]) => [name, service(owns)])),
  'services.ts': { owns: 'The list of the services', mayImport: [...serviceNames, ...contract, ...runtime('node')] },

  'examples/shipping': service('The example of a service after the saga, with its own contract'),
  'examples/split-databases': {
    owns: 'The example of what goes wrong without synchronisation',
    mayImport: [...serviceNames, ...wholeContract, ...wholeRuntime],
  },
  'examples/loyalty': service('The example of a service inside the saga, with its own contract'),

  'local/broker': { owns: 'A RabbitMQ on this machine, wherever it comes from', mayImport: runtime('environment') },
  'local/gateway': { owns: 'One address before all services: nginx, or a proxy', mayImport: [] },
  local: {
    owns: 'The whole system on this machine',
    // Of the processes that it starts, it has to know the names of their settings.
    mayImport: [
      'local/broker',
      'local/gateway',
      'services.ts',
      ...contract,
      ...runtime('environment', 'process', 'storage'),
    ],
  },

  'local/losses': {
    owns: 'Messages, queues, databases and processes that are lost under load, and how long the system takes to heal',
    mayImport: [...all, ...local],
  },
  'local/soak': {
    owns: 'Faults of all kinds at random under load, and an account of every order',
    mayImport: [...all, ...local, 'local/losses'],
  },

  'observer/model': {
    owns: 'What the live page knows of the contract, and what it is sent',
    mayImport: contract,
  },
  observer: {
    owns: 'The live page: it reads journals and health over HTTP, and nothing depends on it',
    mayImport: [
      'observer/model',
      'tools/dead-letters',
      // Words of a shell.
      'local',
      ...contract,
      ...runtime('environment', 'http', 'process'),
    ],
  },
  'observer/page': { owns: 'The live page in the browser', mayImport: ['observer/model'] },

  simulator: {
    owns: "The services' real code over a simulated broker and clock",
    mayImport: all,
  },
  bench: { owns: 'The benchmark', mayImport: [...all, ...local] },
  tools: {
    owns: 'The commands',
    mayImport: [
      'tools/dead-letters',
      'tools/demo',
      'tools/modules',
      'simulator',
      'local/losses',
      'local/soak',
      'services.ts',
      ...local,
      ...wholeContract,
    ],
  },
  'tools/dead-letters': {
    owns: 'Reading, redriving and discarding dead letters',
    mayImport: ['local', ...contract],
  },
  'tools/demo': { owns: 'The scenes of the demo', mayImport: ['services.ts', ...local, ...contract] },
  'tools/modules': { owns: 'This table, and the check that holds the code to it', mayImport: [] },

  'test/support': { owns: 'What tests share', mayImport: [...all, ...observer, ...local, 'local/losses'] },
  'test/unit': { owns: 'Tests without I/O', mayImport: testable },
  'test/sim': { owns: 'Tests in the simulator', mayImport: testable },
  'test/int': { owns: 'Tests with SQLite and HTTP', mayImport: testable },
  'test/e2e': { owns: 'Tests with processes and a real RabbitMQ', mayImport: testable },
  'test/browser': { owns: 'Tests of the live page in a real browser', mayImport: testable },
};

export const exceptions: readonly Exception[] = [
  {
    from: 'simulator/environment/sim-bus.ts',
    to: 'simulator/environment/broker.ts',
    because: 'the broker makes the bus of a service, and the bus calls its broker; only its type is imported',
  },
];

/** Packages that one module wraps for the services and the rest of shared/; tools and tests use them as they like. */
export const wrappedPackages: Readonly<Record<string, string>> = {
  amqplib: 'shared/runtime/rabbitmq',
  'better-sqlite3': 'shared/runtime/storage',
  koa: 'shared/runtime/http',
  '@koa/router': 'shared/runtime/http',
  'raw-body': 'shared/runtime/http',
  'prom-client': 'shared/runtime/http',
  pino: 'shared/runtime/environment',
  uuid: 'shared/runtime/environment',
  '@opentelemetry/api': 'shared/runtime/tracing',
  '@opentelemetry/exporter-trace-otlp-http': 'shared/runtime/tracing',
  '@opentelemetry/resources': 'shared/runtime/tracing',
  '@opentelemetry/sdk-trace-node': 'shared/runtime/tracing',
  '@opentelemetry/semantic-conventions': 'shared/runtime/tracing',
};
