// The bus over a real RabbitMQ keeps the same promises as the simulated one.
import { AmqpBus } from '../../shared/amqp-bus.ts';
import type { Bus } from '../../shared/bus.ts';
import { silentLog } from '../../shared/log.ts';
import { topologyFor, wholeTopology } from '../../shared/topology.ts';
import { busSuite } from '../bus-suite.ts';
import { newVhost, testBroker, vhostOf } from '../support/broker.ts';
import { withChannel } from '../support/tap.ts';
import { eventually } from '../support/wait.ts';

let amqpUrl: string | undefined;

busSuite('RabbitMQ', async () => {
  amqpUrl ??= await newVhost();
  const url = amqpUrl;
  await withChannel(url, async (channel) => {
    for (const { name } of wholeTopology().queues) await channel.deleteQueue(name);
  });
  const buses: Bus[] = [];
  return {
    bus: (service) => {
      const bus = new AmqpBus({ url, service, topology: topologyFor(service), prefetch: 100, log: silentLog });
      buses.push(bus);
      return bus;
    },
    until: async (what, holds) => {
      await eventually(what, holds);
    },
    // Long enough for what a broker would wrongly deliver to arrive: the absence of something has no signal.
    pause: () => new Promise((resolve) => setTimeout(resolve, 300)),
    cut: async () => {
      const broker = await testBroker();
      await broker.rabbitmqctl(['close_all_connections', '-p', vhostOf(url), 'a test cuts the line']);
    },
    end: async () => {
      await Promise.all(buses.map((bus) => bus.stop()));
    },
  };
});
