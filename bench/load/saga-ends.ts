// Sees sagas end, as any subscriber of order.confirmed and order.cancelled would.
import type { ChannelModel, ConsumeMessage } from 'amqplib';
import { exchangeOf } from '../../shared/contract/topology.ts';

/** Called for each event that ends a saga. */
export type Ended = (orderId: string, type: string) => void;

/** Several events in one message: CloudEvents' JSON batch format. */
const batchContentType = 'application/cloudevents-batch+json';

export async function subscribeToEnds(connection: ChannelModel, ended: Ended): Promise<void> {
  const channel = await connection.createChannel();
  const exchange = exchangeOf('order-service');
  await channel.assertExchange(exchange, 'topic', { durable: true });
  const { queue } = await channel.assertQueue('', { exclusive: true });
  for (const type of ['order.confirmed', 'order.cancelled']) await channel.bindQueue(queue, exchange, type);
  await channel.consume(queue, (message) => message && readEnds(message, ended), { noAck: true });
}

function readEnds({ properties, fields, content }: ConsumeMessage, ended: Ended): void {
  if (properties.contentType !== batchContentType) return ended(String(properties.correlationId), fields.routingKey);
  const events = JSON.parse(content.toString()) as { readonly subject: string; readonly type: string }[];
  for (const { subject, type } of events) ended(subject, type);
}
