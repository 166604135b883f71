// `npm start`: a broker and the services on this machine, until Ctrl-C.
import { parseArgs } from 'node:util';
import { type Running, runInForeground } from '../local/foreground.ts';
import { orderInstancesMax } from '../local/system.ts';
import { welcome } from './start/welcome.ts';

const usage = `npm start
npm start -- --order-instances 3
npm start -- --broker-nodes 3

Starts a RabbitMQ and the three services on this machine, and stops them at Ctrl-C.

  --order-instances N   N instances of order-service (up to ${orderInstancesMax}), each with its own database, behind a gateway
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

function readArguments(): { readonly orderInstances: number; readonly brokerNodes: number } {
  try {
    const { values } = parseArgs({
      options: {
        help: { type: 'boolean', short: 'h' },
        'order-instances': { type: 'string', default: '1' },
        'broker-nodes': { type: 'string', default: '1' },
      },
    });
    if (values.help) {
      process.stdout.write(usage);
      process.exit(0);
    }
    const [orderInstances, brokerNodes] = [Number(values['order-instances']), Number(values['broker-nodes'])];
    if (!Number.isInteger(orderInstances) || orderInstances < 1 || orderInstances > orderInstancesMax)
      return refuse(`--order-instances must be a number from 1 to ${orderInstancesMax}`);
    // Of an even number, one node more has to be there than of the odd one below it.
    if (![1, 3, 5].includes(brokerNodes)) return refuse('--broker-nodes must be 1, 3 or 5');
    return { orderInstances, brokerNodes };
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

const code = await runInForeground(async (running: Running) => {
  process.stdout.write(`${welcome(running)}\n`);
}, readArguments());
process.exit(code);
