// Draws latencies by percentile as SVG, with a panel for each rate of arrival.
import type { Latencies } from '../load/histogram.ts';

export interface Curve {
  readonly name: string;
  readonly colour: string;
  readonly latencies: Latencies;
}

export interface Panel {
  readonly title: string;
  readonly curves: readonly Curve[];
}

const columns = 2;
const panel = { width: 420, height: 250, left: 54, right: 26, top: 34, bottom: 40 };
const head = 64;
const percentileTicks = [50, 90, 99, 99.9, 99.99];
/** No run has samples beyond this. */
const percentileMax = 99.99;
const msTicks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000];

export function latencyPlot(title: string, subtitle: string, panels: readonly Panel[]): string {
  const rows = Math.ceil(panels.length / columns);
  const width = columns * panel.width;
  const height = head + rows * panel.height;
  const drawn = panels.map((one, index) =>
    drawPanel(one, (index % columns) * panel.width, head + Math.floor(index / columns) * panel.height),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="11">
<title>${escaped(title)}</title>
<rect width="${width}" height="${height}" fill="#ffffff"/>
<text x="${panel.left}" y="24" font-size="16" fill="#1c2733">${escaped(title)}</text>
<text x="${panel.left}" y="42" fill="#5b6770">${escaped(subtitle)}</text>
${drawn.join('\n')}
</svg>
`;
}

/** Percentile to x, from 0 to 1: each further nine is as wide as the one before. */
export function percentileShare(percentile: number): number {
  return Math.log10(100 / (100 - percentile)) / Math.log10(100 / (100 - percentileMax));
}

function drawPanel({ title, curves }: Panel, x0: number, y0: number): string {
  const samples = curves.flatMap(({ latencies }) => points(latencies).map(({ ms }) => ms));
  const [low, high] = rangeOf(samples);
  const plotWidth = panel.width - panel.left - panel.right;
  const plotHeight = panel.height - panel.top - panel.bottom;
  const x = (percentile: number) => x0 + panel.left + percentileShare(percentile) * plotWidth;
  const y = (ms: number) =>
    y0 + panel.top + plotHeight * (1 - (Math.log10(ms) - Math.log10(low)) / (Math.log10(high) - Math.log10(low)));
  const left = x(0);
  const right = x0 + panel.width - panel.right;
  const lines = [`<text x="${left}" y="${y0 + 22}" font-size="12" fill="#1c2733">${escaped(title)}</text>`];
  for (const ms of msTicks.filter((tick) => tick >= low && tick <= high)) {
    lines.push(
      `<line x1="${left}" x2="${right}" y1="${fixed(y(ms))}" y2="${fixed(y(ms))}" stroke="#e3e7ea"/>`,
      `<text x="${left - 6}" y="${fixed(y(ms) + 4)}" text-anchor="end" fill="#5b6770">${ms < 1000 ? `${ms} ms` : `${ms / 1000} s`}</text>`,
    );
  }
  for (const percentile of percentileTicks) {
    const at = fixed(x(percentile));
    lines.push(
      `<line x1="${at}" x2="${at}" y1="${y0 + panel.top}" y2="${y0 + panel.top + plotHeight}" stroke="#e3e7ea"/>`,
      `<text x="${at}" y="${y0 + panel.top + plotHeight + 15}" text-anchor="middle" fill="#5b6770">${percentile} %</text>`,
    );
  }
  curves.forEach(({ name, colour, latencies }, index) => {
    const path = points(latencies).map(({ percentile, ms }) => `${fixed(x(percentile))},${fixed(y(ms))}`);
    lines.push(
      `<polyline points="${path.join(' ')}" fill="none" stroke="${colour}" stroke-width="1.8"/>`,
      `<text x="${right}" y="${y0 + 15 + index * 13}" text-anchor="end" fill="${colour}">${escaped(name)}</text>`,
    );
  });
  return lines.join('\n');
}

function points(latencies: Latencies): { percentile: number; ms: number }[] {
  const found: { percentile: number; ms: number }[] = [];
  for (let share = 0; share <= 1; share += 1 / 80) {
    const percentile = 100 - 100 / (100 / (100 - percentileMax)) ** share;
    const ms = latencies.at(percentile);
    if (ms !== undefined) found.push({ percentile, ms: Math.max(0.01, ms) });
  }
  return found;
}

/** The ticks just below and just above everything. */
function rangeOf(samples: readonly number[]): [number, number] {
  const least = samples.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = samples.reduce((a, b) => Math.max(a, b), 0);
  const low = msTicks.filter((tick) => tick <= least).at(-1) ?? 0.1;
  const high = msTicks.find((tick) => tick >= most && tick > low) ?? 100_000;
  return [low, high];
}

function fixed(value: number): string {
  return value.toFixed(1);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
