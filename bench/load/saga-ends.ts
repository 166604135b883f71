// Sees sagas end, as any subscriber of order.confirmed and order.cancelled would.
import type { ChannelModel, ConsumeMessage } from 'amqplib';
import { exchangeOf } from '../../shared/contract/topology.ts';
import type { Target } from './load.ts';

/** Called for each event that ends a saga. */
export type Ended = (orderId: string, type: string) => void;

/** Several events in one message: CloudEvents' JSON batch format. */
const batchContentType = 'application/cloudevents-batch+json';

const endTypes = ['order.confirmed', 'order.cancelled'];

export async function subscribeToEnds(connection: ChannelModel, target: Target, ended: Ended): Promise<void> {
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  for (const type of endTypes) {
    const { exchange, kind, routingKey } = publishedTo(target, type);
    await channel.assertExchange(exchange, kind, { durable: true });
    await channel.bindQueue(queue, exchange, routingKey);
  }
  await channel.consume(queue, (message) => message && readEnds(message, ended), { noAck: true });
}

/** A channel of Moleculer is a fanout exchange for each type of event. */
function publishedTo(target: Target, type: string) {
  return target === 'moleculer'
    ? { exchange: type, kind: 'fanout', routingKey: '' }
    : { exchange: exchangeOf('order-service'), kind: 'topic', routingKey: type };
}

function readEnds({ properties, fields, content }: ConsumeMessage, ended: Ended): void {
  if (properties.contentType !== batchContentType) {
    return ended(String(properties.correlationId), fields.routingKey || fields.exchange);
  }
  const events = JSON.parse(content.toString()) as { readonly subject: string; readonly type: string }[];
  for (const { subject, type } of events) ended(subject, type);
}
