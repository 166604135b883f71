// How long, how often and how much a full run measures, and a quick one. Durations in seconds.

export interface Plan {
  /** How often the measurements take turns (services, raw, services, raw, …). */
  readonly rounds: number;
  readonly warmUpS: number;
  readonly saturationS: number;
  readonly latencyRounds: number;
  readonly latencyS: number;
  /** Orders per second; `half` is half of the services' rate at saturation. */
  readonly rates: readonly (number | 'half')[];
  readonly failureRates: readonly (number | 'half')[];
  /** Length of a run under the fsync counter. */
  readonly fsyncS: number;
  /** Sagas of the memory run. */
  readonly memorySagas: number;
  /** How long the services are left idle before memory is read once more. */
  readonly idleS: number;
  readonly overloadS: number;
  readonly growthRounds: number;
  readonly growthS: number;
  readonly growthOrders: number;
  /** Numbers of products, and of accounts. */
  readonly growthCatalogues: readonly number[];
  readonly growthLines: readonly number[];
}

export const fullPlan: Plan = {
  rounds: 5,
  warmUpS: 3,
  saturationS: 15,
  latencyRounds: 3,
  latencyS: 20,
  rates: [10, 100, 500, 'half'],
  failureRates: [10, 100, 500, 'half'],
  fsyncS: 10,
  memorySagas: 200_000,
  idleS: 5,
  overloadS: 60,
  growthRounds: 3,
  growthS: 15,
  growthOrders: 1_000_000,
  growthCatalogues: [10_000, 100_000],
  growthLines: [10, 50],
};

export const quickPlan: Plan = {
  rounds: 2,
  warmUpS: 1,
  saturationS: 3,
  latencyRounds: 1,
  latencyS: 3,
  rates: [10, 100, 500, 'half'],
  failureRates: [100],
  fsyncS: 2,
  memorySagas: 5_000,
  idleS: 1,
  overloadS: 10,
  growthRounds: 1,
  growthS: 4,
  growthOrders: 50_000,
  growthCatalogues: [10_000],
  growthLines: [10],
};
