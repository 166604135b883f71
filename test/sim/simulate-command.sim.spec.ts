// The simulator's command line: what it prints, and its exit codes.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parseFaults } from '../../simulator/environment/faults.ts';

const tool = fileURLToPath(new URL(`../../tools/simulate${extname(import.meta.url)}`, import.meta.url));

describe('npm run simulate', function () {
  this.timeout(600_000);

  const call = (...args: string[]) => spawnSync(process.execPath, [tool, ...args], { encoding: 'utf8' });

  it('prints what it did and ends with 0', () => {
    const output = execFileSync(process.execPath, [tool, '--seed', '6', '--orders', '100'], { encoding: 'utf8' });
    expect(output).to.match(/seed 6: 100 orders, [\d,]+ events, quiet after .* hash [0-9a-f]{16}, ok/);
    expect(output).to.contain('violations: 0');
  });

  it('runs several instances of order-service when it is asked to, and says so', () => {
    const { status, stdout } = call('--seed', '6', '--orders', '20', '--faults', 'none', '--instances', '2');
    expect(stdout).to.match(/seed 6: 20 orders, 2 instances, [\d,]+ events, .* ok/);
    expect(status).to.equal(0);
  });

  it('goes on where it was stopped, with the results so far', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'simulate-')), 'results');
    const run = (seeds: string) =>
      call('--seed', '6', '--seeds', seeds, '--orders', '5', '--faults', 'none', '--results', file).stdout;
    expect(run('1')).to.contain('seed 6: 5 orders');
    const stdout = run('2');
    expect(stdout).to.contain('1 of 2 runs are in');
    expect(stdout).not.to.contain('seed 6: 5 orders');
    expect(stdout).to.contain('seed 7: 5 orders');
    expect(stdout).to.contain('\n10 orders,');
    rmSync(dirname(file), { recursive: true });
  });

  it('names what a small run did not reach, and still ends with 0', () => {
    const { status, stdout } = call('--seed', '6', '--orders', '1', '--faults', 'crash');
    expect(stdout).to.contain('never reached (not required of these runs):');
    expect(stdout).to.contain('  crash payment-service before-commit\n');
    expect(stdout).not.to.contain('  clock-jump forwards\n');
    expect(status).to.equal(0);
  });

  for (const [args, words] of [
    [['--orders', 'many'], /--orders takes a whole number/],
    [['--faults', 'gremlins'], /no fault kind 'gremlins'; there are: all, none, reorder/],
    [['--sed', '1'], /--sed/],
    [['--instances', '4'], /--instances takes a whole number from 0 to 3/],
    [['--seeds', '0'], /--seeds takes a whole number from 1/],
  ] as const) {
    it(`refuses ${args.join(' ')} with 2`, () => {
      const { status, stderr } = call(...args);
      expect(stderr).to.match(words);
      expect(status).to.equal(2);
    });
  }

  it('knows kinds of faults by name', () => {
    expect(parseFaults('crash, nack')).to.deep.equal(['crash', 'nack']);
    expect(parseFaults('none')).to.deep.equal([]);
  });
});
