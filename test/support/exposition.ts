// Reads Prometheus's text format, strictly: a line that is none of its lines, a metric without a type, or a series that is
// there twice is an error.

export interface Metric {
  readonly kind: string;
  readonly help: string;
  /** By labels, as they are written: `type="order.placed",outcome="fenced"`; empty: none. */
  readonly series: ReadonlyMap<string, number>;
}

const typeLine = /^# TYPE ([a-zA-Z_:][\w:]*) (gauge|counter|histogram|summary|untyped)$/;
const helpLine = /^# HELP ([a-zA-Z_:][\w:]*) (.+)$/;
const sampleLine = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (NaN|[+-]Inf|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;
const labels = /^(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*"(?:,|$))*$/;

/** By name; of a histogram also by the names of its buckets, sum and count. */
export function readExposition(text: string): ReadonlyMap<string, Metric> {
  const metrics = new Map<string, { kind: string; help: string; series: Map<string, number> }>();
  const helps = new Map<string, string>();
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const [, helped, help = ''] = helpLine.exec(line) ?? [];
    const [, typed, kind = ''] = typeLine.exec(line) ?? [];
    const [, name, written = '', value] = sampleLine.exec(line) ?? [];
    if (helped !== undefined) {
      helps.set(helped, help);
    } else if (typed !== undefined) {
      if (metrics.has(typed)) throw new Error(`${typed} is there twice`);
      for (const part of kind === 'histogram' ? ['', '_bucket', '_sum', '_count'] : ['']) {
        metrics.set(typed + part, { kind, help: helps.get(typed) ?? '', series: new Map() });
      }
    } else if (name !== undefined && labels.test(written)) {
      const series = metrics.get(name)?.series;
      if (!series) throw new Error(`a sample without a type: ${line}`);
      if (series.has(written)) throw new Error(`a series is there twice: ${line}`);
      series.set(written, Number(value?.replace('Inf', 'Infinity')));
    } else {
      throw new Error(`not a line of the format: ${line}`);
    }
  }
  return metrics;
}
