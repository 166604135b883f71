// What the demo prints: scenes, requests with their answers, sagas as sequences, and what was expected against what came.
import { printable } from '../../local/printable.ts';
import type { Paint } from '../../local/terminal.ts';
import type { TimelineEvent } from './answers.ts';
import { type Answer, curlLine } from './client.ts';

const answerCharsMax = 200;

export interface Miss {
  readonly what: string;
  readonly expected: string;
  readonly actual: string;
  /** What to do to find out why. */
  readonly next: string | undefined;
}

export class Report {
  readonly misses: Miss[] = [];
  #checks = 0;
  #scenes = 0;
  readonly #paint: Paint;
  readonly #write: (text: string) => void;

  constructor(write: (text: string) => void, paint: Paint) {
    this.#write = write;
    this.#paint = paint;
  }

  get checks(): number {
    return this.#checks;
  }

  line(text = ''): void {
    this.#write(`${text}\n`);
  }

  note(text: string): void {
    this.line(`   ${text}`);
  }

  progress(text: string): void {
    this.line(this.#paint.dim(text));
  }

  /** @param announcement what is going to happen */
  scene(title: string, announcement: string): void {
    this.#scenes += 1;
    this.line();
    this.line(this.#paint.bold(`${this.#scenes}. ${title}`));
    this.line(`   ${announcement}`);
    this.line();
  }

  request(answer: Answer): void {
    this.command(curlLine(answer.call));
    this.note(this.#paint.dim(`${answer.status} in ${answer.elapsedMs.toFixed(1)} ms: ${shortened(answer.body)}`));
  }

  command(text: string): void {
    this.note(this.#paint.cyan(`$ ${text}`));
  }

  /** A saga as a sequence: when, who, what, and why. @param sinceMs the time of the request that began it */
  saga(events: readonly TimelineEvent[], sinceMs: number): void {
    this.line();
    for (const { time, source, type, cause, data } of events) {
      const afterMs = Math.max(0, Date.parse(time) - sinceMs);
      const why = cause === 'request' ? origin(data) : cause;
      const columns = [
        `${String(afterMs).padStart(7)} ms`,
        source.padEnd(17),
        this.#paint.bold(type.padEnd(18)),
        this.#paint.dim(`after ${why}`.padEnd(25)),
        this.#paint.dim(highlights(data)),
      ];
      this.note(columns.join('  ').trimEnd());
    }
    this.line();
  }

  /** Compares as text; what differs is remembered. */
  check(what: string, wanted: unknown, seen: unknown, next?: string): void {
    this.#checks += 1;
    const [expected, actual] = [words(wanted), words(seen)];
    const same = expected === actual;
    const mark = same ? this.#paint.green('✔') : this.#paint.red('✘');
    this.note(`${mark} ${what}: expected ${expected}, got ${same ? actual : this.#paint.red(actual)}`);
    if (!same) this.misses.push({ what: `${this.#scenes}. ${what}`, expected, actual, next });
  }

  /** A sum that must come out: shown as it is reckoned. */
  balance(what: string, terms: string, left: number, right: number): void {
    this.#checks += 1;
    const same = left === right;
    const mark = same ? this.#paint.green('✔') : this.#paint.red('✘');
    this.note(`${mark} ${what}: ${terms}${same ? '' : this.#paint.red(`  (${left} is not ${right})`)}`);
    if (!same)
      this.misses.push({
        what: `${this.#scenes}. ${what}`,
        expected: terms,
        actual: `${left} and ${right}`,
        next: undefined,
      });
  }

  /** The verdict. */
  verdict(): void {
    const { bold, green, red } = this.#paint;
    this.line();
    if (this.misses.length === 0) {
      this.line(green(bold(`All ${this.#checks} outcomes were as expected.`)));
      return;
    }
    this.line(red(bold(`${this.misses.length} of ${this.#checks} outcomes were not as expected:`)));
    for (const { what, expected, actual, next } of this.misses) {
      this.line(`  ${what}: expected ${expected}, got ${actual}`);
      if (next) this.line(`    look at: ${next}`);
    }
  }
}

/** What leads to an event that follows from none. */
function origin(data: unknown): string {
  return (data as { reason?: unknown } | null)?.reason === 'deadline' ? 'the deadline' : 'the request';
}

/** The part of an answer that is of interest here. */
function shortened(body: unknown): string {
  const whole = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  let text = JSON.stringify(body) ?? '';
  if ('orderId' in whole && 'waitsFor' in whole) {
    const { orderId, status, reason, waitsFor } = whole;
    const waits = Array.isArray(waitsFor) && waitsFor.length > 0 ? { waitsFor } : {};
    text = JSON.stringify({ orderId, status, reason, ...waits }).replace(/}$/, ',…}');
  } else if ('detail' in whole) {
    text = JSON.stringify({ title: whole['title'], detail: whole['detail'] }).replace(/}$/, ',…}');
  }
  return printable(text.length > answerCharsMax ? `${text.slice(0, answerCharsMax)}…` : text);
}

function words(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The part of an event's data that is of interest here. */
function highlights(data: unknown): string {
  if (typeof data !== 'object' || data === null) return '';
  const { total, amount, reason, because, shortages } = data as Record<string, unknown>;
  const parts: string[] = [];
  if (typeof total === 'number') parts.push(`total ${total}`);
  if (typeof amount === 'number') parts.push(`amount ${amount}`);
  if (typeof reason === 'string') parts.push(reason);
  if (typeof because === 'string') parts.push(`because of ${because}`);
  if (Array.isArray(shortages)) {
    for (const { productId, wanted, available } of shortages as Record<string, unknown>[]) {
      parts.push(`${productId}: ${wanted} wanted, ${available} available`);
    }
  }
  return parts.join(', ');
}
