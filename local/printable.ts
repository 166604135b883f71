// Text from elsewhere (logs, messages, answers) on its way to a terminal: nothing in it may act on the terminal.

/**
 * What a terminal or a reader may take as something else than text: control characters (C0, DEL, C1), line and paragraph separators, and the
 * marks that change the direction of writing.
 */
const unprintable = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** One line, with everything that is not text shown as in a string of JavaScript: `\x1b`, `\n`, `\u202e`. */
export function printable(text: string): string {
  return text.replace(unprintable, (character) => {
    const code = character.charCodeAt(0).toString(16);
    return named[character] ?? (code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`);
  });
}

/** The same for a text of several lines, which stay lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}
