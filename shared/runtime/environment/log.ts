// Structured logging: one JSON object a line on standard output.
import { pino } from 'pino';

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** The log of a process, which hands on what it still holds before it ends. */
export interface ProcessLog extends Log {
  /** Calls back when everything is written, or cannot be, since nobody reads any more. A reader that hangs: never. */
  flush(done: () => void): void;
}

export const logLevels = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Lines are written asynchronously, so that a slow reader never holds up a saga; at exit what is left is flushed. */
export function createLog(service: string, level: LogLevel): ProcessLog {
  const destination = pino.destination({ dest: 1, sync: false, minLength: 16_000, periodicFlush: 100 });
  return pino({ level, base: { service }, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
