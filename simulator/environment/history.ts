// What happened, in order: always folded into a hash, kept only on request.
import { serviceNames } from '../../services.ts';

export interface HistoryEntry {
  readonly atMs: number;
  readonly actor: string;
  readonly what: string;
  /** Order or product that it is about; empty: it is about the actor. */
  readonly subject: string;
  /** Where an event came from, when it is one. */
  readonly from: string;
}

/** Entries kept at most; the oldest go first. */
const entriesMax = 2_000_000;

export class History {
  readonly keep: boolean;
  readonly entries: HistoryEntry[] = [];
  #a = 0x811c9dc5;
  #b = 0x1b873593;
  count = 0;

  constructor(keep: boolean) {
    this.keep = keep;
  }

  add(atMs: number, actor: string, what: string, subject = '', from = ''): void {
    this.count += 1;
    this.#fold(atMs);
    this.#text(actor);
    this.#text(what);
    this.#text(subject);
    if (this.keep && this.entries.length < entriesMax) this.entries.push({ atMs, actor, what, subject, from });
  }

  /** Folds in something that is not an event, such as the contents of a database. */
  mix(text: string): void {
    this.#text(text);
  }

  get hash(): string {
    return (this.#a >>> 0).toString(16).padStart(8, '0') + (this.#b >>> 0).toString(16).padStart(8, '0');
  }

  #text(text: string): void {
    for (let i = 0; i < text.length; i++) this.#fold(text.charCodeAt(i));
    this.#fold(-1);
  }

  #fold(value: number): void {
    this.#a = Math.imul(this.#a ^ value, 0x01000193);
    this.#b = Math.imul((this.#b ^ value) + (this.#a >>> 15), 0x85ebca6b);
  }
}

const columns: readonly string[] = ['client', ...serviceNames];
const columnWidth = 22;

/** What happened to one order, shortened, as a sequence diagram in text. */
export function sequenceDiagram(entries: readonly HistoryEntry[], orderId: string, linesMax = 60): string {
  const own = entries.filter(({ subject }) => subject === orderId);
  const [first, last] = [own[0], own.at(-1)];
  if (!first || !last) return `the history has nothing about order ${orderId}`;
  // Crashes and the like are shown when they came close to something that happened to this order.
  const times = own.map(({ atMs }) => atMs);
  const near = (atMs: number) => times.some((time) => Math.abs(time - atMs) <= 30);
  const shown = entries.filter((entry) => entry.subject === orderId || (entry.subject === '' && near(entry.atMs)));
  const half = Math.floor(linesMax / 2);
  const lines = shown.map((entry) => line(entry, first.atMs));
  const cut =
    lines.length > linesMax
      ? [...lines.slice(0, half), `          … ${lines.length - 2 * half} lines left out …`, ...lines.slice(-half)]
      : lines;
  const head = `${' '.repeat(13)}${columns.map((name) => name.padEnd(columnWidth)).join('')}`;
  return [`order ${orderId}, from ${first.atMs} ms after the start`, head, ...cut].join('\n');
}

function line({ atMs, actor, what, from }: HistoryEntry, startMs: number): string {
  const time = `${(atMs - startMs).toLocaleString('en')} ms`.padStart(11);
  const to = columns.indexOf(actor);
  const start = columns.indexOf(from);
  const cells = columns.map(() => `│${' '.repeat(columnWidth - 1)}`);
  if (to < 0) return `${time}  ${cells.join('')}${actor}: ${what}`;
  if (start >= 0 && start !== to) {
    const [low, high] = start < to ? [start, to] : [to, start];
    const length = (high - low) * columnWidth;
    const arrow = start < to ? `├${'─'.repeat(length - 2)}▶│` : `◀${'─'.repeat(length - 1)}┤`;
    const after = cells.slice(high).join('').slice(1);
    return `${time}  ${cells.slice(0, low).join('')}${arrow}${after}${what}`;
  }
  cells[to] = `●${' '.repeat(columnWidth - 1)}`;
  return `${time}  ${cells.join('')}${what}`;
}
