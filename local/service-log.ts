// What the services write: everything into a file each, and what a person should see, in a readable form, to the terminal.
import { createWriteStream, mkdirSync, renameSync, statSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { printable } from './printable.ts';
import type { Paint } from './terminal.ts';

/** A log that is larger when it is opened is put aside as `….log.1`, over the one that was put aside before. */
const logBytesMax = 64 * 1024 * 1024;
/** pino's numbers. */
const warnLevel = 40;
const errorLevel = 50;

export class ServiceLogs {
  readonly #folder: string;
  readonly #say: (line: string) => void;
  readonly #paint: Paint;
  readonly #files = new Map<string, WriteStream>();

  /** @param say gets the lines for the terminal */
  constructor(folder: string, say: (line: string) => void, paint: Paint) {
    mkdirSync(folder, { recursive: true });
    this.#folder = folder;
    this.#say = say;
    this.#paint = paint;
  }

  path(service: string): string {
    return join(this.#folder, `${service}.log`);
  }

  line(service: string, line: string): void {
    this.#file(service).write(`${line}\n`);
    const readable = readableLine(service, line, this.#paint);
    if (readable !== undefined) this.#say(readable);
  }

  /** Resolves when everything is in the files. */
  async close(): Promise<void> {
    await Promise.all(
      [...this.#files.values()].map((file) => new Promise<void>((resolve) => file.end(() => resolve()))),
    );
  }

  #file(service: string): WriteStream {
    let file = this.#files.get(service);
    if (!file) {
      const path = this.path(service);
      putAsideWhenLarge(path);
      file = createWriteStream(path, { flags: 'a' });
      // A full disk must not end the system: the lines are lost, the services go on.
      file.on('error', (error) =>
        this.#say(this.#paint.yellow(`${path} cannot be written: ${printable(error.message)}`)),
      );
      this.#files.set(service, file);
    }
    return file;
  }
}

/** A log line as a person reads it; undefined for those below a warning. What is not JSON is shown whole. */
export function readableLine(service: string, line: string, paint: Paint): string | undefined {
  if (line.trim() === '') return undefined;
  const entry = parsed(line);
  if (!entry) return `${paint.bold(service)}  ${printable(line)}`;
  const { level, time, msg, service: _, pid: __, hostname: ___, ...fields } = entry;
  if (typeof level !== 'number' || level < warnLevel) return undefined;
  const kind = level >= errorLevel ? paint.red('ERROR') : paint.yellow('WARN ');
  const clock = typeof time === 'string' ? time.slice(11, 19) : '';
  const rest = Object.entries(fields).map(([name, value]) => `${name}=${shown(value)}`);
  const fieldsText = paint.dim(printable(rest.join(' ')));
  return [printable(clock), kind, paint.bold(service), printable(String(msg ?? '')), fieldsText].join('  ').trimEnd();
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function shown(value: unknown): string {
  return typeof value === 'string' && /^[^\s"]+$/.test(value) ? value : JSON.stringify(value);
}

function putAsideWhenLarge(path: string): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > logBytesMax) renameSync(path, `${path}.1`);
}
