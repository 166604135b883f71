// Whether nodes are one cluster: what one declares, all know. Over AMQP, since rabbitmqctl takes seconds to start.
import { type Channel, connect } from 'amqplib';
import { SourceUnavailableError } from './source.ts';

const EXCHANGE = 'cluster-check';

/** Throws SourceUnavailableError when they are not. A node that found no other runs all the same, alone. */
export async function checkJoined([first = '', ...others]: readonly string[]): Promise<void> {
  await withChannel(first, async (channel) => {
    await channel.assertExchange(EXCHANGE, 'direct', { durable: false });
    for (const url of others) {
      const known = await withChannel(url, (other) => other.checkExchange(EXCHANGE)).catch((error: unknown) => error);
      if (known instanceof Error) throw new SourceUnavailableError(`a node did not join the others: ${known.message}`);
    }
    await channel.deleteExchange(EXCHANGE);
  });
}

async function withChannel<T>(url: string, use: (channel: Channel) => Promise<T>): Promise<T> {
  const connection = await connect(url, { noDelay: true });
  connection.on('error', () => {});
  try {
    const channel = await connection.createChannel();
    channel.on('error', () => {});
    return await use(channel);
  } finally {
    await connection.close().catch(() => {});
  }
}
