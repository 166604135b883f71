// The plot of a run's latencies: a panel for each rate of arrival.
import { Latencies } from '../load/histogram.ts';
import { latencyPlot } from './latency-plot.ts';
import type { BenchResult } from './result.ts';

export function plotOf({ latency = [], failure, startedAt, machine, broker, command }: BenchResult): string {
  const panels = [
    ...latency.map((one) => ({ ...one, what: 'confirmed' })),
    ...(failure?.latency ?? []).map((one) => ({ ...one, what: 'refused and refunded' })),
  ].map(({ ratePerS, half, targets, what }) => ({
    title: `${ratePerS} orders/s${half ? ' (half of saturation)' : ''}, ${what}`,
    curves: [
      { name: 'services', colour: '#0b6e99', of: targets.services },
      { name: 'raw pipeline', colour: '#c2571a', of: targets.raw },
      { name: 'plain peer', colour: '#5b7f3a', of: targets.plain },
      { name: 'moleculer', colour: '#7a4fa0', of: targets.moleculer },
    ].flatMap(({ name, colour, of }) => (of ? [{ name, colour, latencies: Latencies.decode(of.histogram) }] : [])),
  }));
  return latencyPlot(
    'POST to end of the saga: latency by percentile',
    `${command}, ${startedAt.slice(0, 10)}, ${machine.processors} processors, ${broker}, Node ${machine.node.slice(1)}`,
    panels,
  );
}
