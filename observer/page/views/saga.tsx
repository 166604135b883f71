// One saga: what has happened, what may happen next, and everything about each event. It grows while the saga runs.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { SagaDetail } from '../../model/messages.ts';
import { api, errorText } from '../base/api.ts';
import { CopyButton } from '../base/copy-button.tsx';
import { dateAndTime, duration, money, words } from '../base/format.ts';
import { StateBadge } from '../base/state-badge.tsx';
import { useContract } from '../base/use-contract.ts';
import { useInterests, useLive, useNow } from '../live/use-live.ts';
import { Diagram } from '../saga/diagram.tsx';
import type { Spacing } from '../saga/diagram-layout.ts';
import { StepPanel } from '../saga/step-panel.tsx';

/** @param embedded part of another view, which has a title of its own */
export function SagaView({ orderId, embedded = false }: { orderId: string; embedded?: boolean }) {
  useInterests({ orderId });
  const { detail, connection } = useLive();
  const [found, setFound] = useState<SagaDetail | undefined>();
  const [error, setError] = useState('');
  // Again after an interruption: what is missing by then is asked of the journals.
  useEffect(() => {
    if (connection !== 'open') return;
    let gone = false;
    api.saga(orderId).then(
      (saga) => {
        if (!gone) setFound(saga);
      },
      (failure: unknown) => {
        if (!gone) setError(errorText(failure));
      },
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
        {embedded ? null : <h1>Order {orderId}</h1>}
        <p role="status">{error || 'Looking for it in the journals …'}</p>
      </>
    );
  }
  return <SagaPage saga={saga} embedded={embedded} />;
}

function SagaPage({ saga, embedded }: { saga: SagaDetail; embedded: boolean }) {
  const contract = useContract();
  const nowMs = useNow(saga.row.endedAt === undefined ? 250 : 5_000);
  const [spacing, setSpacing] = useState<Spacing>('even');
  const [selected, setSelected] = useState<string | undefined>();
  const last = saga.steps.at(-1);
  return (
    <>
      <Heading saga={saga} nowMs={nowMs} embedded={embedded} />
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

function Heading({
  saga: { row, traceId, traceUrl, incomplete },
  nowMs,
  embedded,
}: {
  saga: SagaDetail;
  nowMs: number;
  embedded: boolean;
}) {
  const Title = embedded ? 'h2' : 'h1';
  const must = row.waitsFor.join(' and ');
  const left = row.deadlineAt === undefined ? undefined : row.deadlineAt - nowMs;
  return (
    <header class="saga-head">
      <Title class="saga-title">
        <StateBadge state={row.state} />
        <span>
          Order{' '}
          {embedded ? (
            <a href={`#/saga/${row.orderId}`}>
              <code>{row.orderId}</code>
            </a>
          ) : (
            <code>{row.orderId}</code>
          )}
        </span>
        <CopyButton text={row.orderId} what="the order id" />
      </Title>
      {row.disagreement ? <p class="banner">The journals contradict each other: {row.disagreement}.</p> : null}
      {incomplete ? <p class="banner">The beginning of this saga is not in any journal.</p> : null}
      <dl class="facts wide">
        <Fact name="user">{row.userId || '–'}</Fact>
        <Fact name="products">{row.products.join(', ') || '–'}</Fact>
        {row.total === undefined ? null : <Fact name="total">{money(row.total)}</Fact>}
        <Fact name="started">{dateAndTime(row.startedAt)}</Fact>
        <Fact name={row.endedAt === undefined ? 'running for' : 'took'}>
          {duration((row.endedAt ?? nowMs) - row.startedAt)}
        </Fact>
        {row.reason ? <Fact name="reason">{words(row.reason)}</Fact> : null}
        {must ? (
          <Fact name="waits for">
            <strong class="waiting">{must}</strong>
          </Fact>
        ) : null}
        {left === undefined ? null : (
          <Fact name="deadline">{left > 0 ? `in ${duration(left)}` : `passed ${duration(-left)} ago`}</Fact>
        )}
        {traceId ? (
          <Fact name="trace">
            {traceUrl ? (
              <a href={traceUrl} target="_blank" rel="noreferrer">
                <code>{traceId}</code>
              </a>
            ) : (
              <code>{traceId}</code>
            )}
          </Fact>
        ) : null}
      </dl>
    </header>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
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
            <pre tabIndex={0}>{curl}</pre>
          </li>
        ))}
      </ul>
    </section>
  );
}
