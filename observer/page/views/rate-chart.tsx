// Sagas per second, drawn by uPlot in the colours of the page.
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import type { Chart } from '../../model/messages.ts';
import { count } from '../base/format.ts';

const heightPx = 190;
const series = ['started', 'confirmed', 'cancelled'] as const;

export function RateChart({ chart }: { chart: Chart }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const draw = () => {
      plot.current?.destroy();
      plot.current = new uPlot(options(element), dataOf(chart), element);
    };
    draw();
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: heightPx }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      dark.removeEventListener('change', draw);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, []);
  useEffect(() => plot.current?.setData(dataOf(chart)), [chart]);
  const totals = series.map((name) => `${count(chart[name].reduce((sum, value) => sum + value, 0))} ${name}`);
  return (
    <figure class="chart">
      <figcaption class="legend">
        {series.map((name, index) => (
          <span key={name} class={`key ${name}`}>
            {totals[index]}
          </span>
        ))}
      </figcaption>
      <div ref={box} role="img" aria-label={`In the last five minutes: ${totals.join(', ')}`} />
    </figure>
  );
}

function dataOf({ from, started, confirmed, cancelled }: Chart): uPlot.AlignedData {
  // The current second is not over: its count would be a dip at the end.
  const length = started.length - 1;
  const seconds = Array.from({ length }, (_, index) => from + index);
  return [seconds, started.slice(0, length), confirmed.slice(0, length), cancelled.slice(0, length)];
}

function options(element: HTMLElement): uPlot.Options {
  const styles = getComputedStyle(document.documentElement);
  const colour = (name: string) => styles.getPropertyValue(name).trim();
  const axis = { stroke: colour('--quiet'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
  const font = '12px system-ui, sans-serif';
  return {
    width: element.clientWidth,
    height: heightPx,
    padding: [10, 12, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_, __, max) => [0, Math.max(5, max * 1.1)] } },
    axes: [
      { ...axis, font, size: 30, space: 90, values: (_, ticks) => ticks.map(timeOfDay) },
      { ...axis, font, size: 46 },
    ],
    series: [
      {},
      { stroke: colour('--quiet'), width: 1, dash: [4, 3], points: { show: false } },
      { stroke: colour('--good'), width: 2, fill: colour('--good-faint'), points: { show: false } },
      { stroke: colour('--bad'), width: 2, fill: colour('--bad-faint'), points: { show: false } },
    ],
  };
}

function timeOfDay(second: number): string {
  return new Date(second * 1_000).toLocaleTimeString('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
}
