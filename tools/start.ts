// `npm start`: a broker and the services on this machine, until Ctrl-C.
import { parseArgs } from 'node:util';
import { type Running, runInForeground } from '../local/foreground.ts';
import { type OrderDeployment, orderInstancesMax } from '../local/order-processes.ts';
import { welcome } from './start/welcome.ts';

const usage = `npm start
npm start -- --broker-nodes 3
npm start -- --order-instances 3 [--shared-database | --read-database | --split-databases]

Starts a RabbitMQ and the three services on this machine, and stops them at Ctrl-C.

  --order-instances N   N instances of order-service (up to ${orderInstancesMax}), each with its own database, behind a gateway
  --shared-database     they share one database file instead
  --split-databases     each has a database, and they do not learn of each other's orders: shows the problem that the others cure
  --read-database       one more instance, which accepts nothing, answers all GETs from a database of its own
  --broker-nodes N      RabbitMQ as a cluster of N nodes: 1, 3 or 5

Settings, from the environment:
  ORDER_PORT, PAYMENT_PORT, INVENTORY_PORT   ports of the services (3001, 3002, 3003); further instances: 3011, 3021 …
  GATEWAY_PORT                               port of the gateway (8000)
  OBSERVER_PORT                              port of the live page (8010); OBSERVER=off: no page
  DATA_DIR                                   databases, messages and logs (./data)
  AMQP_URL                                   a broker of your own, instead of a private one
  and the settings of the services, such as LOG_LEVEL and ORDER_DEADLINE_MS: docs/running.md
`;

function refuse(why: string): never {
  process.stderr.write(`${why}\n\n${usage}`);
  process.exit(2);
}

interface Deployment {
  readonly orders: Required<OrderDeployment>;
  readonly brokerNodes: number;
}

function readArguments(): Deployment {
  try {
    const { values } = parseArgs({
      options: {
        help: { type: 'boolean', short: 'h' },
        'order-instances': { type: 'string', default: '1' },
        'shared-database': { type: 'boolean', default: false },
        'read-database': { type: 'boolean', default: false },
        'split-databases': { type: 'boolean', default: false },
        'broker-nodes': { type: 'string', default: '1' },
      },
    });
    if (values.help) {
      process.stdout.write(usage);
      process.exit(0);
    }
    const orders = {
      instances: Number(values['order-instances']),
      sharedDatabase: values['shared-database'],
      readDatabase: values['read-database'],
      splitDatabases: values['split-databases'],
    };
    const brokerNodes = Number(values['broker-nodes']);
    const wrong = wrongIn({ orders, brokerNodes });
    return wrong === undefined ? { orders, brokerNodes } : refuse(wrong);
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function wrongIn({ orders, brokerNodes }: Deployment): string | undefined {
  const { instances, sharedDatabase, readDatabase, splitDatabases } = orders;
  // Of an even number, one node more has to be there than of the odd one below it.
  if (![1, 3, 5].includes(brokerNodes)) return '--broker-nodes must be 1, 3 or 5';
  if (!(Number.isInteger(instances) && instances >= 1 && instances <= orderInstancesMax))
    return `--order-instances must be a number from 1 to ${orderInstancesMax}`;
  if ([sharedDatabase, readDatabase, splitDatabases].filter(Boolean).length > 1)
    return 'only one of --shared-database, --read-database and --split-databases is possible';
  if ((sharedDatabase || splitDatabases) && instances === 1)
    return `--${sharedDatabase ? 'shared-database' : 'split-databases'} needs --order-instances 2 or more`;
  return undefined;
}

const { orders, brokerNodes } = readArguments();
const use = async (running: Running): Promise<void> => {
  process.stdout.write(`${welcome(running, !orders.splitDatabases)}\n`);
};
const code = await runInForeground(use, orders, brokerNodes);
process.exit(code);
