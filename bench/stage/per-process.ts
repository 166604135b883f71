// The processes that a measurement tells apart, and figures of each of them.
import { serviceNames } from '../../services.ts';

export const processNames = ['broker', ...serviceNames, 'load generator'] as const;
export type ProcessName = (typeof processNames)[number];

/** What is unknown is absent. */
export type PerProcess<T> = Readonly<Partial<Record<ProcessName, T>>>;

export function perProcess<T>(make: (name: ProcessName) => T | undefined): PerProcess<T> {
  return Object.fromEntries(
    processNames.flatMap((name) => {
      const value = make(name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
