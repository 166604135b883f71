// What comes from elsewhere cannot act on the terminal that shows it.
import { expect } from 'chai';
import { printable, printableLines } from '../../local/printable.ts';
import { readableLine } from '../../local/service-log.ts';
import { paintFor } from '../../local/terminal.ts';
import { factsOf } from '../../tools/dead-letters/letter.ts';
import { letterJson, linesOf, wholeText } from '../../tools/dead-letters/letter-text.ts';

/** Sets the window's title, clears the screen, and goes to the beginning of the line. */
const attack = '\u001b]0;owned\u0007\u001b[2J\r';
const shown = String.raw`\x1b]0;owned\x07\x1b[2J\r`;
const paint = paintFor({});

describe('text from elsewhere', () => {
  it('is shown with its control characters escaped: C0, DEL, C1, and what changes the direction of writing', () => {
    expect(printable(attack)).to.equal(shown);
    expect(printable('\u0000\n\t\u007f\u0085\u009b')).to.equal(String.raw`\x00\n\t\x7f\x85\x9b`);
    expect(printable('\u2028\u202e\u2066')).to.equal(String.raw`\u2028\u202e\u2066`);
  });

  it('is left as it is otherwise, whatever the alphabet', () => {
    expect(printable('Größe … 尺寸 ☕ ✔')).to.equal('Größe … 尺寸 ☕ ✔');
  });

  it('keeps its lines where there may be several', () => {
    expect(printableLines('one\n\u001b[2Jtwo')).to.equal('one\n\\x1b[2Jtwo');
  });

  it('is escaped in what a service logs: the message, its fields, and what is not JSON', () => {
    const entry = {
      level: 50,
      time: '2026-01-01T10:00:00.000Z',
      msg: `failed${attack}`,
      detail: `\u009b2J`,
      [`na\u009bme`]: 1,
    };
    const line = readableLine('order-service', JSON.stringify(entry), paint) ?? '';
    expect(line).to.include(`failed${shown}`).and.to.include(String.raw`\x9b2J`).and.to.include(String.raw`na\x9bme`);
    expect(line).to.not.match(/\p{Cc}/u);
    expect(readableLine('order-service', `crashed${attack}`, paint)).to.equal(`order-service  crashed${shown}`);
    const odd = { level: 40, time: `2026-01-01T\u001b[2J\u001b[2J` };
    expect(readableLine('order-service', JSON.stringify(odd), paint)).to.not.match(/\p{Cc}/u);
  });

  it('is escaped in what the dead letters hold: headers, detail and event', () => {
    const headers = { 'x-cause': attack, 'x-detail': attack, 'x-dead-lettered-at': attack };
    const event = { type: attack, id: `\u009b2J`, subject: '1' };
    const letter = (content: string, properties: object) => ({ content: Buffer.from(content), properties }) as never;
    const lines = linesOf(factsOf(letter(JSON.stringify(event), { headers })));
    expect(lines).to.have.lengthOf(3);
    for (const line of lines) expect(line).to.not.match(/\p{Cc}/u);
    expect(lines[0]).to.include(`${shown}  ${shown}  ${shown}`);
    expect(lines[2]).to.include(shown);
    const whole = wholeText(letter(attack, { headers: { [attack]: attack }, contentType: attack, messageId: attack }));
    expect(whole).to.include(`  ${shown}: ${shown}`);
    for (const line of whole.split('\n')) expect(line).to.not.match(/\p{Cc}/u);
    const json = letterJson('payment-service', letter(`${attack}\u009b\u202e`, { headers }));
    expect(json).to.not.match(/[\p{Cc}\u202e]/u);
    expect(JSON.parse(json)).to.include({ body: `${attack}\u009b\u202e`, reason: attack });
  });
});
