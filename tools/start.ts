// `npm start`: a broker and the services on this machine, until Ctrl-C.
import { parseArgs } from 'node:util';
import { type Running, runInForeground } from '../local/foreground.ts';
import { type OrderDeployment, orderInstancesMax } from '../local/order-processes.ts';
import { welcome } from './start/welcome.ts';

const usage = `npm start
npm start -- --order-instances 3 [--shared-database | --read-database | --split-databases]

Starts a RabbitMQ and the three services on this machine, and stops them at Ctrl-C.

  --order-instances N   N instances of order-service (up to ${orderInstancesMax}), each with its own database, behind a gateway
  --shared-database     they share one database file instead
  --split-databases     each has a database, and they do not learn of each other's orders: shows the problem that the others cure
  --read-database       one more instance, which accepts nothing, answers all GETs from a database of its own

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

function orderDeployment(): OrderDeployment {
  try {
    const { values } = parseArgs({
      options: {
        help: { type: 'boolean', short: 'h' },
        'order-instances': { type: 'string', default: '1' },
        'shared-database': { type: 'boolean', default: false },
        'read-database': { type: 'boolean', default: false },
        'split-databases': { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(usage);
      process.exit(0);
    }
    const deployment = {
      instances: Number(values['order-instances']),
      sharedDatabase: values['shared-database'],
      readDatabase: values['read-database'],
      splitDatabases: values['split-databases'],
    };
    const wrong = wrongIn(deployment);
    return wrong === undefined ? deployment : refuse(wrong);
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function wrongIn(deployment: Required<OrderDeployment>): string | undefined {
  const { instances, sharedDatabase, readDatabase, splitDatabases } = deployment;
  if (!(Number.isInteger(instances) && instances >= 1 && instances <= orderInstancesMax))
    return `--order-instances must be a number from 1 to ${orderInstancesMax}`;
  if ([sharedDatabase, readDatabase, splitDatabases].filter(Boolean).length > 1)
    return 'only one of --shared-database, --read-database and --split-databases is possible';
  if ((sharedDatabase || splitDatabases) && instances === 1)
    return `--${sharedDatabase ? 'shared-database' : 'split-databases'} needs --order-instances 2 or more`;
  return undefined;
}

const deployment = orderDeployment();
const code = await runInForeground(async (running: Running) => {
  process.stdout.write(`${welcome(running, !deployment.splitDatabases)}\n`);
}, deployment);
process.exit(code);
