// The promises that the simulator can judge, as docs/guarantees.md names them, and what a broken one looks like.

export type PromiseId = 'P1' | 'P2' | 'P3' | 'P4' | 'P5' | 'P6' | 'P7' | 'P8' | 'P9' | 'P10' | 'P12';

export interface Finding {
  /** The order concerned, or empty. */
  readonly subject: string;
  readonly text: string;
}

export interface Violation extends Finding {
  readonly promise: PromiseId;
}
