// Which sagas the list shows: what the visitor has chosen, kept in the address.
import type { SagaRow, SagaState } from '../../model/messages.ts';

export interface SagaFilter {
  readonly state: string;
  /** Part of an order id or of a user. */
  readonly search: string;
  readonly product: string;
  readonly waits: string;
  readonly reason: string;
  readonly slow: boolean;
}

/** Longer than that is slow: a saga takes a few milliseconds. */
export const slowMs = 1_000;
export const states: readonly (SagaState | 'disagrees')[] = [
  'running',
  'undoing',
  'confirmed',
  'cancelled',
  'disagrees',
];

export function filterFrom(query: URLSearchParams): SagaFilter {
  const text = (name: string) => query.get(name) ?? '';
  return {
    state: text('state'),
    search: text('search').trim(),
    product: text('product').trim(),
    waits: text('waits'),
    reason: text('reason'),
    slow: query.has('slow'),
  };
}

export function isFiltering(filter: SagaFilter): boolean {
  return Object.values(filter).some((value) => value !== '' && value !== false);
}

export function fits(
  row: SagaRow,
  { state, search, product, waits, reason, slow }: SagaFilter,
  nowMs: number,
): boolean {
  if (state === 'disagrees' ? row.disagreement === undefined : state !== '' && row.state !== state) return false;
  if (search !== '' && !includes(row.orderId, search) && !includes(row.userId, search)) return false;
  if (product !== '' && !row.products.some((one) => includes(one, product))) return false;
  if (waits !== '' && !row.waitsFor.includes(waits)) return false;
  if (reason !== '' && row.reason !== reason) return false;
  return !slow || (row.endedAt ?? nowMs) - row.startedAt >= slowMs;
}

export function looksLikeOrderId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}

function includes(text: string, part: string): boolean {
  return text.toLowerCase().includes(part.toLowerCase());
}
