// The comparison as a picture: for each way a strip over time, of what people were answered while a process was killed.
import type { Measured } from './compare-report.ts';
import { bucketMs, type Seen } from './tally.ts';

const size = { width: 860, left: 20, right: 20, top: 66, strip: 64, gap: 34 };
const colours: Readonly<Record<Seen, string>> = { right: '#3a7d44', wrong: '#c2571a', failed: '#1c2733' };
const meanings: Readonly<Record<Seen, string>> = {
  right: 'accepted orders and right lists',
  wrong: 'lists that lack an accepted order',
  failed: 'no good answer',
};

export function pictureOf(all: readonly Measured[], command: string): string {
  const height = size.top + all.length * (size.strip + size.gap) + 20;
  const buckets = Math.max(1, ...all.map(({ tally }) => tally.timeline.length));
  const strips = all.map((measured, index) => stripOf(measured, size.top + index * (size.strip + size.gap), buckets));
  const legend = (Object.keys(meanings) as Seen[]).map(
    (seen, index) =>
      `<rect x="${size.left + index * 230}" y="44" width="10" height="10" fill="${colours[seen]}"/>` +
      `<text x="${size.left + 15 + index * 230}" y="53" fill="#5b6770">${meanings[seen]}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${height}" font-family="system-ui, sans-serif" font-size="11">
<title>What readers and customers were answered while a process was killed</title>
<rect width="${size.width}" height="${height}" fill="#ffffff"/>
<text x="${size.left}" y="24" font-size="16" fill="#1c2733">Answers a second while a process is killed and started again</text>
<text x="${size.left}" y="38" fill="#5b6770">${escaped(command)}; each strip has a scale of its own; grey: the process is away</text>
${legend.join('\n')}
${strips.join('\n')}
</svg>
`;
}

function stripOf({ way, tally }: Measured, y0: number, buckets: number): string {
  const { timeline, downFromMs, downUntilMs } = tally;
  const width = (size.width - size.left - size.right) / buckets;
  const x = (ms: number) => size.left + (ms / bucketMs) * width;
  const most = Math.max(1, ...timeline.map(({ right, wrong, failed }) => right + wrong + failed));
  const floor = y0 + 16 + size.strip;
  const bars = timeline.flatMap((bucket, index) => {
    let y = floor;
    return (['right', 'wrong', 'failed'] as const).flatMap((seen) => {
      const height = (bucket[seen] / most) * size.strip;
      y -= height;
      if (height === 0) return [];
      return `<rect x="${fixed(size.left + index * width)}" y="${fixed(y)}" width="${fixed(width * 0.9)}" height="${fixed(height)}" fill="${colours[seen]}"/>`;
    });
  });
  const top = Math.round((most * 1_000) / bucketMs);
  return [
    `<text x="${size.left}" y="${y0 + 10}" font-size="12" fill="#1c2733">${escaped(way.title)}; ${escaped(way.killed)} is killed</text>`,
    `<text x="${size.width - size.right}" y="${y0 + 10}" text-anchor="end" fill="#5b6770">highest: ${top}/s</text>`,
    `<rect x="${fixed(x(downFromMs))}" y="${y0 + 16}" width="${fixed(x(downUntilMs) - x(downFromMs))}" height="${size.strip}" fill="#e3e7ea"/>`,
    ...bars,
    `<line x1="${size.left}" x2="${size.width - size.right}" y1="${floor}" y2="${floor}" stroke="#5b6770"/>`,
  ].join('\n');
}

function fixed(value: number): string {
  return value.toFixed(1);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
