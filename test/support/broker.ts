// One real RabbitMQ for all tests of a run, started when the first one needs it, on a free port and with data of its own.
import { type Broker, startBroker } from '../../local/broker/start-broker.ts';
import { createVirtualHost } from '../../local/broker/virtual-host.ts';

let starting: Promise<Broker> | undefined;
let vhosts = 0;

export function testBroker(): Promise<Broker> {
  starting ??= startBroker({ progress: (line) => console.log(`      ${line}`) });
  return starting;
}

/** A virtual host of its own on that broker: names in it collide with nobody's. Returns its AMQP URL. */
export async function newVhost(): Promise<string> {
  const broker = await testBroker();
  vhosts += 1;
  return createVirtualHost(broker, `test-${process.pid}-${vhosts}`);
}

export function vhostOf(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1));
}

export async function stopTestBroker(): Promise<void> {
  const broker = await starting;
  starting = undefined;
  await broker?.stop();
}
