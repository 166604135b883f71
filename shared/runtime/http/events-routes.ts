// The journal over HTTP: its events as CloudEvents batches by cursor, a live tail, and what reconciliation asks.
import { z } from 'zod';
import type { JournalQueries } from '../messaging/journal-queries.ts';
import type { Journal, JournalEntry } from '../storage/journal.ts';
import { eventStream } from './event-stream.ts';
import { ProblemError, unavailable } from './problem.ts';
import { type HttpAnswer, type Route, route } from './route.ts';

/** Rows read for one page, at most: a filter that fits little must not block the others. */
const scanMax = 10_000;
/** Most live tails at once. */
const streamsMax = 100;

const Position = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const listOf = (pattern: RegExp, what: string) =>
  z
    .string()
    .transform((text) => text.split(','))
    .pipe(
      z
        .array(z.string().regex(pattern, `must be ${what}, separated by commas`))
        .min(1)
        .max(200),
    );
const EventTypes = listOf(/^[a-z0-9.-]{1,100}$/, 'event types');

const EventsQuery = z
  .object({
    after: Position.optional().describe(
      'The cursor: position of the last event that was read. Left out: the beginning.',
    ),
    limit: z.coerce.number().int().min(1).max(1_000).default(100),
    type: EventTypes.optional().describe('Only these types, separated by commas.'),
    subject: z.string().min(1).max(200).optional().describe('Only events about this order or product.'),
    positions: listOf(/^\d{1,15}$/, 'positions')
      .optional()
      .describe('Instead of a cursor: just these events, as far as they are still there.'),
  })
  .strict();

const CloudEventBatch = z.array(z.record(z.string(), z.unknown()));

const RangeQuery = z.object({
  after: Position,
  until: Position,
  types: EventTypes,
});

export interface EventsSources {
  readonly journal: Journal;
  readonly queries: JournalQueries;
}

export function eventsRoutes({ journal, queries }: EventsSources): Route[] {
  let streams = 0;

  function batch(
    events: readonly JournalEntry[],
    next?: { readonly cursor: number; readonly link: string },
  ): HttpAnswer {
    const body = Buffer.concat([
      Buffer.from('['),
      ...events.flatMap(({ body: event }, index) => (index === 0 ? [event] : [Buffer.from(','), event])),
      Buffer.from(']\n'),
    ]);
    return {
      status: 200,
      body,
      headers: {
        'content-type': 'application/cloudevents-batch+json; charset=utf-8',
        ...(next ? { 'next-cursor': String(next.cursor), link: `<${next.link}>; rel="next"` } : {}),
      },
    };
  }

  return [
    route({
      method: 'GET',
      path: '/events',
      operationId: 'getEvents',
      summary: 'The events that this service has published, oldest first',
      description:
        'A page of the journal as a CloudEvents batch. The headers `Next-Cursor` and `Link` (rel=next) say where to go on; a ' +
        'page with a filter may be empty before the journal ends, which is when Next-Cursor no longer grows. With ' +
        '`Accept: text/event-stream` the answer is a live tail from the cursor on, as server-sent events whose ids are positions; ' +
        '`Last-Event-ID` resumes it.',
      query: EventsQuery,
      unlimited: true,
      answers: {
        200: {
          description: 'A page of events.',
          schema: CloudEventBatch,
          contentType: 'application/cloudevents-batch+json',
        },
      },
      problems: { 503: 'There are too many live tails already.' },
      handle: ({ query, prefix, accept, lastEventId, signal }) => {
        const { limit, type: types, subject, positions } = query;
        if (positions) return batch(queries.events(positions.map(Number)));
        if (!/\btext\/event-stream\b/.test(accept)) {
          const after = query.after ?? 0;
          const { events, next } = journal.events(
            { after, until: Number.MAX_SAFE_INTEGER, types, subject },
            limit,
            scanMax,
          );
          const filters = { ...(types ? { type: types.join(',') } : {}), ...(subject ? { subject } : {}) };
          const parameters = new URLSearchParams({ after: String(next), limit: String(limit), ...filters });
          return batch(events, { cursor: next, link: `${prefix}/events?${parameters}` });
        }
        if (streams >= streamsMax)
          throw unavailable('too-many-streams', `there are ${streamsMax} live tails already`, 5);
        streams += 1;
        const after = resumedFrom(lastEventId) ?? query.after ?? journal.head();
        const body = eventStream(journal, { after, types, subject }, signal);
        body.once('close', () => {
          streams -= 1;
        });
        return {
          status: 200,
          body,
          headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' },
        };
      },
    }),
    route({
      method: 'GET',
      path: '/events/digests',
      operationId: 'getEventDigests',
      summary: 'Digests over ranges of the journal, for reconciliation',
      query: RangeQuery.extend({ consumer: z.string().min(1).max(100), anchor: z.uuid().optional() }).strict(),
      unlimited: true,
      answers: {
        200: {
          description: 'Count and checksum of the events of these types, range by range.',
          schema: z.object({
            journalId: z.string(),
            head: z.int().describe('Position of the newest entry.'),
            oldest: z.int().describe('Position of the oldest entry that retention has left.'),
            anchor: z.string().optional().describe('Id of the event at `after`.'),
            ranges: z.array(
              z.object({
                after: z.int(),
                until: z.int(),
                count: z.int(),
                sum: z.int(),
                eventId: z.string().optional().describe('Id of the event at `until`.'),
              }),
            ),
          }),
        },
      },
      handle: ({ query }) => ({ status: 200, body: queries.digests({ anchor: undefined, ...query }) }),
    }),
    route({
      method: 'GET',
      path: '/events/ids',
      operationId: 'getEventIds',
      summary: 'Positions and ids of events, for reconciliation',
      query: RangeQuery.strict(),
      unlimited: true,
      answers: {
        200: {
          description: 'The events of these types above `after`, up to `until` or 1,000 positions further.',
          schema: z.object({ events: z.array(z.object({ position: z.int(), eventId: z.string() })) }),
        },
      },
      handle: ({ query: { after, until, types } }) => ({
        status: 200,
        body: { events: queries.ids(after, until, types) },
      }),
    }),
  ];
}

/** @throws ProblemError 400 for a Last-Event-ID that is no position */
function resumedFrom(lastEventId: string | undefined): number | undefined {
  if (lastEventId === undefined) return undefined;
  if (/^\d{1,15}$/.test(lastEventId)) return Number(lastEventId);
  throw new ProblemError(400, 'invalid-request', 'Last-Event-ID must be the id of an event of this stream: a position');
}
