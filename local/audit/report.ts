// How the audit reports: text for people, or one JSON object a line for programs. What came from the services is escaped.
import type { ServiceName } from '../../shared/contract/choreography.ts';
import { type Paint, printable } from '../terminal.ts';
import type { HeldLine } from './answers.ts';
import type { Summary } from './audit.ts';
import type { Disagreement } from './finding.ts';
import type { Repaired } from './repair.ts';

export interface Report {
  warning(service: ServiceName, text: string): void;
  disagreement(disagreement: Disagreement): void;
  repaired(repaired: Repaired): void;
  /** After the last repair everything is read again. */
  repairsDone(): void;
  summary(summary: Summary): void;
}

type Write = (line: string) => void;

/** Lines of an order that are shown in full. */
const linesShownMax = 5;

export function textReport(write: Write, paint: Paint): Report {
  return {
    warning: (service, text) => write(paint.yellow(`${service} warns: ${printable(text)}`)),
    disagreement({ about, id, holds, broken }) {
      write('');
      write(paint.bold(`${about === 'totals' ? 'totals of' : about} ${printable(id)}`));
      for (const [service, held] of Object.entries(holds)) write(`  ${service.padEnd(17)}  ${shown(held)}`);
      for (const { rule, promise, text, repair, repairable } of broken) {
        write(`  ${paint.red(`${promise} ${rule}`)}: ${printable(text)}`);
        write(`    ${repairable ? paint.green('repair') : 'repair'}: ${printable(repair)}`);
      }
    },
    repaired: ({ orderId, result }) => write(`repair: order ${printable(orderId)}: ${repairTexts[result] ?? result}`),
    repairsDone: () => write('\nEverything is read again to see what is left.'),
    summary: (summary) => write(`\n${summaryText(summary, paint)}`),
  };
}

const repairTexts: Readonly<Record<string, string>> = {
  asked: 'asked the other services again',
  confirmed: 'it has been confirmed meanwhile; nothing was done',
};

/** NDJSON. The last line is the summary: without it the report is not complete. */
export function jsonReport(write: Write): Report {
  // JSON leaves some of what a terminal obeys as it is. It stands inside strings only, where an escape means the same.
  const line = (value: object) => write(JSON.stringify(value).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, utf16Escapes));
  return {
    warning: (service, text) => line({ kind: 'warning', service, text }),
    disagreement: (disagreement) => line({ kind: 'disagreement', ...disagreement }),
    repaired: (repaired) => line({ kind: 'repair', ...repaired }),
    repairsDone: () => line({ kind: 'read-again' }),
    summary: ({ repairable, ...summary }) => line({ kind: 'summary', ...summary, repairable: repairable.length }),
  };
}

function utf16Escapes(character: string): string {
  return Array.from({ length: character.length }, (_, index) => {
    return `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`;
  }).join('');
}

/** What a service holds, on one line. */
function shown(held: unknown): string {
  if (held === null || typeof held !== 'object') return 'nothing';
  const parts = Object.entries(held).flatMap(([field, value]) => {
    if (field === 'orderId' || field === 'waitsFor' || field === 'placedAt' || value === undefined) return [];
    if (field === 'items') return [linesText(value as readonly HeldLine[])];
    return field === 'status' ? [String(value)] : [`${field} ${value}`];
  });
  return printable(parts.join(', '));
}

function linesText(lines: readonly HeldLine[]): string {
  const texts = lines.slice(0, linesShownMax).map(({ productId, qty }) => `${qty} × ${productId}`);
  const more = lines.length - texts.length;
  return [...texts, ...(more > 0 ? [`${more} more products`] : [])].join(' + ');
}

function summaryText(summary: Summary, paint: Paint): string {
  const { orders, payments, reservations, products, settled, disagreements, byRule, repairable, notCompared } = summary;
  const lines = [
    `Read ${count(orders, 'order')}, ${count(payments, 'payment')}, ${count(reservations, 'reservation')} and ${count(products, 'product')}.`,
  ];
  if (settled > 0) lines.push(`${count(settled, 'order')} changed while they were read, and agree now.`);
  for (const what of notCompared) lines.push(paint.yellow(`Not compared: ${what}.`));
  if (disagreements === 0) return [...lines, paint.green('All agree.')].join('\n');
  const rules = Object.entries(byRule).map(([rule, times]) => `${times} × ${rule}`);
  lines.push(paint.red(`${count(disagreements, 'disagreement')}: ${rules.join(', ')}.`));
  lines.push(
    repairable.length > 0
      ? `--repair can do something about ${repairable.length} of them.`
      : '--repair can do nothing about them.',
  );
  return lines.join('\n');
}

function count(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
}
