// Reads the Prometheus text format, as far as the services write it.

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export type Samples = ReadonlyMap<string, readonly Sample[]>;

const sampleLine = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const label = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** @param wanted names of the metrics; the others are skipped */
export function samplesIn(text: string, wanted: ReadonlySet<string>): Samples {
  const samples = new Map<string, Sample[]>();
  for (const line of text.split('\n')) {
    const [, name = '', labels = '', value = ''] = sampleLine.exec(line) ?? [];
    if (!wanted.has(name)) continue;
    const sample = {
      labels: Object.fromEntries([...labels.matchAll(label)].map(([, key = '', text = '']) => [key, unescaped(text)])),
      value: Number(value),
    };
    const list = samples.get(name);
    if (list) list.push(sample);
    else samples.set(name, [sample]);
  }
  return samples;
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character));
}

export function sumOf(samples: Samples, name: string): number | undefined {
  const list = samples.get(name);
  return list?.reduce((sum, { value }) => sum + value, 0);
}
