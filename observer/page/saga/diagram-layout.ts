// Where everything in the sequence diagram of a saga stands. Pure: sizes in, positions out.
import type { NextStep, SagaDetail, SagaStep } from '../../model/messages.ts';

export type Spacing = 'even' | 'to-scale';

export const customer = 'customer';
const headPx = 30;
const rowPx = 48;
const nextLinePx = 18;
/** Room for the times on the left, and for what undoes what on the right. */
const margins = { wide: { left: 74, right: 46 }, narrow: { left: 56, right: 30 } };
const narrowPx = 480;
const undoingPx = 26;
/** Height that a diagram to scale is stretched to, per row. */
const scaledRowPx = 90;

export interface LaneAt {
  readonly name: string;
  readonly x: number;
}

export interface StepAt {
  readonly step: SagaStep;
  readonly y: number;
  readonly from: number;
  /** Where it goes: its readers, or the customer for an end. */
  readonly to: readonly number[];
  /** A request of the customer that led to it. */
  readonly request?: { readonly from: number; readonly y: number; readonly text: string };
}

export interface NextAt {
  readonly next: NextStep;
  readonly y: number;
  readonly x: number;
  readonly height: number;
  /** Of the event that it would follow from. */
  readonly causeY: number;
}

/** A compensation, and what it undoes. */
export interface UndoingAt {
  readonly stepId: string;
  readonly x: number;
  /** Where the rows of both end on the right. */
  readonly fromX: number;
  readonly toX: number;
  readonly fromY: number;
  readonly toY: number;
}

export interface DiagramLayout {
  readonly width: number;
  readonly height: number;
  readonly lanes: readonly LaneAt[];
  readonly steps: readonly StepAt[];
  readonly next: readonly NextAt[];
  readonly undoing: readonly UndoingAt[];
}

export function layOut(
  saga: SagaDetail,
  services: readonly string[],
  widthPx: number,
  spacing: Spacing,
): DiagramLayout {
  const width = Math.max(widthPx, 300);
  const names = [customer, ...services];
  const { left, right } = width < narrowPx ? margins.narrow : margins.wide;
  const gap = (width - left - right) / names.length;
  const lanes = names.map((name, index) => ({ name, x: left + gap * (index + 0.5) }));
  const xOf = (name: string) => lanes.find((lane) => lane.name === name)?.x ?? left;
  const { steps, bottom } = layOutSteps(saga.steps, xOf, spacing);
  const yOf = new Map(steps.map(({ step, y }) => [step.eventId, y]));
  let y = bottom + 18;
  const next = saga.next.map((one) => {
    // Its head takes two lines where there is little room.
    const lines = (width < narrowPx ? 2 : 1) + one.events.length + (one.ahead.length > 0 ? 1 : 0);
    const height = 14 + nextLinePx * lines;
    const at = { next: one, y, x: xOf(one.service), height, causeY: yOf.get(one.causeId) ?? headPx };
    y += height + 14;
    return at;
  });
  const undoing = undoingOf(steps, width);
  return { width, height: Math.max(y, bottom + 20), lanes, steps, next, undoing };
}

/** To the right of everything in between. */
function undoingOf(steps: readonly StepAt[], width: number): UndoingAt[] {
  return steps.flatMap(({ step, y: fromY }, index) => {
    const undone = steps.findIndex((one) => one.step.eventId === step.undoesId);
    const target = steps[undone];
    if (!target) return [];
    const between = steps.slice(Math.min(undone, index), Math.max(undone, index) + 1);
    const right = Math.max(...between.flatMap(({ from, to }) => [from, ...to]));
    const x = Math.min(right + undoingPx, width - 8);
    return [{ stepId: step.eventId, x, fromX: rightEnd(steps[index]), toX: rightEnd(target), fromY, toY: target.y }];
  });
}

function rightEnd(at: StepAt | undefined): number {
  return at ? Math.max(at.from, ...at.to) : 0;
}

function layOutSteps(
  steps: readonly SagaStep[],
  xOf: (name: string) => number,
  spacing: Spacing,
): { steps: StepAt[]; bottom: number } {
  const start = steps[0]?.at ?? 0;
  const span = Math.max(1, Math.max(...steps.map(({ at }) => at)) - start);
  let bottom = headPx;
  const placed = steps.map((step) => {
    const request = step.trigger === undefined ? undefined : requestText(step);
    const needed = bottom + rowPx + (request ? rowPx * 0.7 : 0);
    const scaled = headPx + rowPx * 1.7 + ((step.at - start) / span) * scaledRowPx * steps.length;
    const y = spacing === 'even' ? needed : Math.max(needed, scaled);
    bottom = y;
    const from = xOf(step.by);
    return {
      step,
      y,
      from,
      to: step.final ? [xOf(customer)] : step.readers.map(xOf),
      ...(request
        ? { request: { from: request.own ? from : xOf(customer), y: y - rowPx * 0.7, text: request.text } }
        : {}),
    };
  });
  return { steps: placed, bottom };
}

/** Deadlines pass without anybody; everything else that starts something is a request. */
function requestText({ trigger = '', reason }: SagaStep): { readonly own: boolean; readonly text: string } {
  if (reason === 'deadline') return { own: true, text: 'the deadline passes' };
  if (reason === customer) return { own: false, text: 'cancels' };
  return { own: false, text: trigger.replace(/^a customer /, '') };
}
