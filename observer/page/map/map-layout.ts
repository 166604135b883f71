// Where the events of the contract stand on its map: a row for each service, a column for each step. Pure.
import type { ContractView } from '../../model/messages.ts';

export const boxPx = { width: 166, height: 42 };
const gapPx = { x: 52, y: 14 };
const lanePaddingPx = 16;
const leftPx = 96;

export interface BoxAt {
  readonly type: string;
  readonly x: number;
  readonly y: number;
}

export interface ArrowAt {
  readonly from: string;
  readonly to: string;
  /** Who reacts. */
  readonly service: string;
  readonly path: string;
  readonly label: { readonly x: number; readonly y: number };
}

export interface MapLayout {
  readonly width: number;
  readonly height: number;
  readonly lanes: readonly { readonly service: string; readonly y: number; readonly height: number }[];
  readonly boxes: readonly BoxAt[];
  readonly arrows: readonly ArrowAt[];
}

export function layOutMap({ events, services }: ContractView): MapLayout {
  const saga = events.filter(({ standalone }) => !standalone);
  const columnOf = columns(saga);
  const boxes: BoxAt[] = [];
  const lanes: { service: string; y: number; height: number }[] = [];
  let y = 0;
  for (const service of services) {
    const own = saga.filter(({ by }) => by === service);
    const filled = new Map<number, number>();
    for (const { type, failure } of own) {
      const column = columnOf.get(type) ?? 0;
      // The way to a confirmed order is the upper row of each service.
      const row = Math.max(filled.get(column) ?? 0, failure ? 1 : 0);
      filled.set(column, row + 1);
      const top = y + lanePaddingPx + row * (boxPx.height + gapPx.y);
      boxes.push({ type, x: leftPx + column * (boxPx.width + gapPx.x), y: top });
    }
    const rows = Math.max(1, ...filled.values());
    const height = lanePaddingPx * 2 + rows * boxPx.height + (rows - 1) * gapPx.y;
    lanes.push({ service, y, height });
    y += height + 10;
  }
  const at = new Map(boxes.map((box) => [box.type, box]));
  const arrows = saga.flatMap(({ type, reactions }) =>
    reactions.flatMap(({ service, events: outcomes }) =>
      outcomes.flatMap((outcome) => {
        const [from, to] = [at.get(type), at.get(outcome)];
        return from && to ? [arrow(from, to, service)] : [];
      }),
    ),
  );
  const width = Math.max(...boxes.map(({ x }) => x)) + boxPx.width + 16;
  return { width, height: y, lanes, boxes, arrows };
}

/** The longest way from a beginning. */
function columns(events: ContractView['events']): Map<string, number> {
  const depth = new Map(events.map(({ type }) => [type, 0]));
  // A contract without loops is done after as many rounds as it has events.
  for (let round = 0; round < events.length; round += 1) {
    for (const { type, reactions } of events) {
      for (const outcome of reactions.flatMap((reaction) => reaction.events))
        if (depth.has(outcome)) depth.set(outcome, Math.max(depth.get(outcome) ?? 0, (depth.get(type) ?? 0) + 1));
    }
  }
  return depth;
}

function arrow(from: BoxAt, to: BoxAt, service: string): ArrowAt {
  const [x1, y1] = [from.x + boxPx.width, from.y + boxPx.height / 2];
  const [x2, y2] = [to.x - 7, to.y + boxPx.height / 2];
  const bend = Math.max(34, (x2 - x1) / 2);
  return {
    from: from.type,
    to: to.type,
    service,
    path: `M ${x1} ${y1} C ${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`,
    // Close to its end: there the arrows that share a beginning have parted.
    label: { x: x2 - 20, y: y2 + (y1 === y2 ? -5 : y1 < y2 ? -8 : 14) },
  };
}
