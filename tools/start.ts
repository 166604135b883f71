// `npm start`: a broker and the services on this machine, until Ctrl-C.
import { type Running, runInForeground } from '../local/foreground.ts';
import { readNoArguments } from './start/arguments.ts';
import { welcome } from './start/welcome.ts';

const usage = `npm start

Starts a RabbitMQ and the three services on this machine, and stops them at Ctrl-C.

Settings, from the environment:
  ORDER_PORT, PAYMENT_PORT, INVENTORY_PORT   ports of the services (3001, 3002, 3003)
  OBSERVER_PORT                              port of the live page (8010); OBSERVER=off: no page
  DATA_DIR                                   databases, messages and logs (./data)
  AMQP_URL                                   a broker of your own, instead of a private one
  and the settings of the services, such as LOG_LEVEL and ORDER_DEADLINE_MS: docs/running.md
`;

readNoArguments(usage);
const code = await runInForeground(async (running: Running) => {
  process.stdout.write(`${welcome(running)}\n`);
});
process.exit(code);
