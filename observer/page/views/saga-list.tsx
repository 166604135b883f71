// Thousands of sagas as a table of which only the visible rows exist.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { SagaRow } from '../../model/messages.ts';
import { clock, duration, money, shortId, words } from '../base/format.ts';
import { StateBadge } from '../base/state-badge.tsx';

const rowPx = 44;
const narrowRowPx = 74;
const marginRows = 8;
const columns = ['Started', 'Order', 'User', 'Products', 'Total', 'Status', 'Took'];

export interface SagaListProps {
  readonly rows: readonly SagaRow[];
  readonly nowMs: number;
  /** False: the visitor reads further down, and the rows stay where they are. */
  readonly atTop: boolean;
  readonly onLeaveTop: () => void;
}

export function SagaList({ rows, nowMs, atTop, onLeaveTop }: SagaListProps) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const narrow = useNarrow();
  const height = narrow ? narrowRowPx : rowPx;
  const measure = () => {
    const { scrollTop = 0, clientHeight = 600 } = box.current ?? {};
    setView({ top: scrollTop, height: clientHeight });
    if (scrollTop > height && atTop) onLeaveTop();
  };
  useLayoutEffect(measure, []);
  useEffect(() => {
    if (atTop) box.current?.scrollTo({ top: 0 });
  }, [atTop]);
  const first = Math.max(0, Math.floor(view.top / height) - marginRows);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / height) + marginRows);
  return (
    <div class="saga-table" role="table" aria-label="Sagas, newest first" aria-rowcount={rows.length + 1}>
      <div class="saga-row head" role="row" aria-rowindex={1}>
        {columns.map((name) => (
          <span key={name} role="columnheader">
            {name}
          </span>
        ))}
      </div>
      <div class="saga-scroll" ref={box} onScroll={measure} tabIndex={0} role="rowgroup">
        <div class="saga-space" style={{ height: `${rows.length * height}px` }} role="presentation">
          {rows.slice(first, last).map((row, index) => (
            <Row key={row.orderId} row={row} index={first + index} top={(first + index) * height} nowMs={nowMs} />
          ))}
        </div>
        {rows.length === 0 ? <p class="quiet empty">No saga fits.</p> : null}
      </div>
    </div>
  );
}

function Row({ row, index, top, nowMs }: { row: SagaRow; index: number; top: number; nowMs: number }) {
  const took = row.endedAt === undefined ? nowMs - row.startedAt : row.endedAt - row.startedAt;
  return (
    <div
      class={`saga-row ${row.disagreement ? 'disagrees' : ''}`}
      role="row"
      aria-rowindex={index + 2}
      style={{ top: `${top}px` }}
    >
      <span role="cell" class="time">
        {clock(row.startedAt)}
      </span>
      <span role="cell" class="id">
        <a href={`#/saga/${row.orderId}`} title={row.orderId}>
          {shortId(row.orderId)}
        </a>
      </span>
      <span role="cell" class="user">
        {row.userId}
      </span>
      <span role="cell" class="products" title={row.products.join(', ')}>
        {row.products.join(', ')}
      </span>
      <span role="cell" class="total">
        {row.total === undefined ? '' : money(row.total)}
      </span>
      <span role="cell" class="status">
        <StateBadge state={row.state} />
        <span class="why">{row.disagreement ?? why(row)}</span>
      </span>
      <span role="cell" class="took">
        {duration(took)}
      </span>
    </div>
  );
}

function why({ state, reason, waitsFor }: SagaRow): string {
  if (state === 'confirmed') return '';
  const waits = waitsFor.length > 0 ? `waits for ${waitsFor.join(' and ')}` : '';
  return [reason === undefined ? '' : words(reason), waits].filter((part) => part !== '').join(', ');
}

function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(false);
  useEffect(() => {
    const media = matchMedia('(max-width: 760px)');
    const changed = () => setNarrow(media.matches);
    changed();
    media.addEventListener('change', changed);
    return () => media.removeEventListener('change', changed);
  }, []);
  return narrow;
}
