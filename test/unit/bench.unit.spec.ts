// The parts of the benchmark that can be checked without measuring anything.
import { expect } from 'chai';
import { Latencies } from '../../bench/load/histogram.ts';
import { answerIn, postRequest } from '../../bench/load/http-client.ts';
import { nextStep, rawSagaId, sagaSteps, scenarioOf } from '../../bench/load/saga-messages.ts';
import { arrivalMs, arrivalsOf, dueAfter, isMeasured, tickMs } from '../../bench/load/schedule.ts';
import { orderOf, soldOut, standardShop } from '../../bench/load/shop.ts';
import { grouped } from '../../bench/measure/figures-as-text.ts';
import { countIn } from '../../bench/measure/fsync-count.ts';
import { quickPlan } from '../../bench/measure/plan.ts';
import { latencyOf, rateOf } from '../../bench/measure/rounds.ts';
import { median, medianOfKnown } from '../../bench/measure/statistics.ts';
import { readOptions, sections } from '../../bench/options.ts';
import { hottestIn } from '../../bench/report/hottest.ts';
import { latencyPlot, percentileShare } from '../../bench/report/latency-plot.ts';
import { latencyReport } from '../../bench/report/latency-report.ts';
import { table } from '../../bench/report/table.ts';
import type { Measured } from '../../bench/stage/stage.ts';
import { UsageError } from '../../local/usage-error.ts';
import { choreography } from '../../shared/contract/choreography.ts';

function latencies(...values: number[]): Latencies {
  const made = Latencies.empty();
  for (const value of values) made.record(value);
  return made;
}

function measured(part: Partial<Measured>): Measured {
  const none = Latencies.empty().encode();
  return {
    seconds: 1,
    ended: 0,
    perS: 0,
    refused: 0,
    failed: 0,
    unexpected: 0,
    unfinished: 0,
    latency: none,
    acceptance: none,
    lag: none,
    cpuS: {},
    writtenBytes: {},
    ...part,
  };
}

describe('benchmark: latencies', () => {
  it('gives percentiles in milliseconds, to three digits', () => {
    const whole = latencies(...Array.from({ length: 1000 }, (_, index) => index + 1));
    const { count, p50, p90, p99, p999, max } = whole.percentiles();
    expect(count).to.equal(1000);
    expect(p50).to.be.closeTo(500, 1);
    expect(p90).to.be.closeTo(900, 1);
    expect(p99).to.be.closeTo(990, 1);
    expect(p999).to.be.closeTo(999, 1);
    expect(max).to.be.closeTo(1000, 1);
  });

  it('leaves out a percentile beyond which there is not even one sample', () => {
    expect(latencies(...Array.from({ length: 999 }, () => 1)).at(99.9)).to.equal(undefined);
    expect(latencies(...Array.from({ length: 1000 }, () => 1)).at(99.9)).to.equal(1);
    expect(Latencies.empty().percentiles().max).to.equal(undefined);
  });

  it('survives being sent from one process to another, and adds up', () => {
    const merged = Latencies.merged([latencies(1, 2), latencies(3, 40)].map((part) => Latencies.decode(part.encode())));
    expect(merged.count).to.equal(4);
    expect(merged.percentiles().max).to.be.closeTo(40, 0.1);
  });

  it('keeps what is below nothing and beyond an hour within its bounds', () => {
    const odd = latencies(-1, 1e9);
    expect(odd.count).to.equal(2);
    expect(odd.percentiles().max).to.be.closeTo(3_600_000, 5_000);
  });

  it('takes the median over the rounds, and the worst as the maximum', () => {
    const rounds = [latencies(1, 1, 1, 9), latencies(2, 2, 2, 3), latencies(5, 5, 5, 5)];
    const { median: middle } = latencyOf(rounds.map((round) => measured({ latency: round.encode() })));
    expect(middle.p50).to.equal(2);
    expect(middle.max).to.be.closeTo(9, 0.01);
    expect(middle.count).to.equal(12);
  });

  it('knows medians of odd and even numbers of values', () => {
    expect(median([3, 1, 2])).to.equal(2);
    expect(median([4, 1, 2, 3])).to.equal(2.5);
    expect(median([])).to.be.NaN;
    expect(medianOfKnown([undefined, 7])).to.equal(7);
    expect(medianOfKnown([undefined])).to.equal(undefined);
  });
});

describe('benchmark: the open-loop schedule', () => {
  const schedule = { ratePerS: 100, warmUpS: 1, seconds: 2 };

  it('has an arrival every hundredth of a second, warm-up included', () => {
    expect(arrivalsOf(schedule)).to.equal(300);
    expect(arrivalMs(schedule, 0)).to.equal(0);
    expect(arrivalMs(schedule, 150)).to.equal(1500);
  });

  it('counts from the end of the warm-up', () => {
    expect(isMeasured(schedule, 99)).to.equal(false);
    expect(isMeasured(schedule, 100)).to.equal(true);
  });

  it('owes every arrival whose moment has come, however late it is asked', () => {
    expect(dueAfter(schedule, -1)).to.equal(0);
    expect(dueAfter(schedule, 0)).to.equal(1);
    expect(dueAfter(schedule, 9.99)).to.equal(1);
    expect(dueAfter(schedule, 10)).to.equal(2);
    expect(dueAfter(schedule, 1000)).to.equal(101);
    expect(dueAfter(schedule, 60_000)).to.equal(300);
  });

  it('loses no arrival to rounding at odd rates', () => {
    for (const ratePerS of [3, 7, 333, 417, 999, 1234]) {
      const odd = { ratePerS, warmUpS: 0, seconds: 10 };
      for (let index = 0; index < arrivalsOf(odd); index += 1) {
        expect(dueAfter(odd, arrivalMs(odd, index)), `${ratePerS}/s, arrival ${index}`).to.be.at.least(index + 1);
      }
    }
  });

  it('ticks once an arrival, but at most a thousand times a second', () => {
    expect(tickMs(schedule)).to.equal(10);
    expect(tickMs({ ...schedule, ratePerS: 5000 })).to.equal(1);
  });
});

describe('benchmark: what is ordered and sent', () => {
  it('orders from known users, each line another product, and the same in every run', () => {
    const shop = { products: 5, accounts: 3, lines: 4 };
    for (let index = 0; index < 50; index += 1) {
      const { userId, items } = orderOf(shop, 'confirmed', index);
      expect(userId).to.match(/^user-00000[0-2]$/);
      expect(new Set(items.map(({ productId }) => productId))).to.have.lengthOf(4);
      expect(orderOf(shop, 'confirmed', index)).to.deep.equal({ userId, items });
    }
  });

  it('puts something that is sold out into an order that is to be refused', () => {
    expect(orderOf(standardShop, 'refused', 7).items.map(({ productId }) => productId)).to.deep.equal([soldOut]);
    expect(orderOf({ ...standardShop, lines: 3 }, 'refused', 7).items).to.have.lengthOf(3);
  });

  it('passes a saga on from service to service along the contract, to its end', () => {
    for (const scenario of ['confirmed', 'refused'] as const) {
      const steps = sagaSteps[scenario];
      steps.slice(1).forEach((type, index) => {
        const before = steps[index];
        if (!before) throw new Error('a step without one before it');
        const { by } = choreography.events[type];
        expect(Object.keys(choreography.events[before].reactions), `${type} after ${before}`).to.include(by);
        expect(nextStep(scenario, by, before)).to.equal(type);
      });
      expect(choreography.events[steps.at(-1) ?? 'order.placed']).to.have.property('final');
    }
    expect(nextStep('confirmed', 'order-service', 'payment.completed')).to.equal(undefined);
  });

  it('gives raw sagas ids as long as a UUID that carry their scenario', () => {
    expect(rawSagaId('refused', 1_000_000)).to.have.lengthOf(36);
    expect(scenarioOf(rawSagaId('refused', 1))).to.equal('refused');
    expect(scenarioOf(rawSagaId('confirmed', 1))).to.equal('confirmed');
  });

  it('writes a request and reads answers off a stream, whole ones only', () => {
    const request = postRequest('/orders', { a: 1 });
    expect(request).to.match(/^POST \/orders HTTP\/1\.1\r\n/);
    expect(request.endsWith('content-length: 7\r\n\r\n{"a":1}')).to.equal(true);
    const answer = 'HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nhello';
    expect(answerIn(answer.slice(0, -1))).to.equal(undefined);
    expect(answerIn('HTTP/1.1 202 Acc')).to.equal(undefined);
    expect(answerIn(`${answer}HTTP/1.1`)).to.deep.equal({ status: 202, body: 'hello', length: answer.length });
  });
});

describe('benchmark: the command line', () => {
  it('measures everything but overload, and with --quick everything but that and growth', () => {
    const usual = sections.filter((section) => section !== 'overload');
    expect(readOptions([]).only).to.deep.equal(usual);
    expect(readOptions(['--quick']).only).to.deep.equal(usual.filter((section) => section !== 'growth'));
    expect(readOptions(['--quick']).plan).to.deep.equal(quickPlan);
  });

  it('measures what --only names', () => {
    expect(readOptions(['--only', 'memory,latency']).only).to.deep.equal(['latency', 'memory']);
    expect(readOptions(['--quick', '--only', 'growth']).only).to.deep.equal(['growth']);
  });

  it('draws into docs only what is worth it', () => {
    expect(readOptions([]).svg).to.equal('docs/bench-latency.svg');
    expect(readOptions(['--quick']).svg).to.equal(undefined);
    expect(readOptions(['--quick', '--svg', 'a.svg']).svg).to.equal('a.svg');
  });

  for (const wrong of [
    ['--fast'],
    ['now'],
    ['--only', 'speed'],
    ['--only', ''],
    ['--rounds', '0'],
    ['--seconds', '1.5'],
  ]) {
    it(`refuses ${wrong.join(' ') || 'nothing'}`, () => {
      expect(() => readOptions(wrong)).to.throw(UsageError);
    });
  }
});

describe('benchmark: the report', () => {
  it('gives what a saga costs as the median of the rounds, and leaves out what is not known', () => {
    const rounds = [
      measured({ ended: 1000, perS: 100, cpuS: { broker: 1 } }),
      measured({ ended: 2000, perS: 200, cpuS: { broker: 6 } }),
      measured({ ended: 500, perS: 50, cpuS: { broker: 1 }, unexpected: 2 }),
    ];
    const rate = rateOf(rounds);
    expect(rate.sagasPerS).to.equal(100);
    expect(rate.rounds).to.deep.equal([100, 200, 50]);
    expect(rate.cpuSPer1000).to.deep.equal({ broker: 2 });
    expect(rate.trouble).to.deep.equal({ refused: 0, failed: 0, unexpected: 2, unfinished: 0 });
  });

  it('gives the processor time and the bytes written of a saga at each rate of arrival', () => {
    const round = (cpuS: number) =>
      latencyOf([
        measured({ ended: 200, cpuS: { broker: cpuS, 'order-service': 0.5 }, writtenBytes: { broker: 400_000 } }),
      ]);
    const report = latencyReport('POST → confirmed', [
      { ratePerS: 100, half: false, targets: { services: round(0.1), raw: round(0.2) } },
    ]);
    expect(report).to.match(/^100\/s services +0\.50 +2\.50 .* 3\.00$/m);
    expect(report).to.match(/^100\/s raw +1\.00 +2\.50 .* 3\.50$/m);
    expect(report).to.match(/^100\/s services, kB +2\.0 +- .* 2\.0$/m);
  });

  it('lines columns up', () => {
    expect(
      table([
        ['', 'a'],
        ['long name', '12'],
      ]),
    ).to.equal('            a\nlong name  12');
  });

  it('groups the digits of large numbers', () => {
    expect([999, 1000, 1_000_000].map(grouped)).to.deep.equal(['999', '1,000', '1,000,000']);
  });

  it('gives each nine of a percentile the same room', () => {
    expect(percentileShare(0)).to.equal(0);
    expect(percentileShare(99) - percentileShare(90)).to.be.closeTo(percentileShare(99.9) - percentileShare(99), 1e-9);
    expect(percentileShare(99.99)).to.be.closeTo(1, 1e-9);
  });

  it('draws well-formed SVG, also of nothing', () => {
    const svg = latencyPlot('a < b & c', '', [
      { title: '100/s', curves: [{ name: 'services', colour: '#000000', latencies: latencies(1, 2, 3) }] },
      { title: 'none', curves: [{ name: 'raw', colour: '#000000', latencies: Latencies.empty() }] },
    ]);
    expect(svg).to.include('a &lt; b &amp; c').and.not.include('NaN').and.not.include('Infinity');
    expect(svg.match(/<polyline/g)).to.have.lengthOf(2);
  });

  it('reads the counts of perf and of strace', () => {
    const perf =
      '# started\n\n12,,syscalls:sys_enter_fsync,100,100.00,,\n30,,syscalls:sys_enter_fdatasync,100,100.00,,\n';
    const strace =
      '% time     seconds  usecs/call     calls    errors syscall\n' +
      '------ ----------- ----------- --------- --------- ----------------\n' +
      ' 90.00    0.001000          10        40           fdatasync\n' +
      ' 10.00    0.000100          10         2         1 fsync\n' +
      '100.00    0.001100                    42         1 total\n';
    expect(countIn('perf', perf)).to.equal(42);
    expect(countIn('strace', strace)).to.equal(42);
    expect(countIn('perf', '<not counted>,,syscalls:sys_enter_fsync,0,100.00,,\n')).to.equal(0);
  });

  it('names the hottest functions of a profile without the folders of the machine', () => {
    const frame = (functionName: string, url = '', lineNumber = -1) => ({ functionName, url, lineNumber });
    const profile = JSON.stringify({
      nodes: [
        { id: 1, callFrame: frame('(idle)') },
        { id: 2, callFrame: frame('parse', 'file:///home/somebody/dist/shared/contract/cloud-event.js', 9) },
        { id: 3, callFrame: frame('(garbage collector)') },
      ],
      samples: [1, 2, 3, 2],
      timeDeltas: [1000, 30, 20, 50],
    });
    expect(hottestIn(profile, 2)).to.deep.equal([
      { name: 'parse contract/cloud-event.js:10', share: 0.8 },
      { name: '(garbage collector)', share: 0.2 },
    ]);
  });
});
