// The AsyncAPI 3.0 document of a choreography, for services in other languages or frameworks.
import { z } from 'zod';
import { cloudEventContentType, dataSchemaOf, dataVersion } from '../cloud-event.ts';
import { type Choreography, canHavePeers, consumedBy, type EventSpec, servicesOf } from '../language.ts';
import { exchangeOf, type Queue, queueOf, wholeTopology } from '../topology.ts';

type Json = { readonly [key: string]: unknown };

const bindingVersion = '0.3.0';

/**
 * The contract as an AsyncAPI 3.0 document. Its channels are the exchanges that services publish to and the queues that
 * they consume from. The description of a receive operation lists the events that the service reacts to, with the outcomes.
 */
export function asyncApiDocument(contract: Choreography): Json {
  const services = servicesOf(contract);
  const publishers = services.filter((service) => typesBy(contract, service).length > 0);
  const subscribers = services.filter((service) => consumedBy(contract, service).length > 0);
  const { queues } = wholeTopology(contract);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Choreography saga',
      version: `${dataVersion}.0.0`,
      description:
        'The events with which the services process an order without a coordinator. Every message is a CloudEvent 1.0 in structured mode, and its routing key is the event type. Under load, several events of one type share a message: a JSON array with the content type application/cloudevents-batch+json.',
    },
    defaultContentType: cloudEventContentType,
    channels: {
      ...record(publishers, exchangeOf, (service) => exchangeChannel(contract, service)),
      ...record(subscribers, queueOf, (service) => queueChannel(contract, service, queues)),
    },
    operations: {
      ...record(
        publishers,
        (service) => `${service}.send`,
        (service) => sendOperation(contract, service),
      ),
      ...record(
        subscribers,
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
    description: `The events that ${service} publishes.`,
    parameters: { type: { description: 'The event type. It is also the routing key.', enum: types } },
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
    description: `The events that ${service} subscribes to. A consumer declares the queue with the arguments in x-arguments.`,
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
    summary: `${service} publishes what it has done.`,
    description: 'The mandatory flag is set for events that have a subscriber.',
    messages: typesBy(contract, service).map((type) => ({ $ref: `${channel}/messages/${escaped(type)}` })),
    bindings: { amqp: { deliveryMode: 2, mandatory: true, bindingVersion } },
  };
}

function receiveOperation(contract: Choreography, service: string): Json {
  const channel = pointer('channels', queueOf(service));
  const types = consumedBy(contract, service);
  const reactions = types.map((type) => {
    const { reactions = {}, peers = {} } = contract.events[type] ?? {};
    const outcomes = (reactions[service] ?? []).join(', ');
    const further = (peers[service] ?? []).join(', ');
    return `- \`${type}\`: ${outcomes}${further === '' ? '' : `${outcomes === '' ? '' : '; '}with several instances ${further}`}`;
  });
  return {
    action: 'receive',
    channel: { $ref: channel },
    summary: `${service} reacts to the events it subscribes to.`,
    description: `The possible outcomes of each reaction:\n\n${reactions.join('\n')}`,
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
            source: canHavePeers(contract, spec.by)
              ? { type: 'string', pattern: `^${spec.by}(\\.[a-z0-9-]+)?$` }
              : { const: spec.by },
            subject: { description: `The ${spec.subject} in data.` },
            dataschema: { const: dataSchemaOf(type) },
            data: { $ref: pointer('components', 'schemas', type) },
          },
        },
      ],
    },
  };
}

function summaryOf(spec: EventSpec): string {
  const sentences = [
    `Published by ${spec.by}${spec.trigger ? ` when ${spec.trigger}` : ''}.`,
    ...(spec.compensates ? [`Compensates ${spec.compensates}.`] : []),
    ...(spec.final ? [`Ends the saga as ${spec.final}.`] : []),
    ...(spec.standalone ? ['Not part of a saga.'] : []),
  ];
  return sentences.join(' ');
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
    id: { type: 'string', format: 'uuid', description: 'The same for every delivery of the event.' },
    type: { type: 'string' },
    source: { type: 'string', description: 'The publishing service.' },
    subject: { type: 'string' },
    time: { type: 'string', format: 'date-time' },
    datacontenttype: { const: 'application/json', default: 'application/json' },
    dataschema: { type: 'string', description: 'Ends with the major version of the data.' },
    correlationid: { type: 'string', description: 'The saga that the event belongs to.' },
    causationid: { type: 'string', description: 'Id of the event or HTTP request that caused this event.' },
    traceparent: { type: 'string', description: 'W3C trace context.' },
    tracestate: { type: 'string', description: 'W3C trace context: what tracing systems add to it.' },
    data: {},
  },
};

/** The shape that a consumer accepts: unknown fields are allowed. */
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
