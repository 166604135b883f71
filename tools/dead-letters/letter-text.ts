// A dead letter in words. Nothing in it can be trusted: what is shown as a line may hold no control characters.
import type { GetMessage } from 'amqplib';
import { printable } from '../../local/printable.ts';

type Letter = Pick<GetMessage, 'content' | 'properties'>;

/** For a terminal. */
export function linesOf(letter: Letter): string[] {
  const { headers = {} } = letter.properties;
  const lines = [`${String(headers['x-dead-lettered-at'] ?? '')}  ${reasonOf(letter)}  ${eventOf(letter)}`];
  if (headers['x-detail']) lines.push(`    ${String(headers['x-detail'])}`);
  return lines.map(printable);
}

/** Our own reason; or the broker's, for a message that was rejected or delivered too often. */
export function reasonOf({ properties: { headers = {} } }: Letter): string {
  return String(headers['x-cause'] ?? headers['x-first-death-reason'] ?? 'unknown');
}

export function eventOf({ content, properties }: Letter): string {
  try {
    const event = JSON.parse(content.toString()) as { type?: unknown; id?: unknown; subject?: unknown };
    return `${String(event.type)} ${String(event.id)} about ${String(event.subject)}`;
  } catch {
    return `${content.length} bytes, ${String(properties.contentType ?? 'no content type')}`;
  }
}
