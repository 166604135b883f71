// The tables and the picture of the comparison: what they make of the counts.
import { expect } from 'chai';
import { pictureOf } from '../../bench/compare/compare-picture.ts';
import { type Measured, tableOf } from '../../bench/compare/compare-report.ts';
import { Tally } from '../../bench/compare/tally.ts';
import { ways } from '../../bench/compare/ways.ts';

function measured(name: string, fill: (tally: Tally) => void): Measured {
  const way = ways.find((one) => one.name === name);
  if (!way) throw new Error(`there is no way ${name}`);
  const tally = new Tally();
  fill(tally);
  return { way, tally, wholeS: 5 };
}

const rowOf = (table: string, title: string): string[] => {
  const row = table.split('\n').find((line) => line.startsWith(`| ${title} |`));
  if (!row) throw new Error(`there is no row '${title}'`);
  return row
    .split(' | ')
    .slice(1)
    .map((cell) => cell.replace(/ \|$/, ''));
};

describe('the report of the comparison', () => {
  it('has a column for each way of one kind, and shows a share with what it is a share of', () => {
    const table = tableOf('databases', [
      measured('split', (tally) => {
        for (let n = 0; n < 100; n += 1) tally.posted(true, 12);
        Object.assign(tally.lists, { read: 1_000, lacking: 500 });
        tally.seenNever = 3;
        Object.assign(tally.finally, { asked: 8, missing: 4 });
      }),
      measured('shared', (tally) => {
        for (let n = 0; n < 100; n += 1) tally.seenMs.record(n < 98 ? 2 : 40);
        tally.phase = 'down';
        tally.posted(true, 5);
        tally.posted(false, 5);
      }),
      measured('copy', () => {}),
    ]);
    expect(table.split('\n')[0]?.split('|')).to.have.length(5);
    expect(rowOf(table, 'orders accepted, per second')).to.deep.equal(['20', '0']);
    expect(rowOf(table, 'an order is accepted within, p50, p99 ms')).to.deep.equal(['12, 12', '–, –']);
    expect(rowOf(table, 'lists that lack an order accepted before, read at once')[0]).to.equal('50 % of 1,000');
    expect(rowOf(table, 'a write is seen at every process after, p50, p99 ms')).to.deep.equal(['never', '2.0, 40']);
    expect(rowOf(table, 'orders that failed meanwhile')).to.deep.equal(['–', '50 % of 2']);
    expect(rowOf(table, 'orders that a process does not know at the end')[0]).to.equal('50 % of 8');
  });

  it('draws a strip for each way, with the time during which the process was away', () => {
    const one = measured('reads', (tally) => {
      tally.note('right');
      tally.note('failed');
      tally.downFromMs = 100;
      tally.downUntilMs = 200;
    });
    const svg = pictureOf([one], 'npm run compare');
    expect(svg)
      .to.match(/^<svg /)
      .and.to.include('order-service.reads is killed');
    expect(svg.match(/fill="#3a7d44"/g), 'the legend and one bar').to.have.length(2);
    expect(svg.match(/fill="#c2571a"/g), 'only the legend').to.have.length(1);
    expect(svg).to.include('fill="#e3e7ea"');
  });
});
