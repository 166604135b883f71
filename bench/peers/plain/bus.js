// Events over amqplib, as its tutorials do it: one connection and one channel, durable topic exchanges, a durable quorum
// queue for each service, persistent messages, prefetch 100, and an ack when a message has been handled. There are no
// publisher confirms: what is in the socket's buffer when the process dies is lost.
import { connect } from 'amqplib';

const prefetch = 100;

/**
 * Consumes what there are reactions to, and publishes the event that each returns.
 * @param {string} service
 * @param {Record<string, (data: any) => { type: string, data: any } | undefined>} reactions by type of event
 */
export async function startBus(service, reactions) {
  const connection = await connect(process.env.AMQP_URL, { noDelay: true });
  connection.on('error', (error) => console.error(error));
  // Whatever started this process starts it again.
  connection.on('close', () => process.exit(1));
  const channel = await connection.createChannel();
  await channel.prefetch(prefetch);
  await channel.assertExchange(`${service.replace('-service', '')}.events`, 'topic', { durable: true });
  await channel.assertQueue(service, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
  for (const type of Object.keys(reactions)) {
    await channel.assertExchange(exchangeOf(type), 'topic', { durable: true });
    await channel.bindQueue(service, exchangeOf(type), type);
  }

  const publish = ({ type, data }) => {
    channel.publish(exchangeOf(type), type, Buffer.from(JSON.stringify(data)), {
      persistent: true,
      contentType: 'application/json',
      type,
      correlationId: data.orderId,
    });
  };

  await channel.consume(service, (message) => {
    if (!message) return;
    try {
      const next = reactions[message.fields.routingKey](JSON.parse(message.content.toString()));
      if (next) publish(next);
      channel.ack(message);
    } catch (error) {
      console.error(error);
      channel.nack(message, false, false);
    }
  });
  return { publish };
}

/** @param {string} type `order.placed` is published on `order.events` */
function exchangeOf(type) {
  return `${type.split('.')[0]}.events`;
}
