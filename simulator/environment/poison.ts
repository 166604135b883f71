// Messages that can never be read, each in its own way, and the reason with which each must be dead-lettered.

import { cloudEventContentType, dataSchemaOf } from '../../shared/contract/cloud-event.ts';
import type { OutgoingMessage } from '../../shared/runtime/messaging/bus.ts';
import type { Random } from './random.ts';
import { epochMs, uuidV7 } from './sim-clock.ts';

/** Kind → dead-letter reason. */
export const poisonReasons = {
  'not-json': 'not-json',
  empty: 'not-json',
  'wrong-content-type': 'wrong-content-type',
  'wrong-shape': 'wrong-data',
  'unknown-type': 'unknown-type',
  'newer-version': 'newer-version',
  'wrong-source': 'wrong-source',
} as const;

export type Poison = keyof typeof poisonReasons;
export const poisonKinds = Object.keys(poisonReasons) as readonly Poison[];

export function poisonOf(kind: Poison, random: Random): Pick<OutgoingMessage, 'body' | 'contentType'> {
  const orderId = uuidV7(epochMs, random);
  const event = {
    specversion: '1.0',
    id: uuidV7(epochMs, random),
    type: kind === 'unknown-type' ? 'order.exploded' : 'order.withdrawn',
    source: kind === 'wrong-source' ? 'payment-service' : 'order-service',
    subject: orderId,
    time: '2030-01-01T00:00:00.000Z',
    dataschema: dataSchemaOf('order.withdrawn', kind === 'newer-version' ? 2 : 1),
    correlationid: orderId,
    causationid: orderId,
    traceparent: '00-00000000000000000000000000000001-0000000000000001-01',
    data: kind === 'wrong-shape' ? { orderId } : { orderId, userId: 'rich-1', reason: 'customer' },
  };
  const body = kind === 'empty' ? '' : kind === 'not-json' ? '{"specversion":' : JSON.stringify(event);
  return {
    body: Buffer.from(body),
    contentType: kind === 'wrong-content-type' ? 'text/plain' : cloudEventContentType,
  };
}
