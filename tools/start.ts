// `npm start`: a broker and the services on this machine, until Ctrl-C.
import { parseArgs } from 'node:util';
import { type Running, runInForeground } from '../local/foreground.ts';
import { orderInstancesMax } from '../local/system.ts';
import { welcome } from './start/welcome.ts';

const usage = `npm start
npm start -- --order-instances 3

Starts a RabbitMQ and the three services on this machine, and stops them at Ctrl-C.

  --order-instances N   N instances of order-service (up to ${orderInstancesMax}), each with its own database, behind a gateway

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

function orderInstances(): number {
  try {
    const { values } = parseArgs({
      options: { help: { type: 'boolean', short: 'h' }, 'order-instances': { type: 'string', default: '1' } },
    });
    if (values.help) {
      process.stdout.write(usage);
      process.exit(0);
    }
    const count = Number(values['order-instances']);
    if (Number.isInteger(count) && count >= 1 && count <= orderInstancesMax) return count;
    return refuse(`--order-instances must be a number from 1 to ${orderInstancesMax}`);
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

const code = await runInForeground(
  async (running: Running) => {
    process.stdout.write(`${welcome(running)}\n`);
  },
  { orderInstances: orderInstances() },
);
process.exit(code);
