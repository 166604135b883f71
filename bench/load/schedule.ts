// When the orders of an open-loop load arrive: at fixed moments, whether or not the earlier ones were answered.
// Latency counts from these moments, so a stall of the system (or of the load generator) is not left out of the figures.

export interface Schedule {
  readonly ratePerS: number;
  readonly warmUpS: number;
  readonly seconds: number;
}

/** Arrivals of the whole load, warm-up included. */
export function arrivalsOf({ ratePerS, warmUpS, seconds }: Schedule): number {
  return Math.round(ratePerS * (warmUpS + seconds));
}

/** Milliseconds from the start to arrival number `index` (from 0). */
export function arrivalMs({ ratePerS }: Schedule, index: number): number {
  return (index * 1000) / ratePerS;
}

/** How many arrivals are due `elapsedMs` after the start. */
export function dueAfter(schedule: Schedule, elapsedMs: number): number {
  if (elapsedMs < 0) return 0;
  // An arrival that is due exactly now must not be lost to the rounding of its moment.
  const due = Math.floor((elapsedMs * schedule.ratePerS) / 1000 + 1e-6) + 1;
  return Math.min(due, arrivalsOf(schedule));
}

/** Whether the arrival counts, or belongs to the warm-up. */
export function isMeasured(schedule: Schedule, index: number): boolean {
  return arrivalMs(schedule, index) >= schedule.warmUpS * 1000;
}

/** Distance of the ticks that start arrivals: one an arrival, but at most a thousand a second. */
export function tickMs({ ratePerS }: Schedule): number {
  return Math.max(1, 1000 / ratePerS);
}
