// The situations in which one order is explored, and how much may happen to it in one run.

export interface Scenario {
  readonly name: string;
  readonly balance: number;
  /** Of the two products in the order. */
  readonly stock: readonly [number, number];
  /** How the order must end if nothing is withdrawn. */
  readonly ends: 'confirmed' | 'cancelled';
}

/** The order asks for one of each of two products, at 10 each. */
export const scenarios: readonly Scenario[] = [
  { name: 'enough money and stock', balance: 20, stock: [1, 1], ends: 'confirmed' },
  { name: 'money is one short', balance: 19, stock: [1, 1], ends: 'cancelled' },
  { name: 'nothing in stock', balance: 20, stock: [0, 0], ends: 'cancelled' },
  { name: 'one of two lines in stock', balance: 20, stock: [1, 0], ends: 'cancelled' },
];

export const userId = 'user';
export const unitPrice = 10;
export const productIds = ['p0', 'p1'] as const;
export const deadlineMs = 30_000;

export interface Budget {
  /** Crashes in one run, each at any failpoint of any step, of any service. */
  readonly crashes: number;
  /** Cancellations by the customer, each between any two steps. */
  readonly cancels: number;
  /** Whether the deadline may pass, between any two steps. */
  readonly deadline: boolean;
}

export const fullBudget: Budget = { crashes: 1, cancels: 2, deadline: true };
