// Receives everything the services publish, as any other program could: with a queue of its own, bound to every exchange.
import { type Channel, type ChannelModel, type ConsumeMessage, connect } from 'amqplib';
import { choreography } from '../../shared/contract/choreography.ts';
import { servicesOf } from '../../shared/contract/language.ts';
import { deadLetterQueueOf, exchangeOf } from '../../shared/contract/topology.ts';
import { eventually } from './wait.ts';

export class Tap {
  readonly messages: ConsumeMessage[] = [];
  readonly channel: Channel;
  readonly #connection: ChannelModel;

  private constructor(connection: ChannelModel, channel: Channel) {
    this.#connection = connection;
    this.channel = channel;
  }

  static async open(amqpUrl: string): Promise<Tap> {
    const connection = await connect(amqpUrl, { noDelay: true });
    connection.on('error', () => {});
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => {});
    const tap = new Tap(connection, channel);
    const { queue } = await channel.assertQueue('', { exclusive: true });
    for (const service of servicesOf(choreography)) {
      await channel.assertExchange(exchangeOf(service), 'topic', { durable: true });
      await channel.bindQueue(queue, exchangeOf(service), '#');
    }
    await channel.consume(queue, (message) => message && tap.messages.push(message), { noAck: true });
    return tap;
  }

  /** The first event of this type that was published, alone in its message or with others. */
  eventOf(type: string): Record<string, unknown> & { readonly data: object } {
    const message = this.messages.find(({ fields }) => fields.routingKey === type);
    if (!message) throw new Error(`nobody has published ${type}`);
    const published = JSON.parse(message.content.toString());
    return Array.isArray(published) ? published[0] : published;
  }

  /** Sends the same bytes with the same properties once more. */
  repeat({ fields, properties, content }: ConsumeMessage): void {
    this.channel.publish(fields.exchange, fields.routingKey, content, { ...properties, persistent: true });
  }

  /** Takes the dead letters of a service, once there are that many. */
  async deadLetters(service: string, count: number): Promise<ConsumeMessage[]> {
    const found: ConsumeMessage[] = [];
    await eventually(
      `${count} dead letters of ${service}`,
      async () => {
        const message = await this.channel.get(deadLetterQueueOf(service), { noAck: true });
        if (message) found.push(message as unknown as ConsumeMessage);
        return found.length;
      },
      (length) => length >= count,
    );
    return found;
  }

  /** May be called twice. */
  async close(): Promise<void> {
    await this.#connection.close().catch(() => {});
  }
}

/** Lends a channel of its own on a broker, to inspect things there or to damage them. */
export async function withChannel<T>(amqpUrl: string, use: (channel: Channel) => Promise<T>): Promise<T> {
  const connection = await connect(amqpUrl, { noDelay: true });
  connection.on('error', () => {});
  try {
    const channel = await connection.createChannel();
    channel.on('error', () => {});
    return await use(channel);
  } finally {
    await connection.close().catch(() => {});
  }
}
