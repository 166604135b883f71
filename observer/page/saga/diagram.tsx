// A saga as a sequence diagram. What can be read and chosen is HTML in reading order; the lines are drawn behind it.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { SagaDetail, SagaStep } from '../../model/messages.ts';
import { duration, words } from '../base/format.ts';
import { layOut, type NextAt, type Spacing, type StepAt } from './diagram-layout.ts';
import { DiagramLines } from './diagram-lines.tsx';

export interface DiagramProps {
  readonly saga: SagaDetail;
  readonly services: readonly string[];
  readonly spacing: Spacing;
  readonly selected: string | undefined;
  readonly nowMs: number;
  readonly onSelect: (eventId: string) => void;
}

export function Diagram({ saga, services, spacing, selected, nowMs, onSelect }: DiagramProps) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(720);
  const [pointed, setPointed] = useState<string | undefined>();
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    setWidth(element.clientWidth);
    const resized = new ResizeObserver(() => setWidth(element.clientWidth));
    resized.observe(element);
    return () => resized.disconnect();
  }, []);
  const layout = layOut(saga, services, width, spacing);
  const shown = pointed ?? selected;
  const causeId = saga.steps.find(({ eventId }) => eventId === shown)?.causeId;
  const undone = new Set(saga.steps.flatMap(({ undoesId }) => undoesId ?? []));
  const start = saga.steps[0]?.at ?? 0;
  return (
    <div class="diagram" ref={box} style={{ height: `${layout.height}px` }}>
      <DiagramLines layout={layout} shown={shown} causeId={causeId} />
      <div class="lanes" aria-hidden="true">
        {layout.lanes.map(({ name, x }) => (
          <span key={name} class="lane" style={{ left: `${x}px` }}>
            {name.replace(/-service$/, '')}
          </span>
        ))}
      </div>
      <ol class="steps" aria-label="What has happened">
        {layout.steps.map((at) => (
          <StepItem
            key={at.step.eventId}
            at={at}
            width={layout.width}
            start={start}
            undone={undone.has(at.step.eventId)}
            selected={selected === at.step.eventId}
            isCause={causeId === at.step.eventId}
            cause={saga.steps.find(({ eventId }) => eventId === at.step.causeId)}
            onPoint={setPointed}
            onSelect={onSelect}
          />
        ))}
      </ol>
      {layout.next.length > 0 ? (
        <ul class="next" aria-label="What may happen next">
          {layout.next.map((at) => (
            <NextItem
              key={`${at.next.causeId} ${at.next.service} ${at.next.events.join()}`}
              at={at}
              width={layout.width}
              nowMs={nowMs}
            />
          ))}
        </ul>
      ) : null}
    </div>
  );
}

interface StepItemProps {
  readonly at: StepAt;
  readonly width: number;
  readonly start: number;
  readonly undone: boolean;
  readonly selected: boolean;
  readonly isCause: boolean;
  readonly cause: SagaStep | undefined;
  readonly onPoint: (eventId: string | undefined) => void;
  readonly onSelect: (eventId: string) => void;
}

const labelPx = 150;

function StepItem({ at, width, start, undone, selected, isCause, cause, onPoint, onSelect }: StepItemProps) {
  const { step, y, from, to, request } = at;
  // Over the arrow to its nearest reader, or beside its lane.
  const nearest = [...to].sort((a, b) => Math.abs(a - from) - Math.abs(b - from))[0] ?? from;
  const left = Math.min(Math.max((from + nearest) / 2 - labelPx / 2, 48), width - labelPx - 12);
  const kind = step.final ?? (step.compensates ? 'compensation' : step.failure ? 'failure' : 'done');
  return (
    <li class={`step ${kind} ${undone ? 'undone' : ''} ${isCause ? 'cause' : ''} ${selected ? 'selected' : ''}`}>
      {request ? (
        <span
          class="request"
          style={{ top: `${request.y - 18}px`, left: `${Math.max(72, Math.min(request.from, from) + 8)}px` }}
        >
          {request.text}
        </span>
      ) : null}
      <button
        type="button"
        style={{ top: `${y - 26}px`, height: '48px' }}
        aria-pressed={selected}
        onClick={() => onSelect(step.eventId)}
        onMouseEnter={() => onPoint(step.eventId)}
        onMouseLeave={() => onPoint(undefined)}
        onFocus={() => onPoint(step.eventId)}
        onBlur={() => onPoint(undefined)}
      >
        <span class="offset" aria-hidden="true">
          {step.at === start ? '0 ms' : `+${duration(step.at - start)}`}
        </span>
        <span class="label" style={{ left: `${left}px`, width: `${labelPx}px` }}>
          <span class="type">{step.type}</span>
          <span class="tags" aria-hidden="true">
            {step.reason ? <span class="tag">{words(step.reason)}</span> : null}
            {undone ? <span class="tag undo">undone</span> : null}
            {step.repeated ? <span class="tag warn">published again</span> : null}
            {step.late ? <span class="tag warn">after the end</span> : null}
          </span>
        </span>
        <span class="sr-only">, {spoken(step, start, undone, cause)}</span>
      </button>
    </li>
  );
}

function spoken(step: SagaStep, start: number, undone: boolean, cause: SagaStep | undefined): string {
  return [
    `published by ${step.by} ${duration(step.at - start)} after the start`,
    cause ? `because of ${cause.type}` : (step.trigger ?? ''),
    step.reason ? words(step.reason) : '',
    step.compensates ? `undoes ${step.compensates}` : '',
    undone ? 'was undone' : '',
    step.repeated ? 'published again' : '',
    step.late ? 'published after the end' : '',
    step.readers.length > 0 ? `read by ${step.readers.join(' and ')}` : '',
  ]
    .filter((part) => part !== '')
    .join('; ');
}

const nextPx = 270;

function NextItem({ at: { next, x, y }, width, nowMs }: { at: NextAt; width: number; nowMs: number }) {
  const boxPx = Math.min(nextPx, width * 0.6);
  const left = Math.min(Math.max(x - boxPx / 2, 70), width - boxPx - 4);
  return (
    <li class={`next-step ${next.kind}`} style={{ top: `${y}px`, left: `${left}px`, width: `${boxPx}px` }}>
      <span class="who">
        {next.service} {next.kind === 'must' ? 'must publish' : 'may publish'}
        {next.kind === 'must' && nowMs - next.since > 500 ? <b> · {duration(nowMs - next.since)}</b> : null}
      </span>
      {next.events.map((type, index) => (
        <span key={type} class="type">
          {index > 0 ? <i>or </i> : null}
          {type}
        </span>
      ))}
      {next.ahead.length > 0 ? <span class="ahead">then {next.ahead.join(' → ')}</span> : null}
    </li>
  );
}
