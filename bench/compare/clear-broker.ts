// Deletes what a way has left at the broker, so that the next one begins with nothing. A virtual host for each would need
// several calls of rabbitmqctl, which take longer than what is measured.
import { connect } from 'amqplib';
import { orderProcesses } from '../../local/order-processes.ts';
import { choreography } from '../../shared/contract/choreography.ts';
import { wholeTopology } from '../../shared/contract/topology.ts';
import type { Way } from './ways.ts';

/** To be called when the processes of the way have ended. */
export async function clearBroker(url: string, way: Way): Promise<void> {
  const names = orderProcesses(0, way.orders).flatMap(({ instance }) => instance ?? []);
  const { queues, exchanges } = wholeTopology(choreography, names.length > 0 ? { 'order-service': names } : {});
  const connection = await connect(url);
  const channel = await connection.createChannel();
  for (const { name } of queues) await channel.deleteQueue(name);
  for (const { name } of exchanges) await channel.deleteExchange(name);
  await connection.close();
}
