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

/** Characters that wait for a reader who is slow, or hangs. What comes on top is dropped, and counted. */
const waitingCharsMax = 8 * 1024 * 1024;

/** Lines are written asynchronously, so that a slow reader never holds up a saga; at exit what is left is flushed. */
export function createLog(service: string, level: LogLevel): ProcessLog {
  const destination = pino.destination({
    dest: 1,
    sync: false,
    minLength: 16_000,
    periodicFlush: 100,
    maxLength: waitingCharsMax,
  });
  const log = pino({ level, base: { service }, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  const flushSync = destination.flushSync.bind(destination);
  destination.flushSync = () => {
    // At the exit, it would try for ever to write to a reader that is gone: the process that started this one.
    if (process.send === undefined || process.connected) flushSync();
  };
  let dropped = 0;
  destination.on('drop', () => {
    dropped += 1;
  });
  destination.on('drain', () => {
    if (dropped === 0) return;
    const lines = dropped;
    dropped = 0;
    log.warn({ lines }, 'log lines were dropped: nobody read the output of this process fast enough');
  });
  return log;
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
