// The journal over HTTP: its events as CloudEvents batches by cursor, a live tail, and what reconciliation asks.
import { z } from 'zod';
import { encodeBatch } from '../../contract/cloud-event.ts';
import type { JournalQueries } from '../messaging/journal-queries.ts';
import type { EventFilter, Journal, JournalEvent } from '../storage/journal.ts';
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
      'The cursor: the position of the last event that was read. Left out: from the beginning; a live tail: from the next event on.',
    ),
    limit: z.coerce.number().int().min(1).max(1_000).default(100),
    type: EventTypes.optional().describe('Only these types, separated by commas.'),
    subject: z.string().min(1).max(200).optional().describe('Only events about this order or product.'),
    positions: listOf(/^\d{1,15}$/, 'positions')
      .optional()
      .describe('Instead of a cursor: the events at these positions, separated by commas, as far as they still exist.'),
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
  return [eventsRoute(journal, queries), digestsRoute(queries), idsRoute(queries)];
}

function eventsRoute(journal: Journal, queries: JournalQueries): Route {
  const tails = liveTails(journal);
  return route({
    method: 'GET',
    path: '/events',
    operationId: 'getEvents',
    summary: 'The events that this service has published, oldest first',
    description:
      'A page of the journal, as a CloudEvents batch. The headers `Next-Cursor` and `Link` (rel=next) lead to the next page. ' +
      'With a filter, a page may be empty before the journal ends; it has ended when Next-Cursor no longer grows. With ' +
      '`Accept: text/event-stream`, the answer is a live tail from the cursor on: server-sent events whose ids are positions. ' +
      '`Last-Event-ID` resumes it.',
    query: EventsQuery,
    lane: 'service',
    answers: {
      200: {
        description: 'A page of events.',
        schema: CloudEventBatch,
        contentType: 'application/cloudevents-batch+json',
      },
    },
    problems: { 503: 'There are already too many live tails.' },
    handle: ({ query, prefix, accept, lastEventId, signal }) => {
      const { limit, type: types, subject, positions } = query;
      if (positions) return batch(queries.events(positions.map(Number)));
      if (/\btext\/event-stream\b/.test(accept)) {
        return tails.open({ after: resumedFrom(lastEventId) ?? query.after ?? journal.head(), types, subject }, signal);
      }
      const after = query.after ?? 0;
      const { events, next } = journal.events(
        { after, until: Number.MAX_SAFE_INTEGER, types, subject },
        limit,
        scanMax,
      );
      const filters = { ...(types ? { type: types.join(',') } : {}), ...(subject ? { subject } : {}) };
      const parameters = new URLSearchParams({ after: String(next), limit: String(limit), ...filters });
      return batch(events, { cursor: next, link: `${prefix}/events?${parameters}` });
    },
  });
}

const newline = Buffer.from('\n');

function batch(
  events: readonly Pick<JournalEvent, 'body'>[],
  next?: { readonly cursor: number; readonly link: string },
): HttpAnswer {
  return {
    status: 200,
    body: Buffer.concat([encodeBatch(events.map(({ body }) => body)), newline]),
    headers: {
      'content-type': 'application/cloudevents-batch+json; charset=utf-8',
      ...(next ? { 'next-cursor': String(next.cursor), link: `<${next.link}>; rel="next"` } : {}),
    },
  };
}

function liveTails(journal: Journal) {
  let open = 0;
  return {
    /** @throws ProblemError 503 when there are too many already */
    open(filter: Omit<EventFilter, 'until'>, signal: AbortSignal): HttpAnswer {
      if (open >= streamsMax) throw unavailable('too-many-streams', `there are ${streamsMax} live tails already`, 5);
      open += 1;
      const body = eventStream(journal, filter, signal);
      body.once('close', () => {
        open -= 1;
      });
      const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' };
      return { status: 200, body, headers };
    },
  };
}

function digestsRoute(queries: JournalQueries): Route {
  return route({
    method: 'GET',
    path: '/events/digests',
    operationId: 'getEventDigests',
    summary: 'Digests over ranges of the journal, for reconciliation',
    description:
      'A consumer names, as `anchor`, the event that it has handled or compared at `after`. If another one is there, or none, the ' +
      'database of this service was put back to an earlier state, and both sides know it from the answer on.',
    query: RangeQuery.extend({ consumer: z.string().min(1).max(100), anchor: z.uuid().optional() }).strict(),
    lane: 'service',
    answers: {
      200: {
        description: 'Count and checksum of the events of these types, for each range.',
        schema: z.object({
          journalId: z.string(),
          head: z.int().describe('Position of the newest entry.'),
          oldest: z.int().describe('Position of the oldest entry that retention has left.'),
          anchor: z.string().optional().describe('Id of the event at `after`.'),
          anchorWrittenAtMs: z.int().optional().describe('When it was written, in milliseconds since 1970.'),
          ranges: z.array(
            z.object({
              after: z.int(),
              until: z.int(),
              count: z.int(),
              sum: z.int(),
              eventId: z.string().optional().describe('Id of the event at `until`.'),
              writtenAtMs: z.int().optional().describe('When it was written.'),
            }),
          ),
        }),
      },
    },
    handle: ({ query }) => ({ status: 200, body: queries.digests({ ...query, anchor: query.anchor }) }),
  });
}

function idsRoute(queries: JournalQueries): Route {
  return route({
    method: 'GET',
    path: '/events/ids',
    operationId: 'getEventIds',
    summary: 'Positions and ids of events, for reconciliation',
    query: RangeQuery.strict(),
    lane: 'service',
    answers: {
      200: {
        description: 'The events of these types above `after` and up to `until`, over at most 1,000 positions.',
        schema: z.object({ events: z.array(z.object({ position: z.int(), eventId: z.string() })) }),
      },
    },
    handle: ({ query: { after, until, types } }) => ({
      status: 200,
      body: { events: queries.ids(after, until, types) },
    }),
  });
}

/** @throws ProblemError 400 for a Last-Event-ID that is no position */
function resumedFrom(lastEventId: string | undefined): number | undefined {
  if (lastEventId === undefined) return undefined;
  if (/^\d{1,15}$/.test(lastEventId)) return Number(lastEventId);
  throw new ProblemError(400, 'invalid-request', 'Last-Event-ID must be the id of an event of this stream: a position');
}
