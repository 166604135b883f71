// What a broker can lose: a binding, queues, messages, a byte of one.
import type { ConsumeMessage, GetMessage, Options } from 'amqplib';
import { choreography, type EventType, type ServiceName } from '../../shared/contract/choreography.ts';
import { deadLetterQueueOf, exchangeOf, queueOf, wholeTopology } from '../../shared/contract/topology.ts';
import { eventually } from '../eventually.ts';
import type { Stage } from './stage.ts';

/** Resolves when the services have restored the binding. */
export async function removeBinding(stage: Stage, type: EventType, subscriber: ServiceName): Promise<void> {
  const exchange = exchangeOf(choreography.events[type].by);
  await stage.withChannel((channel) => channel.unbindQueue(queueOf(subscriber), exchange, type));
  await eventually(
    `the binding of ${type} to the queue of ${subscriber}`,
    () =>
      stage.broker.rabbitmqctl([
        ...['list_bindings', '-q', '--no-table-headers', '-p', stage.virtualHost],
        ...['source_name', 'destination_name', 'routing_key'],
      ]),
    (bindings) => bindings.includes(`${exchange}\t${queueOf(subscriber)}\t${type}`),
  );
}

/** Resolves when the services have declared the queues again and consume from them. */
export async function deleteQueues(stage: Stage, services: readonly ServiceName[]): Promise<void> {
  await stage.withChannel(async (channel) => {
    for (const service of services) await channel.deleteQueue(queueOf(service));
  });
  await consumedAgain(stage, services);
}

/** All queues, with the dead-letter queues. Resolves when the services consume again. */
export async function deleteAllQueues(stage: Stage, services: readonly ServiceName[]): Promise<void> {
  await stage.withChannel(async (channel) => {
    for (const { name } of wholeTopology(choreography).queues) await channel.deleteQueue(name);
  });
  await consumedAgain(stage, services);
}

/** Resolves when the services consume from their queues. */
export async function consumedAgain(stage: Stage, services: readonly ServiceName[]): Promise<void> {
  for (const service of services) {
    await eventually(
      `${service} to consume from its queue`,
      () => stage.withChannel((channel) => channel.checkQueue(queueOf(service))),
      ({ consumerCount }) => consumerCount > 0,
    );
  }
}

/** Takes part in consuming a queue, and throws away all that it gets, until it has had so many messages with such an event. */
export function loseMessages(stage: Stage, service: ServiceName, type: EventType, atLeast: number): Promise<void> {
  return stage.withChannel(async (channel) => {
    let lost = 0;
    await channel.prefetch(100);
    await new Promise<void>((resolve, reject) => {
      channel.on('close', () => reject(new Error(`the channel was closed before ${atLeast} × ${type} were lost`)));
      const lose = (message: ConsumeMessage | null): void => {
        if (!message || lost >= atLeast) return;
        channel.ack(message);
        if (message.fields.routingKey === type) lost += 1;
        if (lost >= atLeast) resolve();
      };
      channel.consume(queueOf(service), lose).catch(reject);
    });
  });
}

/** A queue that nobody consumes now. Resolves when it holds so many messages. */
export async function queueHolds(stage: Stage, service: ServiceName, messages: number): Promise<void> {
  await eventually(
    `${messages} messages in the queue of ${service}`,
    () => stage.withChannel((channel) => channel.checkQueue(queueOf(service))),
    ({ messageCount }) => messageCount >= messages,
  );
}

/** Replaces the oldest messages of a queue that nobody consumes now by copies in which one byte is damaged. */
export function corruptMessages(stage: Stage, service: ServiceName, damages: readonly Damage[]): Promise<void> {
  return stage.withChannel(async (channel) => {
    for (const damage of damages) {
      const message = await channel.get(queueOf(service));
      if (!message) throw new Error(`the queue of ${service} is empty`);
      channel.publish('', queueOf(service), damaged(message, damage), propertiesOf(message));
      channel.ack(message);
    }
    // Answered after all that was sent before it.
    await channel.checkQueue(queueOf(service));
  });
}

/** The byte that comes first in the body after this text gets its lowest bit flipped. */
export interface Damage {
  readonly after: string;
}

function damaged({ content }: GetMessage, { after }: Damage): Buffer {
  const at = content.indexOf(after);
  if (at < 0) throw new Error(`the message has no ${after}`);
  const copy = Buffer.from(content);
  const index = at + after.length;
  copy.writeUInt8(copy.readUInt8(index) ^ 1, index);
  return copy;
}

function propertiesOf({ properties }: GetMessage): Options.Publish {
  const { contentType, messageId, type } = properties;
  return { persistent: true, contentType, messageId, type };
}

export interface DeadLetter {
  readonly service: ServiceName;
  readonly reason: string;
  readonly body: string;
}

/** Takes all dead letters of these services. */
export function takeDeadLetters(stage: Stage, services: readonly ServiceName[]): Promise<DeadLetter[]> {
  return stage.withChannel(async (channel) => {
    const letters: DeadLetter[] = [];
    for (const service of services) {
      for (;;) {
        const message = await channel.get(deadLetterQueueOf(service), { noAck: true });
        if (!message) break;
        const reason: unknown = message.properties.headers?.['x-cause'];
        letters.push({ service, reason: typeof reason === 'string' ? reason : 'none', body: String(message.content) });
      }
    }
    return letters;
  });
}
