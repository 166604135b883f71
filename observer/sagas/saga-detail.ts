// One saga as the page draws it: its steps in the order of their causes, and what the contract allows next.
import { shellWord } from '../../local/terminal.ts';
import type { ContractMap } from '../model/contract-map.ts';
import type { SagaDetail, SagaStep } from '../model/messages.ts';
import { nextSteps } from './next-steps.ts';
import type { Saga } from './saga.ts';
import { cloudEventOf, type SeenEvent } from './seen-event.ts';

export interface ShownUrls {
  /** Base of order-service's addresses, for the curl lines. */
  readonly order: string;
  /** Of a trace, with `{traceId}` in it; undefined: there is nothing to look at traces with. */
  readonly trace?: string | undefined;
}

export function sagaDetail(map: ContractMap, saga: Saga, urls: ShownUrls, nowMs: number): SagaDetail {
  const ordered = inCausalOrder(saga.events);
  const next = nextSteps(map, ordered);
  const withdrawal = map.events.get(map.withdrawal);
  const [first] = ordered;
  const traceId = first && /^00-([0-9a-f]{32})-/.exec(cloudEventOf(first).traceparent)?.[1];
  return {
    row: saga.row(nowMs),
    steps: stepsOf(map, ordered, saga.final),
    next,
    ...(saga.state === 'running' && withdrawal
      ? { anytime: { type: withdrawal.type, by: withdrawal.by, trigger: withdrawal.trigger ?? '' } }
      : {}),
    requests: requestsOf(saga, urls.order),
    ...(traceId ? { traceId } : {}),
    ...(traceId && urls.trace ? { traceUrl: urls.trace.replace('{traceId}', traceId) } : {}),
    incomplete: !saga.complete,
  };
}

function stepsOf(map: ContractMap, events: readonly SeenEvent[], final: SeenEvent | undefined): SagaStep[] {
  const ids = new Map(events.map((event) => [event.eventId, event]));
  const firstOfType = new Map<string, SeenEvent>();
  for (const event of events) if (!firstOfType.has(event.type)) firstOfType.set(event.type, event);
  return events.map((event) => {
    const info = map.events.get(event.type);
    const undone = info?.compensates === undefined ? undefined : firstOfType.get(info.compensates);
    const trigger = ids.has(event.causationId) ? undefined : info?.trigger;
    return {
      eventId: event.eventId,
      type: event.type,
      by: info?.by ?? event.source,
      source: event.source,
      at: event.atMs,
      causationId: event.causationId,
      ...(ids.has(event.causationId) ? { causeId: event.causationId } : {}),
      readers: info?.reactions.map(({ service }) => service) ?? [],
      ...(info?.final ? { final: info.final } : {}),
      failure: info?.failure ?? false,
      ...(trigger === undefined ? {} : { trigger }),
      ...(undone ? { undoesId: undone.eventId } : {}),
      ...(info?.compensates === undefined ? {} : { compensates: info.compensates }),
      repeated: firstOfType.get(event.type) !== event,
      late: final !== undefined && final !== event && event.atMs > final.atMs,
      ...(event.reason === undefined ? {} : { reason: event.reason }),
      ...(event.seenAtMs === undefined ? {} : { seenAfterMs: event.seenAtMs - event.atMs }),
      event: cloudEventOf(event),
    };
  });
}

/** Each after its cause, then by time: the clocks of two services differ, and a step can take less than a millisecond. */
export function inCausalOrder(events: readonly SeenEvent[]): SeenEvent[] {
  const byId = new Map(events.map((event) => [event.eventId, event]));
  const places = new Map<SeenEvent, { readonly atMs: number; readonly depth: number }>();
  const placeOf = (event: SeenEvent): { readonly atMs: number; readonly depth: number } => {
    const known = places.get(event);
    if (known) return known;
    // Before its cause is looked at, so that a ring of causes ends.
    places.set(event, { atMs: event.atMs, depth: 0 });
    const cause = byId.get(event.causationId);
    if (!cause) return { atMs: event.atMs, depth: 0 };
    const { atMs, depth } = placeOf(cause);
    const place = { atMs: Math.max(atMs, event.atMs), depth: depth + 1 };
    places.set(event, place);
    return place;
  };
  const placed = events.map((event) => ({ event, ...placeOf(event) }));
  return placed.sort((a, b) => a.atMs - b.atMs || a.depth - b.depth).map(({ event }) => event);
}

function requestsOf(saga: Saga, orderUrl: string): SagaDetail['requests'] {
  const order = (path: string) => shellWord(`${orderUrl}/orders${path}`);
  const id = encodeURIComponent(saga.orderId);
  const { placed } = saga;
  const body = placed && {
    userId: placed.userId,
    items: placed.items.map(({ productId, qty }) => ({ productId, qty })),
  };
  return [
    ...(body
      ? [
          {
            title: 'Place the same order again',
            curl: `curl -s ${order('')} -H 'content-type: application/json' -H 'prefer: wait=5' -d ${shellWord(JSON.stringify(body))}`,
          },
        ]
      : []),
    ...(saga.final ? [] : [{ title: 'Cancel it', curl: `curl -sX POST ${order(`/${id}/cancel`)}` }]),
    { title: 'Its status, and what it waits for', curl: `curl -s ${order(`/${id}`)}` },
    { title: 'Its events', curl: `curl -s ${order(`/${id}/timeline`)}` },
  ];
}
