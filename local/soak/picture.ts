// A soak as a picture: memory of the services and latency of the orders over time, with the faults below.
import { serviceNames } from '../../services.ts';
import type { SoakResult } from './result.ts';
import { quantile } from './statistics.ts';

interface Line {
  readonly name: string;
  readonly colour: string;
  /** Minutes and value. */
  readonly points: readonly (readonly [number, number])[];
}

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly Line[];
}

const size = { width: 860, panel: 190, left: 60, right: 150, top: 60, gap: 46, ticks: 4 };
const colours = ['#0b6e99', '#c2571a', '#3a7d44'] as const;

export function pictureOf(result: SoakResult, title: string): string {
  const minuteOf = (atMs: number) => (atMs - result.startedAtMs) / 60_000;
  const panels = [memoryPanel(result, minuteOf), latencyPanel(result, minuteOf)];
  const lastMinute = Math.max(
    0.1,
    ...panels.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(([x]) => x))),
  );
  const height = size.top + panels.length * (size.panel + size.gap) + 30;
  const x = (minute: number) => size.left + (minute / lastMinute) * (size.width - size.left - size.right);
  const drawn = panels.map((panel, index) => drawPanel(panel, x, size.top + index * (size.panel + size.gap)));
  const faults = result.strikes.map(({ kind, fromMs, untilMs }) => {
    const from = x(minuteOf(fromMs));
    const width = Math.max(1, x(minuteOf(untilMs)) - from);
    return `<rect x="${fixed(from)}" y="${size.top}" width="${fixed(width)}" height="${height - size.top - 50}" fill="#d64545" opacity="0.13"><title>${kind}</title></rect>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${height}" font-family="system-ui, sans-serif" font-size="11">
<title>${title}</title>
<rect width="${size.width}" height="${height}" fill="#ffffff"/>
<text x="${size.left}" y="24" font-size="16" fill="#1c2733">${title}</text>
<text x="${size.left}" y="42" fill="#5b6770">Red: a fault is at work. Below: minutes.</text>
${[...faults, ...drawn].join('\n')}
${ticksOf(lastMinute)
  .map(
    (minute) => `<text x="${fixed(x(minute))}" y="${height - 14}" text-anchor="middle" fill="#5b6770">${minute}</text>`,
  )
  .join('\n')}
</svg>
`;
}

function memoryPanel({ samples }: SoakResult, minuteOf: (atMs: number) => number): Panel {
  const lines = serviceNames.map((service, index) => ({
    name: service,
    colour: colours[index % colours.length] ?? '#000000',
    points: samples.memory
      .filter((one) => one.service === service)
      .map(({ atMs, mebibytes }) => [minuteOf(atMs), mebibytes] as const),
  }));
  return { title: 'Resident memory', unit: 'MiB', lines };
}

/** By minute of the request; what was wanted while a fault was at work is among it. */
function latencyPanel({ purchases }: SoakResult, minuteOf: (atMs: number) => number): Panel {
  const byMinute = new Map<number, number[]>();
  for (const { wantedAtMs, endedAtMs } of purchases) {
    if (endedAtMs === undefined) continue;
    const minute = Math.floor(minuteOf(wantedAtMs));
    const seconds = byMinute.get(minute) ?? [];
    byMinute.set(minute, seconds);
    seconds.push((endedAtMs - wantedAtMs) / 1_000);
  }
  const line = (name: string, colour: string, share: number): Line => ({
    name,
    colour,
    points: [...byMinute].map(([minute, seconds]) => [minute + 0.5, quantile(seconds, share) ?? 0] as const),
  });
  return {
    title: 'From the wish to the end of the order, as its customer saw it (looks every 250 ms and more)',
    unit: 's',
    lines: [line('median', '#0b6e99', 0.5), line('p99', '#c2571a', 0.99)],
  };
}

function drawPanel({ title, unit, lines }: Panel, x: (minute: number) => number, top: number): string {
  const highest = Math.max(1, ...lines.flatMap(({ points }) => points.map(([, value]) => value)));
  const y = (value: number) => top + size.panel * (1 - value / highest);
  const right = size.width - size.right;
  const parts = [`<text x="${size.left}" y="${top - 8}" font-size="12" fill="#1c2733">${title}</text>`];
  for (let tick = 0; tick <= size.ticks; tick += 1) {
    const value = (highest * tick) / size.ticks;
    parts.push(
      `<line x1="${size.left}" x2="${right}" y1="${fixed(y(value))}" y2="${fixed(y(value))}" stroke="#e3e7ea"/>`,
      `<text x="${size.left - 6}" y="${fixed(y(value) + 4)}" text-anchor="end" fill="#5b6770">${value < 10 ? value.toFixed(1) : value.toFixed(0)} ${unit}</text>`,
    );
  }
  lines.forEach(({ name, colour, points }, index) => {
    const path = points.map(([minute, value]) => `${fixed(x(minute))},${fixed(y(value))}`).join(' ');
    parts.push(
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>`,
      `<text x="${right + 10}" y="${top + 14 + index * 16}" fill="${colour}">${name}</text>`,
    );
  });
  return parts.join('\n');
}

function ticksOf(lastMinute: number): number[] {
  const step = [1, 2, 5, 10, 30, 60].find((minutes) => lastMinute / minutes <= 12) ?? 120;
  return Array.from({ length: Math.floor(lastMinute / step) + 1 }, (_, index) => index * step);
}

function fixed(value: number): string {
  return value.toFixed(1);
}
