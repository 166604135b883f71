// The live list of sagas: filters, search, and the rows that fit.
import { useState } from 'preact/hooks';
import type { SagaRow } from '../../model/messages.ts';
import { count, plural, words } from '../base/format.ts';
import { replaceQuery } from '../base/route.ts';
import { useInterests, useLive, useNow } from '../live/use-live.ts';
import { filterFrom, fits, isFiltering, looksLikeOrderId, type SagaFilter, slowMs, states } from './saga-filter.ts';
import { SagaList } from './saga-list.tsx';

export function SagasView({ query }: { query: URLSearchParams }) {
  useInterests({ sagas: 'all' });
  const { rows, skippedPerS, loading, overview } = useLive();
  const nowMs = useNow();
  // What was there when the visitor began to read further down: the list must not move under their eyes.
  const [held, setHeld] = useState<readonly SagaRow[] | undefined>();
  const filter = filterFrom(query);
  const all = rows.all();
  const fitting = isFiltering(filter) ? all.filter((row) => fits(row, filter, nowMs)) : all;
  const shown = held ? held.flatMap(({ orderId }) => rows.get(orderId) ?? []) : fitting;
  const newer = held ? fitting.filter(({ startedAt }) => startedAt > (held[0]?.startedAt ?? 0)).length : 0;
  return (
    <>
      <h1>Sagas</h1>
      <Filters filter={filter} query={query} rows={all} />
      <p class="list-status" role="status">
        <span>
          {isFiltering(filter)
            ? `${count(fitting.length)} of the last ${plural(all.length, 'saga')}`
            : `the last ${plural(all.length, 'saga')}`}
          {loading ? ', loading …' : ''}
        </span>
        {skippedPerS >= 1 ? (
          <span class="sampled">
            sampled: {count(Math.round(skippedPerS))} new sagas a second are counted, not listed
          </span>
        ) : null}
        {overview && overview.rates.started >= 1 ? (
          <span>{count(Math.round(overview.rates.started))} started per second</span>
        ) : null}
      </p>
      {looksLikeOrderId(filter.search) && fitting.length === 0 ? (
        <p class="card">
          It is not among the last sagas. <a href={`#/saga/${filter.search}`}>Look for it in the journals</a>
        </p>
      ) : null}
      {held ? (
        <button type="button" class="newer" onClick={() => setHeld(undefined)}>
          {newer > 0 ? `${plural(newer, 'newer saga')} · back to the newest` : 'Back to the newest'}
        </button>
      ) : null}
      <SagaList rows={shown} nowMs={nowMs} atTop={held === undefined} onLeaveTop={() => setHeld(fitting)} />
    </>
  );
}

function Filters({ filter, query, rows }: { filter: SagaFilter; query: URLSearchParams; rows: readonly SagaRow[] }) {
  const set = (name: string, value: string) => {
    const changed = new URLSearchParams(query);
    if (value === '') changed.delete(name);
    else changed.set(name, value);
    replaceQuery('sagas', changed);
  };
  const reasons = [...new Set(rows.flatMap(({ reason }) => reason ?? []))].sort();
  const services = [...new Set(rows.flatMap(({ waitsFor }) => waitsFor))].sort();
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <label>
        Order or user
        <input
          type="search"
          value={filter.search}
          placeholder="order id or user"
          onInput={(event) => set('search', event.currentTarget.value)}
        />
      </label>
      <label>
        Product
        <input type="search" value={filter.product} onInput={(event) => set('product', event.currentTarget.value)} />
      </label>
      <Choice label="Status" value={filter.state} values={states} onChange={(value) => set('state', value)} />
      <Choice label="Reason" value={filter.reason} values={reasons} onChange={(value) => set('reason', value)} />
      <Choice label="Waits for" value={filter.waits} values={services} onChange={(value) => set('waits', value)} />
      <label class="check">
        <input
          type="checkbox"
          checked={filter.slow}
          onChange={(event) => set('slow', event.currentTarget.checked ? '1' : '')}
        />
        slower than {slowMs / 1_000} s
      </label>
      {isFiltering(filter) ? (
        <button type="button" onClick={() => replaceQuery('sagas', new URLSearchParams())}>
          Clear
        </button>
      ) : null}
    </form>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly values: readonly string[];
  readonly onChange: (value: string) => void;
}

function Choice({ label, value, values, onChange }: ChoiceProps) {
  // A chosen value stays in the list when no saga has it any more.
  const all = value === '' || values.includes(value) ? values : [...values, value];
  return (
    <label>
      {label}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">any</option>
        {all.map((one) => (
          <option key={one} value={one}>
            {words(one)}
          </option>
        ))}
      </select>
    </label>
  );
}
