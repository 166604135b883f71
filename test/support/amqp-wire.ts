// AMQP 0-9-1 frames, read and written with amqplib's own codec, from the broker's side of a connection.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export type Fields = Readonly<Record<string, unknown>>;

/** A method with its arguments and, of those that carry one, its message. */
export interface Method {
  /** As in amqplib's definitions: `QueueDeclare`. */
  readonly name: string;
  readonly channel: number;
  readonly fields: Fields;
  readonly content?: Content;
}

export interface Content {
  readonly properties: Fields;
  readonly body: Buffer;
}

interface Frame {
  readonly id?: number;
  readonly channel: number;
  readonly size?: number;
  readonly fields?: Fields;
  readonly content?: Buffer;
}

interface Codec {
  parseFrame(bytes: Buffer, max: number): { readonly rest: Buffer } | false;
  decodeFrame(frame: unknown): Frame;
  makeBodyFrame(channel: number, payload: Buffer): Buffer;
  readonly HEARTBEAT_BUF: Buffer;
}

interface Definitions {
  readonly [id: string]: unknown;
  info(id: number): { readonly name: string; readonly classId?: number };
  encodeMethod(id: number, channel: number, fields: Fields): Buffer;
  encodeProperties(id: number, channel: number, size: number, fields: Fields): Buffer;
}

// The package exports only its client, so its folder is looked up by the file that it does export.
const require = createRequire(import.meta.url);
const library = join(dirname(require.resolve('amqplib')), 'lib');
const codec = require(join(library, 'frame.js')) as Codec;
const definitions = require(join(library, 'defs.js')) as Definitions;

const basicClass = 60;
const headerBytes = 8;
const carriesContent = new Set(['BasicPublish']);

/** Puts frames together to methods, as the bytes come in. */
export class MethodReader {
  #bytes = Buffer.alloc(0);
  #started = false;
  readonly #open = new Map<number, { method: Method; size: number; properties: Fields; body: Buffer[] }>();
  readonly #read: (method: Method) => void;

  constructor(read: (method: Method) => void) {
    this.#read = read;
  }

  push(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (!this.#started) {
      if (this.#bytes.length < headerBytes) return;
      this.#bytes = this.#bytes.subarray(headerBytes);
      this.#started = true;
      this.#read({ name: 'ProtocolHeader', channel: 0, fields: {} });
    }
    for (let frame = codec.parseFrame(this.#bytes, 0); frame; frame = codec.parseFrame(this.#bytes, 0)) {
      this.#bytes = Buffer.from(frame.rest);
      this.#take(codec.decodeFrame(frame));
    }
  }

  #take({ id, channel, size, fields = {}, content }: Frame): void {
    const open = this.#open.get(channel);
    if (open && size !== undefined) {
      open.size = size;
      open.properties = fields;
    } else if (open && content) {
      open.body.push(content);
    } else if (id !== undefined) {
      const method = { name: definitions.info(id).name, channel, fields };
      if (!carriesContent.has(method.name)) return this.#read(method);
      this.#open.set(channel, { method, size: -1, properties: {}, body: [] });
    }
    if (open) this.#complete(channel, open);
  }

  #complete(
    channel: number,
    { method, size, properties, body }: { method: Method; size: number; properties: Fields; body: Buffer[] },
  ): void {
    const bytes = Buffer.concat(body);
    if (bytes.length < size) return;
    this.#open.delete(channel);
    this.#read({ ...method, content: { properties, body: bytes } });
  }
}

/** A sign of life. */
export const heartbeat = codec.HEARTBEAT_BUF;

/** The bytes of a method, and of its message if it carries one. */
export function encode({ name, channel, fields, content }: Method): Buffer {
  const method = definitions.encodeMethod(idOf(name), channel, fields);
  if (!content) return method;
  const { properties, body } = content;
  // A message without a value for a property has no such property.
  const given = Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined));
  const header = definitions.encodeProperties(basicClass, channel, body.length, given);
  return Buffer.concat([method, header, ...(body.length > 0 ? [codec.makeBodyFrame(channel, body)] : [])]);
}

function idOf(name: string): number {
  const id = definitions[name];
  if (typeof id !== 'number') throw new Error(`AMQP 0-9-1 has no method ${name}`);
  return id;
}
