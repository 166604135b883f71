// The last few sagas, as they come in.
import type { SagaRow } from '../../model/messages.ts';
import { clock, duration, shortId, words } from '../base/format.ts';
import { StateBadge } from '../base/state-badge.tsx';

export function RecentSagas({ rows }: { rows: readonly SagaRow[] }) {
  return (
    <section class="card" aria-labelledby="recent-title">
      <h2 id="recent-title">
        The last sagas <a href="#/sagas">all of them</a>
      </h2>
      {rows.length === 0 ? (
        <p class="quiet">
          There are none yet. <a href="#/try">Place an order.</a>
        </p>
      ) : (
        <ul class="plain recent">
          {rows.map((row) => (
            <li key={row.orderId}>
              <span class="time">{clock(row.startedAt)}</span>
              <a href={`#/saga/${row.orderId}`}>{shortId(row.orderId)}</a>
              <span class="grow">
                {row.userId} · {row.products.join(', ')}
              </span>
              <span class="quiet">
                {row.reason ? words(row.reason) : row.endedAt ? duration(row.endedAt - row.startedAt) : row.lastEvent}
              </span>
              <StateBadge state={row.state} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
