// Order statistics of small samples.

/** @param share from 0 to 1. @returns undefined of nothing */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}

export function median(values: readonly number[]): number | undefined {
  return quantile(values, 0.5);
}
