// A service's dead-letter queue, for one run at a time: read page by page, and left as it was except for what was acked.
//
// A quorum queue can be read only by consuming it. So a page is what one consumer with a prefetch of that size gets. It
// stays unacked while the next one is read; otherwise the broker would deliver it again. At the end all of it is
// returned, in order. Each reading adds one to the letters' x-delivery-count, which is why the queues of the contract
// have a delivery limit of a million.
import { setTimeout as delay } from 'node:timers/promises';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { deadLetterQueueOf } from '../../shared/contract/topology.ts';
import { DeadLettersError } from './errors.ts';

/** The broker reads a page into its memory, and so do we: pages of large letters are short. */
const pageBytes = 8 * 1024 * 1024;
const firstPage = 100;
/** RabbitMQ gives a consumer of a quorum queue at most 2,000 unacked messages. */
const pageMax = 1_000;

/**
 * RabbitMQ returns the messages of one nack in random order when there are more than 32 (an Erlang map). Its channel
 * joins nacks when more than 32 are under way, so after half as many we wait until they have been applied.
 */
const nackMax = 32;
const nacksUnderWayMax = 16;

/**
 * Letters that share a channel. To find the letter of an ack, RabbitMQ walks over all that the channel holds: with one
 * channel, acks among 100,000 held letters take minutes. There are at most 2,047 channels.
 */
const chunkLetters = 1_000;
const chunksMax = 1_500;

const lookAgainMs = 5;
const returnedWithinMs = 10_000;
const quietMs = 1_000;
const silentMsMax = 30_000;

/** A channel, and the letters that were read through it. */
interface Chunk {
  readonly channel: Channel;
  letters: number;
  /** The last letter of each nack that will return what was not acked, and how many letters it returns. */
  readonly nacks: { readonly last: ConsumeMessage; readonly letters: number }[];
}

export class DeadLetterQueue {
  /** Letters that were there at the beginning. Later ones come behind them, and are not read. */
  readonly count: number;
  readonly #name: string;
  readonly #connection: ChannelModel;
  /** For all but the letters. */
  readonly #channel: Channel;
  /** The oldest letters first; the last one is being read. */
  readonly #chunks: Chunk[] = [];
  #pages = 0;
  #lastRedelivered = false;
  #seen = 0;
  #tag: string | undefined;
  /** The page that is being handled. */
  #page: readonly ConsumeMessage[] = [];
  readonly #acked = new Set<number>();
  /** Ends the reading of the current page with an error. */
  #fail: (error: unknown) => void = () => {};

  private constructor(name: string, count: number, connection: ChannelModel, channel: Channel) {
    this.#name = name;
    this.count = count;
    this.#connection = connection;
    this.#channel = channel;
    this.#failWith(channel);
  }

  /**
   * Other runs are kept off until the connection is closed.
   * @throws DeadLettersError when another run or another consumer is at it, or when there is no such queue
   */
  static async open(connection: ChannelModel, service: string): Promise<DeadLetterQueue> {
    const name = deadLetterQueueOf(service);
    const channel = await connection.createChannel();
    // The call that caused it is rejected with the same error.
    channel.on('error', () => {});
    try {
      await takeTurn(channel, service);
      const { messageCount, consumerCount } = await channel.checkQueue(name);
      if (consumerCount === 0) return new DeadLetterQueue(name, messageCount, connection, channel);
    } catch (error) {
      if (codeOf(error) !== 404) throw error;
      throw new DeadLettersError(`the queue '${name}' does not exist on this broker: start ${service} once`);
    }
    throw new DeadLettersError(
      `another program consumes the queue '${name}', and would get a part of the letters: stop it`,
    );
  }

  /**
   * The letters, oldest first. What has not been acked when the next page is asked for is returned to the queue at the end.
   * @param enough stop soon after this many
   */
  async *pages(enough = Number.POSITIVE_INFINITY, signal?: AbortSignal): AsyncGenerator<readonly ConsumeMessage[]> {
    for (let size = Math.min(firstPage, enough); this.#seen < this.count; ) {
      signal?.throwIfAborted();
      const page = await this.#read(Math.min(size, this.count - this.#seen));
      if (page.length === 0) return;
      yield page;
      this.#hold();
      size = nextSize(page);
    }
  }

  /** Takes a letter out of the queue for good. */
  ack(letter: ConsumeMessage): void {
    this.#acked.add(letter.fields.deliveryTag);
    this.#chunks.at(-1)?.channel.ack(letter);
  }

  /** Returns what was not acked to its place. Resolves when it is there. */
  async close(): Promise<void> {
    if (this.#tag !== undefined) await this.#chunks.at(-1)?.channel.cancel(this.#tag);
    this.#hold();
    await this.#readReturned();
    let expected = (await this.#channel.checkQueue(this.#name)).messageCount;
    for (const { channel, nacks } of this.#chunks) {
      for (const [index, { last, letters }] of nacks.entries()) {
        channel.nack(last, true, true);
        expected += letters;
        // Also after the first one: acks may be under way.
        if (index % nacksUnderWayMax === 0 || index === nacks.length - 1) await this.#returned(channel, expected);
      }
      // Letters that arrived after a page had been given up.
      channel.nackAll(true);
      // Closed by itself first: amqplib would drop acks that it has not sent yet.
      await channel.close();
    }
    await this.#channel.close();
  }

  /** One page: of that size, or what there is. */
  async #read(size: number): Promise<ConsumeMessage[]> {
    const page: ConsumeMessage[] = [];
    // In this order: should this process be killed, the broker returns the letters of few consumers in the order of their tags.
    this.#pages += 1;
    const tag = `page-${String(this.#pages).padStart(9, '0')}`;
    const chunk = await this.#chunkFor(size);
    await chunk.channel.prefetch(size);
    await new Promise<void>((resolve, reject) => {
      const ended = () => {
        this.#fail = () => {};
        clearInterval(watch);
        resolve();
      };
      this.#fail = (error) => {
        // The first of the two counts.
        reject(error);
        ended();
      };
      const watch = this.#whenQuiet(() => page.length, ended);
      const receive = (letter: ConsumeMessage | null) => {
        if (!letter) return this.#fail(new DeadLettersError(`the queue '${this.#name}' was deleted`));
        page.push(letter);
        if (page.length === size) ended();
      };
      this.#tag = tag;
      chunk.channel.consume(this.#name, receive, { consumerTag: tag }).catch((error: unknown) => this.#fail(error));
    });
    await chunk.channel.cancel(tag);
    this.#tag = undefined;
    this.#page = page;
    this.#lastRedelivered = page.at(-1)?.fields.redelivered ?? false;
    this.#seen += page.length;
    return page;
  }

  /**
   * What is returned goes behind what earlier readings have returned, and before what was never read. So to keep its place,
   * all that was returned before is read as well, and returned behind it.
   */
  async #readReturned(): Promise<void> {
    for (let size = firstPage; this.#lastRedelivered && this.#seen < this.count; ) {
      const page = await this.#read(Math.min(size, this.count - this.#seen));
      if (page.length === 0) return;
      this.#hold();
      size = nextSize(page);
    }
  }

  async #chunkFor(letters: number): Promise<Chunk> {
    const most = Math.max(chunkLetters, Math.ceil(this.count / chunksMax));
    let chunk = this.#chunks.at(-1);
    if (!chunk || chunk.letters + letters > most) {
      chunk = { channel: await this.#connection.createChannel(), letters: 0, nacks: [] };
      this.#failWith(chunk.channel);
      this.#chunks.push(chunk);
    }
    chunk.letters += letters;
    return chunk;
  }

  #failWith(channel: Channel): void {
    channel.on('error', (error) => this.#fail(error));
    channel.on('close', () => this.#fail(new DeadLettersError('the broker has closed the channel')));
  }

  /** Notices that the queue has fewer letters than it had, or that the broker delivers none. */
  #whenQuiet(received: () => number, ended: () => void): NodeJS.Timeout {
    let before = -1;
    let silentMs = 0;
    return setInterval(() => {
      silentMs = received() === before ? silentMs + quietMs : 0;
      before = received();
      if (silentMs === 0) return;
      if (silentMs >= silentMsMax)
        this.#fail(new DeadLettersError(`the broker has delivered nothing for ${silentMsMax / 1_000} s`));
      this.#channel.checkQueue(this.#name).then(({ messageCount }) => {
        if (messageCount === 0 && received() === before) ended();
      }, this.#fail);
    }, quietMs);
  }

  /** Plans how the letters of the page that were not acked are returned at the end. */
  #hold(): void {
    const held = this.#page.filter(({ fields }) => !this.#acked.has(fields.deliveryTag));
    for (let from = 0; from < held.length; from += nackMax) {
      const part = held.slice(from, from + nackMax);
      const last = part.at(-1);
      if (last) this.#chunks.at(-1)?.nacks.push({ last: withoutContent(last), letters: part.length });
    }
    this.#page = [];
    this.#acked.clear();
  }

  /** @param channel the one of the nacks: by its answer it has learnt that they were applied, and joins none with later ones */
  async #returned(channel: Channel, expected: number): Promise<void> {
    const endMs = performance.now() + returnedWithinMs;
    while ((await channel.checkQueue(this.#name)).messageCount < expected) {
      // Somebody else has taken letters meanwhile: what was read is back all the same when the connection is closed.
      if (performance.now() > endMs) return;
      await delay(lookAgainMs);
    }
  }
}

/**
 * A run at a time: a second one would find only what the first one does not hold just now, and call that all. Quorum queues
 * ignore a consumer's claim to be the only one, so the turn is a queue that belongs to the connection alone, and ends with
 * it, also when this process is killed.
 */
async function takeTurn(channel: Channel, service: string): Promise<void> {
  try {
    await channel.assertQueue(`${deadLetterQueueOf(service)}.in-use`, { exclusive: true, durable: false });
  } catch (error) {
    if (codeOf(error) !== 405) throw error;
    throw new DeadLettersError(
      `another run is at the dead letters of ${service}: wait until it has ended. Nothing was changed.`,
    );
  }
}

/** As many letters as fit, if they are as large as these. */
function nextSize(page: readonly ConsumeMessage[]): number {
  const bytes = page.reduce((sum, { content }) => sum + content.length, 0) / page.length;
  return Math.min(pageMax, Math.max(1, Math.floor(pageBytes / (bytes + 1))));
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** Enough for a nack. */
function withoutContent(letter: ConsumeMessage): ConsumeMessage {
  return { ...letter, content: Buffer.alloc(0) };
}
