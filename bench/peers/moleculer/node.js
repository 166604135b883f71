// A Moleculer node: its services, and the middleware of @moleculer/channels with the AMQP adapter, set up like the plain
// peer: durable quorum queues, persistent messages, prefetch 100. A channel is a fanout exchange; each group that consumes
// it has a queue. The adapter acks when the handler has returned, and knows no publisher confirms.
import { Middleware } from '@moleculer/channels';
import moleculer from 'moleculer';

const prefetch = 100;
const durable = { durable: true };

/**
 * Reports the port of its HTTP service to the process that started this one.
 * @param {string} nodeID
 * @param {import('moleculer').ServiceSchema[]} services
 */
export async function startNode(nodeID, services) {
  const broker = new moleculer.ServiceBroker({
    nodeID,
    logLevel: 'error',
    middlewares: [
      Middleware({
        adapter: {
          type: 'AMQP',
          options: {
            maxInFlight: prefetch,
            amqp: {
              url: process.env.AMQP_URL,
              socketOptions: { noDelay: true },
              exchangeOptions: durable,
              queueOptions: { ...durable, arguments: { 'x-queue-type': 'quorum' } },
              messageOptions: { persistent: true },
              publishAssertExchange: { enabled: true, exchangeOptions: durable },
            },
          },
        },
      }),
    ],
  });
  for (const service of services) broker.createService(service);
  // Resolves when the channels are subscribed to.
  await broker.start();
  process.send?.({ listening: broker.getLocalService('http').server.address().port });
}

/**
 * The channels of a service that publishes what its reactions return.
 * @param {string} group
 * @param {Record<string, (data: any) => { type: string, data: any } | undefined>} reactions by type of event
 */
export function channelsOf(group, reactions) {
  return Object.fromEntries(
    Object.entries(reactions).map(([type, react]) => [
      type,
      {
        group,
        async handler(data) {
          const next = react(data);
          if (next) await publish(this.broker, next);
        },
      },
    ]),
  );
}

export function publish(broker, { type, data }) {
  return broker.sendToChannel(type, data, { correlationId: data.orderId });
}
