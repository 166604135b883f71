// Bytes to event and back; everything that is no event is refused with a cause.
import { expect } from 'chai';
import { HTTP, CloudEvent as PlainCloudEvent } from 'cloudevents';
import fc from 'fast-check';
import { choreography } from '../../shared/contract/choreography.ts';
import {
  type CloudEvent,
  cloudEventBatchContentType,
  cloudEventContentType,
  createEvent,
  dataSchemaOf,
  encodeBatch,
  encodeEvent,
  positionOf,
} from '../../shared/contract/cloud-event.ts';
import {
  batchEventsMax,
  decodeEvent,
  decodeMessage,
  messageBytesMax,
  type UnreadableCause,
  UnreadableEventError,
} from '../../shared/contract/read-message.ts';
import { eventOf, eventTypes, samples } from '../support/events.ts';

const placed = eventOf('order.placed');

function decode(content: unknown, contentType: string | undefined = cloudEventContentType): CloudEvent {
  return decodeEvent(
    Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content)),
    contentType,
    choreography,
  );
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
  const { code, message: detail } = error as UnreadableEventError;
  expect(code).to.equal(cause);
  expect(detail).to.match(message);
  expect(detail.length, 'length of the detail').to.be.lessThan(1_000);
}

describe('an event on the wire', () => {
  for (const type of eventTypes) {
    it(`comes back as it went: ${type}`, () => {
      const event = eventOf(type);
      expect(decode(encodeEvent(event))).to.deep.equal(event);
    });

    it(`is a valid CloudEvents 1.0 event to a plain reader: ${type}`, () => {
      const event = eventOf(type);
      const read = HTTP.toEvent<unknown>({
        headers: { 'content-type': cloudEventContentType },
        body: encodeEvent(event).toString(),
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
    const body = encodeEvent(placed);
    refused('wrong-content-type', /is missing/, () => decodeEvent(body, undefined, choreography));
    for (const type of ['application/json', 'application/cloudevents-batch+json', ''])
      refused('wrong-content-type', /not application\/cloudevents\+json/, () => decodeEvent(body, type, choreography));
  });

  it('as not-json when it is empty, cut off, or text', () => {
    const body = encodeEvent(placed);
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

  it('as wrong-source when it names another source than its publisher', () => {
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
});

describe('the bounds of a message', () => {
  const nested = (levels: number, inside = '') => '['.repeat(levels) + inside + ']'.repeat(levels);
  const read = (body: Buffer | string, contentType = cloudEventContentType) =>
    decodeMessage(Buffer.from(body), contentType, choreography).map((one) =>
      'event' in one ? one.event.type : one.error.code,
    );
  const withExtra = (json: string) => JSON.stringify({ ...placed, extra: 0 }).replace('"extra":0', `"extra":${json}`);

  it('are 64 levels of JSON and not 65, wherever they are', () => {
    expect(read(withExtra(nested(63)))).to.deep.equal(['order.placed']);
    expect(read(withExtra(nested(64)))).to.deep.equal(['too-deep']);
    expect(read(nested(64))).to.deep.equal(['not-a-cloudevent']);
    expect(read(nested(65))).to.deep.equal(['too-deep']);
  });

  it('do not count brackets in text, also after an escaped quote', () => {
    const text = JSON.stringify(`"${'['.repeat(100)}\\"{`);
    expect(read(withExtra(text))).to.deep.equal(['order.placed']);
  });

  it('refuse 6,000 and 100,000 levels with a cause instead of a stack overflow', () => {
    for (const levels of [6_000, 100_000]) {
      expect(read(withExtra(nested(levels)))).to.deep.equal(['too-deep']);
      expect(read(`[${withExtra(nested(levels))}]`, cloudEventBatchContentType)).to.deep.equal(['too-deep']);
    }
  });

  it('are 1 MiB and not one byte more', () => {
    const filled = (bytes: number) => withExtra(`"${'x'.repeat(bytes - withExtra('""').length)}"`);
    expect(read(filled(messageBytesMax))).to.deep.equal(['order.placed']);
    expect(read(filled(messageBytesMax + 1))).to.deep.equal(['too-large']);
  });

  it('are 1,000 events in a batch and not 1,001', () => {
    const batch = (count: number) => encodeBatch(Array.from({ length: count }, () => Buffer.from('{}')));
    expect(read(batch(batchEventsMax), cloudEventBatchContentType)).to.have.lengthOf(1_000);
    expect(read(batch(batchEventsMax + 1), cloudEventBatchContentType)).to.deep.equal(['too-many-events']);
  });
});

describe('the sequence of an event', () => {
  const at = (position?: number) => eventOf('order.placed', undefined, position === undefined ? {} : { position });

  it('is its position in the journal with 16 digits, so that text and number sort alike', () => {
    expect(at(7).sequence).to.equal('0000000000000007');
    expect(positionOf(at(Number.MAX_SAFE_INTEGER))).to.equal(Number.MAX_SAFE_INTEGER);
    expect([at(10), at(9)].map(({ sequence = '' }) => sequence).sort()).to.deep.equal([
      at(9).sequence,
      at(10).sequence,
    ]);
  });

  it('survives the wire, and may be missing, as from a publisher without a journal', () => {
    expect(positionOf(decode(encodeEvent(at(7))))).to.equal(7);
    expect(positionOf(decode(encodeEvent(at())))).to.equal(undefined);
  });

  it('is refused when it is no number', () => {
    for (const sequence of ['', '-1', 'a', '1'.repeat(17), 1])
      refused('not-a-cloudevent', /sequence/, () => decode({ ...placed, sequence }));
  });

  it('belongs to an event of the contract: another cannot be created', () => {
    const envelope = { id: placed.id, source: 'x', time: placed.time, causationId: 'c', traceparent: 't' };
    expect(() => createEvent(choreography, { type: 'order.eaten', data: {} }, envelope)).to.throw(/order\.eaten/);
  });
});
