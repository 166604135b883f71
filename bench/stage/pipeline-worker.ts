// One of the three plain processes that stand in for a service: consume, publish what comes next, ack after the confirm.
// With a database it is the baseline instead: a separate fsynced transaction, publish and ack for each message, no
// confirms.
import { type Channel, type ConsumeMessage, connect } from 'amqplib';
import type { EventType, ServiceName } from '../../shared/contract/choreography.ts';
import { choreography } from '../../shared/contract/choreography.ts';
import { queueOf, wholeTopology } from '../../shared/contract/topology.ts';
import { declareTopology } from '../../shared/runtime/rabbitmq/declare-topology.ts';
import { openDatabase } from '../../shared/runtime/storage/database.ts';
import { nextStep, type SampleMessages, scenarioOf } from '../load/saga-messages.ts';

export interface PipelineSettings {
  readonly service: ServiceName;
  readonly amqpUrl: string;
  readonly prefetch: number;
  readonly samples: SampleMessages;
  /** Database of the baseline; undefined: raw. */
  readonly databasePath: string | undefined;
}

const baselineSchema = `
  CREATE TABLE inbox (message_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE sagas (id TEXT PRIMARY KEY, status TEXT NOT NULL, body BLOB NOT NULL) STRICT, WITHOUT ROWID;
`;

const settings = await new Promise<PipelineSettings>((resolve) => process.once('message', resolve));
process.once('disconnect', () => process.exit(1));
const { service, amqpUrl, prefetch, samples, databasePath } = settings;

// A connection for each direction, as the services have.
const consuming = await connect(amqpUrl, { noDelay: true, clientProperties: { connection_name: `${service} raw in` } });
const publishing = await connect(amqpUrl, {
  noDelay: true,
  clientProperties: { connection_name: `${service} raw out` },
});
const consumer = await consuming.createChannel();
await declareTopology(consumer, wholeTopology(choreography));
await consumer.prefetch(prefetch);
const bodies = new Map(
  Object.entries(samples).flatMap(([scenario, messages]) =>
    messages.map((message) => [`${scenario}/${message.type}`, { message, body: Buffer.from(message.body, 'base64') }]),
  ),
);
const handle = databasePath === undefined ? await rawHandler() : await baselineHandler(databasePath);
await consumer.consume(queueOf(service), (message) => message && handle(message));
process.send?.({ is: 'ready' });

async function rawHandler(): Promise<(message: ConsumeMessage) => void> {
  const publisher = await publishing.createConfirmChannel();
  return (message) => {
    const next = following(message);
    if (!next) return consumer.ack(message);
    publisher.publish(next.exchange, next.type, next.body, next.properties, (error: unknown) => {
      if (error) throw error;
      consumer.ack(message);
    });
  };
}

async function baselineHandler(path: string): Promise<(message: ConsumeMessage) => void> {
  const publisher: Channel = await publishing.createChannel();
  const db = openDatabase(path, [baselineSchema]);
  const accept = db.prepare('INSERT OR IGNORE INTO inbox (message_id) VALUES (?)');
  const put = db.prepare(
    'INSERT INTO sagas (id, status, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET status = excluded.status',
  );
  const store = db.transaction(({ properties, fields, content }: ConsumeMessage) => {
    accept.run(`${fields.routingKey}/${properties.messageId}`);
    put.run(properties.correlationId, fields.routingKey, content);
  });
  return (message) => {
    store.immediate(message);
    const next = following(message);
    if (next) publisher.publish(next.exchange, next.type, next.body, next.properties);
    consumer.ack(message);
  };
}

function following({ fields, properties }: ConsumeMessage) {
  const id = properties.correlationId as string;
  const scenario = scenarioOf(id);
  const type = nextStep(scenario, service, fields.routingKey as EventType);
  const found = type && bodies.get(`${scenario}/${type}`);
  if (!found) return undefined;
  const { exchange, contentType, appId, mandatory } = found.message;
  return {
    exchange,
    type,
    body: found.body,
    properties: {
      persistent: true,
      mandatory,
      contentType,
      type,
      appId,
      messageId: id,
      correlationId: id,
    },
  };
}
