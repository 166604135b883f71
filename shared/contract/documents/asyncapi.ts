// The AsyncAPI 3.0 document of a choreography: for whoever joins with another language or another framework.
import { z } from 'zod';
import { cloudEventContentType, dataSchemaOf, dataVersion } from '../cloud-event.ts';
import { type Choreography, consumedBy, type EventSpec, servicesOf } from '../language.ts';
import { exchangeOf, type Queue, queueOf, wholeTopology } from '../topology.ts';

type Json = { readonly [key: string]: unknown };

const bindingVersion = '0.3.0';

/**
 * The contract as an AsyncAPI 3.0 document. Channels are the exchanges that services publish to and the queues that they
 * read from; what a service reacts to, and with which outcomes, is said in the description of its receive operation.
 */
export function asyncApiDocument(contract: Choreography): Json {
  const services = servicesOf(contract);
  const publishers = services.filter((service) => typesBy(contract, service).length > 0);
  const readers = services.filter((service) => consumedBy(contract, service).length > 0);
  const { queues } = wholeTopology(contract);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Choreography saga',
      version: `${dataVersion}.0.0`,
      description:
        'Events by which the services carry an order through without a coordinator. Every message is a CloudEvent 1.0 in structured mode; its routing key is its type. Under load, several events of one type share a message: a JSON array of them, with content type application/cloudevents-batch+json.',
    },
    defaultContentType: cloudEventContentType,
    channels: {
      ...record(publishers, exchangeOf, (service) => exchangeChannel(contract, service)),
      ...record(readers, queueOf, (service) => queueChannel(contract, service, queues)),
    },
    operations: {
      ...record(
        publishers,
        (service) => `${service}.send`,
        (service) => sendOperation(contract, service),
      ),
      ...record(
        readers,
        (service) => `${service}.receive`,
        (service) => receiveOperation(contract, service),
      ),
    },
    components: {
      messages: record(Object.keys(contract.events), String, (type) => message(contract, type)),
      schemas: {
        envelope: envelopeSchema,
        ...record(Object.keys(contract.events), String, (type) => dataSchema(contract, type)),
      },
    },
  };
}

function exchangeChannel(contract: Choreography, service: string): Json {
  const types = typesBy(contract, service);
  return {
    address: '{type}',
    title: exchangeOf(service),
    description: `What ${service} says.`,
    parameters: { type: { description: 'The event type, which is the routing key.', enum: types } },
    messages: messageRefs(types),
    bindings: {
      amqp: {
        is: 'routingKey',
        exchange: { name: exchangeOf(service), type: 'topic', durable: true, autoDelete: false },
        bindingVersion,
      },
    },
  };
}

function queueChannel(contract: Choreography, service: string, queues: readonly Queue[]): Json {
  const name = queueOf(service);
  return {
    address: name,
    title: name,
    description: `What ${service} hears. A consumer declares the queue with the arguments in x-arguments.`,
    messages: messageRefs(consumedBy(contract, service)),
    bindings: {
      amqp: { is: 'queue', queue: { name, durable: true, exclusive: false, autoDelete: false }, bindingVersion },
    },
    'x-arguments': queues.find((queue) => queue.name === name)?.arguments,
  };
}

function sendOperation(contract: Choreography, service: string): Json {
  const channel = pointer('channels', exchangeOf(service));
  return {
    action: 'send',
    channel: { $ref: channel },
    summary: `${service} says what it has done.`,
    messages: typesBy(contract, service).map((type) => ({ $ref: `${channel}/messages/${escaped(type)}` })),
    bindings: { amqp: { deliveryMode: 2, mandatory: true, bindingVersion } },
  };
}

function receiveOperation(contract: Choreography, service: string): Json {
  const channel = pointer('channels', queueOf(service));
  const types = consumedBy(contract, service);
  const reactions = types.map((type) => `- \`${type}\`: ${contract.events[type]?.reactions[service]?.join(', ')}`);
  return {
    action: 'receive',
    channel: { $ref: channel },
    summary: `${service} reacts.`,
    description: `Every outcome that each reaction may have:\n\n${reactions.join('\n')}`,
    messages: types.map((type) => ({ $ref: `${channel}/messages/${escaped(type)}` })),
    bindings: { amqp: { ack: true, bindingVersion } },
  };
}

function message(contract: Choreography, type: string): Json {
  const spec = contract.events[type] as EventSpec;
  return {
    name: type,
    title: type,
    summary: summaryOf(spec),
    contentType: cloudEventContentType,
    payload: {
      allOf: [
        { $ref: pointer('components', 'schemas', 'envelope') },
        {
          type: 'object',
          properties: {
            type: { const: type },
            source: { const: spec.by },
            subject: { description: `The ${spec.subject} of data.` },
            dataschema: { const: dataSchemaOf(type) },
            data: { $ref: pointer('components', 'schemas', type) },
          },
        },
      ],
    },
  };
}

function summaryOf(spec: EventSpec): string {
  const parts = [
    `Said by ${spec.by}`,
    ...(spec.trigger ? [`when ${spec.trigger}`] : []),
    ...(spec.compensates ? [`compensates ${spec.compensates}`] : []),
    ...(spec.final ? [`ends the saga as ${spec.final}`] : []),
    ...(spec.standalone ? ['not part of a saga'] : []),
  ];
  return `${parts.join('; ')}.`;
}

const envelopeSchema: Json = {
  type: 'object',
  required: [
    'specversion',
    'id',
    'type',
    'source',
    'subject',
    'time',
    'dataschema',
    'correlationid',
    'causationid',
    'traceparent',
    'data',
  ],
  properties: {
    specversion: { const: '1.0' },
    id: { type: 'string', format: 'uuid', description: 'The same however often the event is delivered.' },
    type: { type: 'string' },
    source: { type: 'string', description: 'The publishing service.' },
    subject: { type: 'string' },
    time: { type: 'string', format: 'date-time' },
    datacontenttype: { const: 'application/json', default: 'application/json' },
    dataschema: { type: 'string', description: 'Ends in the major version of the data.' },
    correlationid: { type: 'string', description: 'The saga that the event belongs to.' },
    causationid: { type: 'string', description: 'Id of the event, or of the request, that it follows from.' },
    traceparent: { type: 'string', description: 'W3C trace context.' },
    data: {},
  },
};

/** The shape that a reader accepts: fields that it does not know are allowed. */
function dataSchema(contract: Choreography, type: string): Json {
  const { $schema: _, ...schema } = z.toJSONSchema((contract.events[type] as EventSpec).data, {
    target: 'draft-7',
    io: 'input',
  });
  return schema;
}

function typesBy(contract: Choreography, service: string): string[] {
  return Object.keys(contract.events).filter((type) => contract.events[type]?.by === service);
}

function messageRefs(types: readonly string[]): Json {
  return record(types, String, (type) => ({ $ref: pointer('components', 'messages', type) }));
}

function pointer(...path: string[]): string {
  return `#/${path.map(escaped).join('/')}`;
}

function escaped(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

function record<T>(
  names: readonly string[],
  keyOf: (name: string) => string,
  itemOf: (name: string) => T,
): Record<string, T> {
  return Object.fromEntries(names.map((name) => [keyOf(name), itemOf(name)]));
}
