// Dead letters as text: for a terminal, where nothing foreign may act on it, and as JSON, where nothing may be missing.
import { printable, printableLines } from '../../local/printable.ts';
import { factsOf, type Letter, type LetterFacts } from './letter.ts';
import type { LetterGroup } from './summary.ts';

/** One letter of a list. */
export function linesOf(letter: LetterFacts): string[] {
  const { letterId, deadLetteredAt, reason, detail } = letter;
  const lines = [`${deadLetteredAt ?? 'time unknown'}  ${reason}  ${eventText(letter)}`, `    id ${letterId}`];
  if (detail !== undefined) lines.push(`    ${detail}`);
  return lines.map(printable);
}

function eventText({ type, eventId, subject, bytes }: LetterFacts): string {
  if (type === undefined) return `no event, ${bytes} bytes`;
  return [type, eventId, subject && `about ${subject}`].filter(Boolean).join(' ');
}

/** A table, the largest group first. */
export function groupLines(groups: readonly LetterGroup[]): string[] {
  const rows = groups.map(({ count, reason, type, oldestAt }) =>
    [count.toLocaleString('en'), reason, type ?? '-', oldestAt ?? '-'].map(printable),
  );
  const table = [['count', 'reason', 'event type', 'oldest'], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return table.map(([count = '', reason = '', type = '', oldest = '']) =>
    `  ${count.padStart(widths[0] ?? 0)}  ${reason.padEnd(widths[1] ?? 0)}  ${type.padEnd(widths[2] ?? 0)}  ${oldest}`.trimEnd(),
  );
}

/** A whole letter: what is known of it, its properties and headers, its body. */
export function wholeText(letter: Letter): string {
  const { letterId, reason, detail, deadLetteredAt, bytes } = factsOf(letter);
  const { headers = {}, ...properties } = letter.properties;
  return [
    field('id', letterId),
    field('reason', reason),
    ...(detail === undefined ? [] : [field('detail', detail)]),
    field('dead-lettered', deadLetteredAt ?? 'time unknown'),
    '',
    'Properties',
    ...fieldsOf(properties),
    '',
    'Headers',
    ...fieldsOf(headers),
    '',
    `Body, ${bytes} bytes`,
    bodyText(letter.content),
  ].join('\n');
}

function fieldsOf(values: object): string[] {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `  ${field(name, typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))}`);
}

function field(name: string, value: string): string {
  return `${printable(name)}: ${printable(value)}`;
}

function bodyText(content: Buffer): string {
  const text = utf8(content);
  return text === undefined ? `(not UTF-8; Base64) ${content.toString('base64')}` : printableLines(indented(text));
}

/** Only where indenting changes nothing else: a number that JavaScript rounds is shown as it was sent. */
function indented(text: string): string {
  try {
    const parsed: unknown = JSON.parse(text);
    return JSON.stringify(parsed) === text ? JSON.stringify(parsed, null, 2) : text;
  } catch {
    return text;
  }
}

/** What list prints for machines. */
export function factsJson(service: string, letter: LetterFacts): string {
  return jsonLine({ service, ...letter });
}

export function groupJson(service: string, group: LetterGroup): string {
  return jsonLine({ service, ...group });
}

/** The whole letter, such that it could be published again as it was. */
export function letterJson(service: string, letter: Letter): string {
  const body = utf8(letter.content);
  return jsonLine({
    service,
    ...factsOf(letter),
    properties: letter.properties,
    bodyEncoding: body === undefined ? 'base64' : 'utf8',
    body: body ?? letter.content.toString('base64'),
  });
}

/** One line. JSON.stringify leaves some characters that a terminal would act on; in JSON they can be written otherwise. */
function jsonLine(value: object): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function utf8(content: Buffer): string | undefined {
  const text = content.toString();
  return Buffer.from(text).equals(content) ? text : undefined;
}
