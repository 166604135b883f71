// The AsyncAPI document is valid and describes the events as they are sent; a broken one is refused.
import { expect } from 'chai';
import { choreography } from '../../shared/contract/choreography.ts';
import { dataSchemaOf } from '../../shared/contract/cloud-event.ts';
import { asyncApiDocument } from '../../shared/contract/documents/asyncapi.ts';
import { asyncApiText } from '../../shared/contract/documents/documents-on-disk.ts';
import type { Choreography } from '../../shared/contract/language.ts';
import { asyncApiProblems, payloadProblems } from '../support/asyncapi-validation.ts';
import { eventOf, eventTypes } from '../support/events.ts';

const text = asyncApiText(choreography);

/** The document with one passage replaced; the replacement must have something to replace. */
function broken(passage: string, replacement: string): unknown {
  expect(text, 'the document').to.contain(passage);
  return JSON.parse(text.replace(passage, replacement));
}

describe('the AsyncAPI document', () => {
  it('is valid AsyncAPI 3.0, and every reference in it resolves', () => {
    expect(asyncApiProblems(JSON.parse(text))).to.deep.equal([]);
  });

  it('says of every event who publishes it, and carries the schema of its data', () => {
    const { components } = asyncApiDocument(choreography) as {
      components: {
        messages: Record<
          string,
          { payload: { allOf: [unknown, { properties: Record<string, { const?: string; pattern?: string }> }] } }
        >;
        schemas: Record<string, { properties: object; required: string[] }>;
      };
    };
    expect(Object.keys(components.messages)).to.deep.equal(Object.keys(choreography.events));
    for (const [type, spec] of Object.entries((choreography as Choreography).events)) {
      const properties = components.messages[type]?.payload.allOf[1].properties;
      expect(properties?.['type']?.const).to.equal(type);
      const { const: source = spec.by, pattern = '.' } = properties?.['source'] ?? {};
      expect(source).to.equal(spec.by);
      // Only order-service can have several instances.
      for (const name of [spec.by, `${spec.by}.a`])
        expect(new RegExp(pattern).test(name), name).to.equal(
          name === spec.by || spec.by === 'order-service' || pattern === '.',
        );
      expect(pattern === '.', pattern).to.equal(spec.by !== 'order-service');
      expect(properties?.['dataschema']?.const).to.equal(dataSchemaOf(type));
      expect(components.schemas[type]?.properties).to.have.property(spec.subject);
      expect(components.schemas[type]).to.not.have.property('additionalProperties');
    }
  });

  for (const type of eventTypes) {
    it(`describes ${type} as it is sent, and refuses it from another service or without its subject`, () => {
      const document = asyncApiDocument(choreography);
      const event = eventOf(type);
      const { [choreography.events[type].subject]: _subject, ...rest } = event.data as Record<string, unknown>;
      expect(payloadProblems(document, type, event)).to.deep.equal([]);
      expect(payloadProblems(document, type, { ...event, source: 'somebody-else' })).to.have.length.above(0);
      expect(payloadProblems(document, type, { ...event, data: rest })).to.have.length.above(0);
    });
  }

  describe('is refused', () => {
    const faults: readonly (readonly [what: string, passage: string, replacement: string, problem: RegExp])[] = [
      ['of a version other than 3.0.0', '"asyncapi": "3.0.0"', '"asyncapi": "2.6.0"', /^\/asyncapi /],
      ['without a title', '"title": "Choreography saga",', '', /^\/info must have required property 'title'/],
      [
        'with a field that AsyncAPI does not know',
        '"info": {',
        '"infos": {}, "info": {',
        /must NOT have additional prop/,
      ],
      [
        'with an action that is neither send nor receive',
        '"action": "send"',
        '"action": "shout"',
        /action must be equal/,
      ],
      ['with an AMQP binding of a wrong type', '"durable": true', '"durable": "yes"', /durable must be boolean/],
      ['with an exchange of an unknown kind', '"type": "topic"', '"type": "subject"', /exchange\/type must be equal/],
      ['with a payload that is no JSON Schema', '"format": "uuid"', '"minLength": "x"', /minLength must be integer/],
      [
        'when a channel refers to a message that does not exist',
        '/messages/payment.failed"',
        '/messages/payment.lost"',
        /^#\/components\/messages\/payment\.lost leads nowhere$/,
      ],
      [
        'when a channel refers to something other than a message',
        '"$ref": "#/components/messages/payment.failed"',
        '"$ref": "#/components/schemas/payment.failed"',
        /^channel payment\.events: .* is not a message$/,
      ],
      [
        'when an operation refers to a channel that does not exist',
        '"$ref": "#/channels/order.events"',
        '"$ref": "#/channels/order.gone"',
        /^#\/channels\/order\.gone leads nowhere$/,
      ],
      [
        'when an operation refers to something other than a channel',
        '"$ref": "#/channels/order.events"',
        '"$ref": "#/components/messages/order.placed"',
        /^operation order-service\.send: .* is not a channel$/,
      ],
      [
        'when an operation sends a message of another channel',
        '"$ref": "#/channels/order.events/messages/order.placed"',
        '"$ref": "#/channels/payment.events/messages/payment.failed"',
        /^operation order-service\.send: .* is not a message of its channel$/,
      ],
      [
        'when a payload refers to a schema that does not exist',
        '"$ref": "#/components/schemas/envelope"',
        '"$ref": "#/components/schemas/gone"',
        /^#\/components\/schemas\/gone leads nowhere$/,
      ],
      [
        'when a reference leads out of the document',
        '"$ref": "#/components/schemas/envelope"',
        '"$ref": "other.json#/envelope"',
        /^other\.json#\/envelope leads nowhere$/,
      ],
      [
        'when the address of a channel has a parameter that is not declared',
        '"address": "{type}"',
        '"address": "{type}.{key}"',
        /^channel order\.events: parameter key is not declared$/,
      ],
      [
        'when a declared parameter is not in the address',
        '"address": "{type}"',
        '"address": "type"',
        /^channel order\.events: parameter type is not in its address$/,
      ],
    ];
    for (const [what, passage, replacement, problem] of faults) {
      it(what, () => {
        const problems = asyncApiProblems(broken(passage, replacement));
        expect(
          problems.filter((line) => problem.test(line)),
          problems.join('\n'),
        ).to.have.length.above(0);
      });
    }
  });
});
