// Bytes to event and back; everything that is no event is refused with a cause.
import { expect } from 'chai';
import { HTTP, CloudEvent as PlainCloudEvent } from 'cloudevents';
import fc from 'fast-check';
import {
  type AnyEvent,
  type CloudEvent,
  cloudEventContentType,
  dataSchemaOf,
  decodeEvent,
  encodeEvent,
  type UnreadableCause,
  UnreadableEventError,
} from '../../shared/contract/cloud-event.ts';
import { anyEventOf, eventOf, eventTypes, samples } from '../support/events.ts';

const placed = eventOf('order.placed');

function decode(content: unknown, contentType: string | undefined = cloudEventContentType): AnyEvent {
  return decodeEvent(Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content)), contentType);
}

/** The bytes are refused with this cause, and the message says what is wrong. */
function refused(cause: UnreadableCause, message: RegExp, read: () => unknown): void {
  let error: unknown;
  try {
    read();
  } catch (thrown) {
    error = thrown;
  }
  expect(error, 'what decodeEvent throws').to.be.instanceOf(UnreadableEventError);
  const { code, message: said } = error as UnreadableEventError;
  expect(code).to.equal(cause);
  expect(said).to.match(message);
  expect(said.length, 'length of the detail').to.be.lessThan(1_000);
}

describe('an event on the wire', () => {
  for (const type of eventTypes) {
    it(`comes back as it went: ${type}`, () => {
      const event = anyEventOf(type);
      expect(decode(encodeEvent(event as CloudEvent))).to.deep.equal(event);
    });

    it(`is a valid CloudEvents 1.0 event to a plain reader: ${type}`, () => {
      const event = eventOf(type);
      const read = HTTP.toEvent<unknown>({
        headers: { 'content-type': cloudEventContentType },
        body: encodeEvent(event as unknown as CloudEvent).toString(),
      });
      if (!(read instanceof PlainCloudEvent)) return expect.fail('one event was sent, something else was read');
      expect(read.validate()).to.equal(true);
      expect({ id: read.id, type: read.type, source: read.source, subject: read.subject }).to.deep.equal({
        id: event.id,
        type,
        source: event.source,
        subject: event.subject,
      });
      expect(read.data).to.deep.equal(samples[type]);
      expect(read['correlationid']).to.equal(event.correlationid);
      expect(read['traceparent']).to.equal(event.traceparent);
    });
  }

  it('is read by a reader that is older than a field: unknown fields are ignored', () => {
    const event = decode({ ...placed, newattribute: 1, data: { ...placed.data, giftWrap: true } });
    expect(event).to.deep.equal(placed);
  });

  it('is read when the content type carries a charset or capitals', () => {
    expect(decode(placed, 'Application/CloudEvents+JSON; charset=utf-8').id).to.equal(placed.id);
  });

  it('is read with a time that has an offset, and without datacontenttype', () => {
    const { datacontenttype: _left, ...rest } = placed;
    expect(decode({ ...rest, time: '2030-01-01T09:00:00+09:00' }).datacontenttype).to.equal('application/json');
  });
});

describe('a message that is no event is refused', () => {
  it('as wrong-content-type when there is none, or another', () => {
    const body = encodeEvent(placed as unknown as CloudEvent);
    refused('wrong-content-type', /is missing/, () => decodeEvent(body, undefined));
    for (const type of ['application/json', 'application/cloudevents-batch+json', ''])
      refused('wrong-content-type', /not application\/cloudevents\+json/, () => decodeEvent(body, type));
  });

  it('as not-json when it is empty, cut off, or text', () => {
    const body = encodeEvent(placed as unknown as CloudEvent);
    for (const bytes of [Buffer.alloc(0), body.subarray(0, -1), Buffer.from('hello')])
      refused('not-json', /./, () => decode(bytes));
  });

  it('as not-json when it is not UTF-8', () => {
    refused('not-json', /./, () => decode(Buffer.from([0x22, 0xff, 0xfe, 0x22])));
  });

  it('as not-a-cloudevent when it is other JSON', () => {
    for (const content of [null, 7, 'text', [], {}, [placed]]) refused('not-a-cloudevent', /./, () => decode(content));
  });

  it('as not-a-cloudevent without any one of its attributes, which is named', () => {
    const attributes = [
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
    ];
    for (const name of attributes)
      refused('not-a-cloudevent', new RegExp(name), () => decode({ ...placed, [name]: undefined }));
  });

  it('as not-a-cloudevent with another specversion, an id that is no UUID, or a time that is none', () => {
    for (const wrong of [{ specversion: '0.3' }, { id: '1' }, { time: 'yesterday' }, { datacontenttype: 'text/xml' }])
      refused('not-a-cloudevent', new RegExp(Object.keys(wrong).join()), () => decode({ ...placed, ...wrong }));
  });

  it('as unknown-type when the contract has no such event, not even one that every object has', () => {
    for (const type of ['order.eaten', '', 'constructor', '__proto__', 'x'.repeat(100_000)])
      refused('unknown-type', /no event/, () => decode({ ...placed, type }));
  });

  it('as newer-version when its data is of version 2', () => {
    refused('newer-version', /version 2/, () => decode({ ...placed, dataschema: dataSchemaOf('order.placed', 2) }));
  });

  it('as not-a-cloudevent when its dataschema is of version 0, of no version, or of another event', () => {
    const wrong = [dataSchemaOf('order.placed', 0), 'urn:choreography-saga:order.placed:', 'urn:x', dataSchemaOf('a')];
    for (const dataschema of wrong) refused('not-a-cloudevent', /dataschema/, () => decode({ ...placed, dataschema }));
  });

  it('as wrong-source when another service than its publisher says it', () => {
    refused('wrong-source', /comes from order-service/, () => decode({ ...placed, source: 'payment-service' }));
  });

  it('as wrong-data when a field is missing or out of its bounds, which is named', () => {
    const { orderId } = samples['order.placed'];
    refused('wrong-data', /userId/, () => decode({ ...placed, data: { ...placed.data, userId: undefined } }));
    refused('wrong-data', /total/, () => decode({ ...placed, data: { ...placed.data, total: 1_000_000_000_001 } }));
    refused('wrong-data', /total/, () => decode({ ...placed, data: { ...placed.data, total: 1.5 } }));
    refused('wrong-data', /items/, () => decode({ ...placed, data: { ...placed.data, items: [] } }));
    refused('wrong-data', /./, () => decode({ ...placed, data: null }));
    refused('wrong-data', /./, () => decode({ ...placed, data: orderId }));
  });

  it('as wrong-data when its subject is not what its data is about', () => {
    refused('wrong-data', /subject/, () => decode({ ...placed, subject: 'another' }));
  });

  it('with UnreadableEventError and nothing else, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.json().map(Buffer.from)), (bytes) => {
        expect(() => decode(Buffer.from(bytes))).to.throw(UnreadableEventError);
      }),
    );
  });

  it('with UnreadableEventError and nothing else, whatever one attribute is', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(placed)), fc.jsonValue(), (name, value) => {
        try {
          const event = decode({ ...placed, [name]: value });
          expect(event.type).to.equal('order.placed');
        } catch (error) {
          expect(error).to.be.instanceOf(UnreadableEventError);
        }
      }),
    );
  });

  it('when it is nested 100,000 deep, as when it is not', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    refused('not-a-cloudevent', /./, () => decode(Buffer.from(deep)));
    const inside = JSON.stringify({ ...placed, extra: 0 }).replace('"extra":0', `"extra":${deep}`);
    expect(decode(Buffer.from(inside)).id).to.equal(placed.id);
  });
});
