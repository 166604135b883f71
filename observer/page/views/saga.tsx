// One saga: what has happened, what may happen next, and everything about each event. It grows while the saga runs.
import { useEffect, useState } from 'preact/hooks';
import type { SagaDetail } from '../../model/messages.ts';
import { api, errorText } from '../api.ts';
import { dateAndTime, duration, money, words } from '../format.ts';
import { useInterests, useLive, useNow } from '../live/use-live.ts';
import { CopyButton } from '../saga/copy-button.tsx';
import { Diagram } from '../saga/diagram.tsx';
import type { Spacing } from '../saga/diagram-layout.ts';
import { StepPanel } from '../saga/step-panel.tsx';
import { StateBadge } from '../state-badge.tsx';
import { useContract } from '../use-contract.ts';

export function SagaView({ orderId }: { orderId: string }) {
  useInterests({ orderId });
  const { detail, connection } = useLive();
  const [found, setFound] = useState<SagaDetail | undefined>();
  const [error, setError] = useState('');
  // Again after an interruption: what is missing by then is asked of the journals.
  useEffect(() => {
    if (connection !== 'open') return;
    let gone = false;
    api.saga(orderId).then(
      (saga) => gone || (setFound(saga), setError('')),
      (failure: unknown) => gone || setError(errorText(failure)),
    );
    return () => {
      gone = true;
    };
  }, [orderId, connection]);
  const live = detail?.row.orderId === orderId ? detail : undefined;
  const saga = live && found ? (live.steps.length >= found.steps.length ? live : found) : (live ?? found);
  if (!saga) {
    return (
      <>
        <h1>Order {orderId}</h1>
        <p role="status">{error || 'Looking for it in the journals …'}</p>
      </>
    );
  }
  return <SagaPage saga={saga} />;
}

function SagaPage({ saga }: { saga: SagaDetail }) {
  const contract = useContract();
  const nowMs = useNow(saga.row.endedAt === undefined ? 250 : 5_000);
  const [spacing, setSpacing] = useState<Spacing>('even');
  const [selected, setSelected] = useState<string | undefined>();
  const last = saga.steps.at(-1);
  return (
    <>
      <Heading saga={saga} nowMs={nowMs} />
      <p class="sr-only" aria-live="polite">
        {last ? `${last.type}. The order is ${saga.row.state}.` : ''}
      </p>
      <div class={`saga-page ${selected ? 'with-panel' : ''}`}>
        <section class="card" aria-labelledby="diagram-title">
          <h2 id="diagram-title">
            Sequence
            <span class="choice" role="group" aria-label="Spacing">
              {(['even', 'to-scale'] as const).map((one) => (
                <button key={one} type="button" aria-pressed={spacing === one} onClick={() => setSpacing(one)}>
                  {one === 'even' ? 'Even' : 'Time to scale'}
                </button>
              ))}
            </span>
          </h2>
          {contract ? (
            <Diagram
              saga={saga}
              services={contract.services}
              spacing={spacing}
              selected={selected}
              nowMs={nowMs}
              onSelect={(id) => setSelected(id === selected ? undefined : id)}
            />
          ) : null}
          <Legend />
          {saga.anytime ? (
            <p class="quiet anytime">
              At any moment: <code>{saga.anytime.type}</code> by {saga.anytime.by}, when {saga.anytime.trigger}.
            </p>
          ) : null}
        </section>
        {selected ? <StepPanel saga={saga} eventId={selected} onClose={() => setSelected(undefined)} /> : null}
      </div>
      <Requests saga={saga} />
    </>
  );
}

function Heading({ saga: { row, traceId, incomplete }, nowMs }: { saga: SagaDetail; nowMs: number }) {
  const must = row.waitsFor.join(' and ');
  const left = row.deadlineAt === undefined ? undefined : row.deadlineAt - nowMs;
  return (
    <header class="saga-head">
      <h1>
        <StateBadge state={row.state} />
        <span>
          Order <code>{row.orderId}</code>
        </span>
        <CopyButton text={row.orderId} what="the order id" />
      </h1>
      {row.disagreement ? <p class="banner">The journals contradict each other: {row.disagreement}.</p> : null}
      {incomplete ? <p class="banner">The beginning of this saga is not in any journal.</p> : null}
      <dl class="facts wide">
        <dt>user</dt>
        <dd>{row.userId || '–'}</dd>
        <dt>products</dt>
        <dd>{row.products.join(', ') || '–'}</dd>
        {row.total === undefined ? null : (
          <>
            <dt>total</dt>
            <dd>{money(row.total)}</dd>
          </>
        )}
        <dt>started</dt>
        <dd>{dateAndTime(row.startedAt)}</dd>
        <dt>{row.endedAt === undefined ? 'running for' : 'took'}</dt>
        <dd>{duration((row.endedAt ?? nowMs) - row.startedAt)}</dd>
        {row.reason ? (
          <>
            <dt>reason</dt>
            <dd>{words(row.reason)}</dd>
          </>
        ) : null}
        {must ? (
          <>
            <dt>waits for</dt>
            <dd>
              <strong class="waiting">{must}</strong>
            </dd>
          </>
        ) : null}
        {left === undefined ? null : (
          <>
            <dt>deadline</dt>
            <dd>{left > 0 ? `in ${duration(left)}` : `passed ${duration(-left)} ago`}</dd>
          </>
        )}
        {traceId ? (
          <>
            <dt>trace</dt>
            <dd>
              <code>{traceId}</code>
            </dd>
          </>
        ) : null}
      </dl>
    </header>
  );
}

function Legend() {
  return (
    <ul class="legend" aria-label="Legend">
      <li class="key done">done</li>
      <li class="key failure">failure</li>
      <li class="key compensation">undoes an earlier step</li>
      <li class="key must">must come next</li>
      <li class="key may">may come next</li>
    </ul>
  );
}

function Requests({ saga }: { saga: SagaDetail }) {
  return (
    <section class="card" aria-labelledby="requests-title">
      <h2 id="requests-title">Ask the service yourself</h2>
      <ul class="plain requests">
        {saga.requests.map(({ title, curl }) => (
          <li key={title}>
            <h3>
              {title} <CopyButton text={curl} what={`the line: ${title}`} />
            </h3>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard */}
            <pre tabIndex={0}>{curl}</pre>
          </li>
        ))}
      </ul>
    </section>
  );
}
