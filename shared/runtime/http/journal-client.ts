// Reads another service's journal over HTTP.
import { z } from 'zod';
import type { JournalReader } from '../messaging/journal-queries.ts';
import type { PeerReader } from '../messaging/peer-reader.ts';

const timeoutMs = 10_000;

const Digests = z.object({
  journalId: z.string(),
  head: z.int(),
  oldest: z.int(),
  anchor: z.string().optional(),
  anchorWrittenAtMs: z.int().optional(),
  ranges: z.array(
    z.object({
      after: z.int(),
      until: z.int(),
      count: z.int(),
      sum: z.int(),
      eventId: z.string().optional(),
      writtenAtMs: z.int().optional(),
    }),
  ),
});
const Ids = z.object({ events: z.array(z.object({ position: z.int(), eventId: z.string() })) });
const Events = z.array(z.looseObject({ id: z.uuid(), sequence: z.string().regex(/^\d+$/).optional() }));

export class JournalClient implements JournalReader, PeerReader {
  readonly #urls: readonly string[];
  /** The address that answered last. */
  #current = 0;

  /** @param urls addresses of processes that share the journal; one that does not answer is left for the next */
  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  digests: JournalReader['digests'] = ({ consumer, types, after, anchor, until }, done) => {
    const query = { consumer, types: types.join(','), after: String(after), until: String(until) };
    this.#get('/events/digests', anchor === undefined ? query : { ...query, anchor }, Digests).then(
      (answer) =>
        done({
          ...answer,
          anchor: answer.anchor,
          anchorWrittenAtMs: answer.anchorWrittenAtMs,
          ranges: answer.ranges.map((range) => ({ eventId: undefined, writtenAtMs: undefined, ...range })),
        }),
      (error: unknown) => done(asError(error)),
    );
  };

  ids: JournalReader['ids'] = ({ after, until, types }, done) => {
    this.#get('/events/ids', { after: String(after), until: String(until), types: types.join(',') }, Ids).then(
      ({ events }) => done(events),
      (error: unknown) => done(asError(error)),
    );
  };

  events: JournalReader['events'] = (positions, done) => {
    this.#get('/events', { positions: positions.join(',') }, Events).then(
      (events) =>
        done(
          events.map((event) => ({
            position: Number(event.sequence ?? 0),
            eventId: event.id,
            body: Buffer.from(JSON.stringify(event)),
          })),
        ),
      (error: unknown) => done(asError(error)),
    );
  };

  get: PeerReader['get'] = (path, query, done) => {
    this.#get(path, query, z.unknown()).then(done, (error: unknown) => done(asError(error)));
  };

  async #get<T>(path: string, query: Readonly<Record<string, string>>, schema: z.ZodType<T>): Promise<T> {
    const url = `${this.#urls[this.#current]}${path}`;
    try {
      const response = await fetch(`${url}?${new URLSearchParams(query)}`, { signal: AbortSignal.timeout(timeoutMs) });
      if (!response.ok) throw new Error(`answered ${response.status}: ${(await response.text()).slice(0, 200)}`);
      return schema.parse(await response.json());
    } catch (error) {
      this.#current = (this.#current + 1) % this.#urls.length;
      const { message, cause } = asError(error);
      throw new Error(`${url}: ${cause instanceof Error ? cause.message : message}`);
    }
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
