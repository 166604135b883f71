// Runs one saga of each scenario and keeps its messages: the raw pipeline then publishes the same.
import { setTimeout as delay } from 'node:timers/promises';
import { type ConsumeMessage, connect } from 'amqplib';
import { choreography } from '../../shared/contract/choreography.ts';
import { servicesOf } from '../../shared/contract/language.ts';
import { exchangeOf, wholeTopology } from '../../shared/contract/topology.ts';
import { declareTopology } from '../../shared/runtime/rabbitmq/declare-topology.ts';
import { isMandatory, type SampleMessage, type SampleMessages, sagaSteps } from '../load/saga-messages.ts';
import { orderOf, type Scenario, type Shop } from '../load/shop.ts';

const timeoutMs = 20_000;

/** @throws Error when a saga has another outcome or other messages than its scenario */
export async function takeSamples(amqpUrl: string, ordersUrl: string, shop: Shop): Promise<SampleMessages> {
  const connection = await connect(amqpUrl, { noDelay: true });
  try {
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    // The services may not have declared it yet.
    await declareTopology(channel, wholeTopology(choreography));
    for (const service of servicesOf(choreography)) await channel.bindQueue(queue, exchangeOf(service), '#');
    const seen: ConsumeMessage[] = [];
    await channel.consume(queue, (message) => message && seen.push(message), { noAck: true });
    return {
      confirmed: await take('confirmed', seen, ordersUrl, shop),
      refused: await take('refused', seen, ordersUrl, shop),
    };
  } finally {
    await connection.close();
  }
}

async function take(
  scenario: Scenario,
  seen: readonly ConsumeMessage[],
  ordersUrl: string,
  shop: Shop,
): Promise<SampleMessage[]> {
  const response = await fetch(`${ordersUrl}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=15' },
    body: JSON.stringify(orderOf(shop, scenario, 0)),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = await response.text();
  const outcome = scenario === 'confirmed' ? 'confirmed' : 'cancelled';
  if (response.status !== 200 || !text.includes(`"status":"${outcome}"`)) {
    throw new Error(`an order that should end ${outcome} was answered ${response.status}: ${text.slice(0, 300)}`);
  }
  const { orderId } = JSON.parse(text) as { orderId: string };
  const types = sagaSteps[scenario];
  const giveUpMs = Date.now() + timeoutMs;
  for (;;) {
    const own = seen.filter(({ properties }) => properties.correlationId === orderId);
    const found = types.map((type) => own.find(({ fields }) => fields.routingKey === type));
    if (found.every((message) => message !== undefined) && own.length === types.length) {
      return found.map((message, index) => sampleOf(message, types[index] as SampleMessage['type']));
    }
    if (Date.now() > giveUpMs || own.length > types.length) {
      throw new Error(
        `a ${scenario} saga should publish ${types.join(', ')}, but published ${own.map(({ fields }) => fields.routingKey).join(', ')}`,
      );
    }
    await delay(10);
  }
}

function sampleOf({ fields, properties, content }: ConsumeMessage, type: SampleMessage['type']): SampleMessage {
  return {
    type,
    exchange: fields.exchange,
    body: content.toString('base64'),
    contentType: String(properties.contentType),
    appId: String(properties.appId),
    mandatory: isMandatory(type),
  };
}
