// The bus over a real RabbitMQ keeps the same promises as the simulated one.

import { choreography } from '../../shared/contract/choreography.ts';
import { topologyFor, wholeTopology } from '../../shared/contract/topology.ts';
import { silentLog } from '../../shared/runtime/environment/log.ts';
import type { Bus } from '../../shared/runtime/messaging/bus.ts';
import { AmqpBus } from '../../shared/runtime/rabbitmq/amqp-bus.ts';
import { newVhost, testBroker, vhostOf } from '../support/broker.ts';
import { busSuite } from '../support/bus-suite.ts';
import { withChannel } from '../support/tap.ts';
import { eventually } from '../support/wait.ts';

let amqpUrl: string | undefined;

busSuite('RabbitMQ', async () => {
  amqpUrl ??= await newVhost();
  const url = amqpUrl;
  await withChannel(url, async (channel) => {
    for (const { name } of wholeTopology(choreography).queues) await channel.deleteQueue(name);
  });
  const buses = new Map<Bus, string>();
  return {
    bus: (service) => {
      const bus = new AmqpBus({
        url,
        service,
        topology: topologyFor(service, choreography),
        prefetch: 100,
        log: silentLog,
        databaseId: 'one',
        refused: () => {},
      });
      buses.set(bus, service);
      return bus;
    },
    until: async (what, holds) => {
      await eventually(what, holds);
    },
    // Long enough for what a broker would wrongly deliver to arrive: the absence of something has no signal.
    pause: () => new Promise((resolve) => setTimeout(resolve, 300)),
    // Only its own: another bus that is cut on the side would lose what the test publishes over it.
    cut: async (bus) => {
      const broker = await testBroker();
      const vhost = vhostOf(url);
      const connections = await broker.rabbitmqctl(['list_connections', '-q', 'pid', 'vhost', 'client_properties']);
      const own = connections
        .split('\n')
        .filter((line) => line.includes(vhost) && line.includes(`"${buses.get(bus)} `));
      if (own.length === 0) throw new Error(`no connections of ${buses.get(bus)} in:\n${connections}`);
      await Promise.all(
        own.map((line) => broker.rabbitmqctl(['close_connection', line.split('\t')[0] ?? '', 'a test cuts the line'])),
      );
    },
    end: async () => {
      await Promise.all([...buses.keys()].map((bus) => bus.stop()));
    },
  };
});
