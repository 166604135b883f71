// The alert rules name only metrics and labels that exist, each alert has its paragraph in docs/operations.md, and promtool,
// where it is installed, finds that each fires when it should.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { z } from 'zod';
import { serviceNames } from '../../services.ts';
import { projectFolder } from '../../shared/contract/documents/documents-on-disk.ts';
import { labelsByName } from '../support/metric-labels.ts';
import { labelsIn, labelsOf, namesIn, targetLabels } from '../support/promql.ts';

const Rules = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({
          alert: z.string(),
          expr: z.string(),
          labels: z.object({ severity: z.enum(['critical', 'warning']) }),
          annotations: z.object({ summary: z.string(), runbook: z.string() }),
        }),
      ),
    }),
  ),
});
const RuleTests = z.object({
  tests: z.array(
    z.object({
      input_series: z.array(z.object({ series: z.string() })),
      alert_rule_test: z.array(z.object({ alertname: z.string(), exp_alerts: z.array(z.unknown()) })),
    }),
  ),
});
const Scrapes = z.object({ scrape_configs: z.array(z.object({ job_name: z.string() })) });

const textOf = (path: string) => readFileSync(join(projectFolder(), path), 'utf8');
const rules = Rules.parse(parse(textOf('ops/alerts.yml'))).groups.flatMap((group) => group.rules);
const { tests } = RuleTests.parse(parse(textOf('ops/alerts.test.yml')));

describe('an alert', () => {
  let known: Map<string, readonly string[]>;
  before(async () => {
    known = await labelsByName();
  });

  for (const { alert, expr, annotations } of rules) {
    it(`${alert} names only metrics and labels that the services have`, () => {
      const names = namesIn(expr);
      expect(names).to.not.deep.equal([]);
      for (const name of names) expect(known.has(name), `the metric ${name}`).to.equal(true);
      const labels = new Set([...targetLabels, ...names.flatMap((name) => known.get(name) ?? [])]);
      const used = [
        ...labelsIn(expr),
        ...[...annotations.summary.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label),
      ];
      for (const label of used) expect(labels, `the labels of ${names.join(', ')}`).to.include(label);
    });

    it(`${alert} is tested when it fires and when it does not`, () => {
      const own = tests.flatMap((test) => test.alert_rule_test).filter(({ alertname }) => alertname === alert);
      expect(
        own.some(({ exp_alerts }) => exp_alerts.length > 0),
        'when it fires',
      ).to.equal(true);
      expect(
        own.some(({ exp_alerts }) => exp_alerts.length === 0),
        'when it is quiet',
      ).to.equal(true);
    });

    it(`${alert} leads to its paragraph in docs/operations.md`, () => {
      expect(annotations.runbook).to.equal(`docs/operations.md#${alert.toLowerCase()}`);
    });
  }

  it('is made of a name that no other has', () => {
    expect(rules.map(({ alert }) => alert)).to.deep.equal([...new Set(rules.map(({ alert }) => alert))]);
  });

  it('has a heading in docs/operations.md, in the same order, and every heading there has an alert', () => {
    const [, section = ''] = textOf('docs/operations.md').split(/^## Alerts$/m);
    const headings = [...(section.split(/^## /m)[0] ?? '').matchAll(/^### (.+)$/gm)].map(([, heading]) => heading);
    expect(headings).to.deep.equal(rules.map(({ alert }) => alert));
  });
});

describe('the tests of the alerts', () => {
  it('feed only series that the services have, with exactly their labels', async () => {
    const known = await labelsByName();
    const series = tests.flatMap((test) => test.input_series.map((input) => input.series));
    expect(series).to.not.deep.equal([]);
    for (const each of series) {
      const [, name = '', inside = ''] = /^(\w+)\{(.*)\}$/.exec(each) ?? [];
      expect(labelsOf(inside), each).to.have.members([...targetLabels, ...(known.get(name) ?? ['no such metric'])]);
    }
  });

  it('pass (npm run alerts)', function () {
    this.timeout(60_000);
    const { error, status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', 'ops/alerts.test.yml'], {
      cwd: projectFolder(),
      encoding: 'utf8',
    });
    if (error) {
      if (this.test) this.test.title += ' (skipped: promtool is not installed)';
      this.skip();
    }
    expect(status, stdout + stderr).to.equal(0);
  });
});

for (const path of ['ops/prometheus.yml', 'ops/prometheus.compose.yml']) {
  describe(path, () => {
    it('scrapes every service, under its name', () => {
      const { scrape_configs } = Scrapes.parse(parse(textOf(path)));
      expect(scrape_configs.map(({ job_name }) => job_name)).to.have.members(serviceNames);
    });
  });
}

describe('the check of an expression', () => {
  it('finds the metrics, and nothing else that looks like one', () => {
    expect(
      namesIn('increase(a_total{b="c_d"}[1h]) > 0 and on (e) (sum by (f, g) (rate(h_total[5m])) == 0)'),
    ).to.deep.equal(['a_total', 'h_total']);
  });
  it('finds the labels that it selects and groups by', () => {
    expect(labelsIn('increase(a_total{b="c", d=~"e|f"}[1h]) and on (g) sum by (h, i) (j)')).to.deep.equal([
      'b',
      'd',
      'g',
      'h',
      'i',
    ]);
  });
});
