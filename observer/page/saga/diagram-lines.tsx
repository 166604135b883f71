// The lines of the sequence diagram: lanes, arrows, what undoes what, and the cause of the step that is pointed at.
import type { DiagramLayout, NextAt, StepAt, UndoingAt } from './diagram-layout.ts';

export interface DiagramLinesProps {
  readonly layout: DiagramLayout;
  /** Id of the step whose cause is to be seen. */
  readonly shown: string | undefined;
  readonly causeId: string | undefined;
}

export function DiagramLines({ layout, shown, causeId }: DiagramLinesProps) {
  const { width, height, lanes, steps, next, undoing } = layout;
  const cause = steps.find(({ step }) => step.eventId === causeId);
  const effect = steps.find(({ step }) => step.eventId === shown);
  return (
    <svg class="lines" width={width} height={height} aria-hidden="true">
      {lanes.map(({ name, x }) => (
        <line key={name} class="lifeline" x1={x} x2={x} y1={34} y2={height - 6} />
      ))}
      {next.map((at) => (
        <Possible key={`${at.next.causeId} ${at.next.service} ${at.next.events.join()}`} at={at} />
      ))}
      {steps.map((at) => (
        <Arrows key={at.step.eventId} at={at} />
      ))}
      {undoing.map((one) => (
        <Undoing key={one.stepId} one={one} />
      ))}
      {cause && effect ? <path class="because" d={`M ${effect.from} ${cause.y} L ${effect.from} ${effect.y}`} /> : null}
    </svg>
  );
}

function Arrows({ at: { step, y, from, to, request } }: { at: StepAt }) {
  const kind = step.final ?? (step.compensates ? 'compensation' : step.failure ? 'failure' : 'done');
  return (
    <g class={`arrows ${kind}`}>
      {request && request.from !== from ? (
        <g class="asked">
          <line x1={request.from} x2={from - 7} y1={request.y} y2={request.y} />
          <Head x={from} y={request.y} right />
        </g>
      ) : null}
      {to.map((x) => (
        <g key={x}>
          <line x1={from} x2={x + (x > from ? -7 : 7)} y1={y} y2={y} />
          <Head x={x} y={y} right={x > from} />
        </g>
      ))}
      {to.length === 0 ? <line x1={from - 16} x2={from + 16} y1={y} y2={y} /> : null}
      <circle cx={from} cy={y} r={5} />
    </g>
  );
}

function Head({ x, y, right }: { x: number; y: number; right: boolean }) {
  const back = right ? -8 : 8;
  return <path class="head" d={`M ${x} ${y} L ${x + back} ${y - 4.5} L ${x + back} ${y + 4.5} Z`} />;
}

/** From the compensation, around the right, up to what it undoes. */
function Undoing({ one: { x, fromX, toX, fromY, toY } }: { one: UndoingAt }) {
  return (
    <g class="undoing">
      <path
        d={`M ${fromX + 8} ${fromY} H ${x - 8} Q ${x} ${fromY} ${x} ${fromY - 8} V ${toY + 8} Q ${x} ${toY} ${x - 8} ${toY} H ${toX + 14}`}
      />
      <Head x={toX + 7} y={toY} right={false} />
    </g>
  );
}

function Possible({ at: { x, y, causeY, next } }: { at: NextAt }) {
  return <line class={`possible ${next.kind}`} x1={x} x2={x} y1={causeY} y2={y} />;
}
