// What an expression in Prometheus's query language reads, as far as the expressions of this project go.

/** What Prometheus adds to every series. */
export const targetLabels = ['job', 'instance'];
const words = new Set([
  'sum',
  'max',
  'count',
  'rate',
  'increase',
  'histogram_quantile',
  'vector',
  'by',
  'on',
  'and',
  'or',
]);

/** The names of the series that it reads. */
export function namesIn(expr: string): string[] {
  const bare = expr.replaceAll(/"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|on) \([^)]*\)/g, ' ');
  return [...bare.matchAll(/[a-zA-Z_:][\w:]*/g)].map(([name]) => name).filter((name) => !words.has(name));
}

/** The labels that it selects or groups by. */
export function labelsIn(expr: string): string[] {
  const matchers = [...expr.matchAll(/\{([^}]*)\}/g)].flatMap(([, inside = '']) => labelsOf(inside));
  const grouped = [...expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, inside = '']) => inside.split(/,\s*/));
  return [...matchers, ...grouped];
}

/** Of `a="b", c=~"d"`. */
export function labelsOf(matchers: string): string[] {
  return [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"[^"]*"/g)].map(([, label = '']) => label);
}
