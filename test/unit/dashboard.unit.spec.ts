// The dashboard shows only metrics and labels that exist. test/int/dashboard.int.spec.ts asks a real Prometheus for them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { z } from 'zod';
import { projectFolder } from '../../shared/contract/documents/documents-on-disk.ts';
import { readPanels } from '../support/dashboard.ts';
import { labelsByName } from '../support/metric-labels.ts';
import { labelsIn, namesIn, targetLabels } from '../support/promql.ts';

const Sources = z.object({ datasources: z.array(z.object({ uid: z.string() })) });

describe('the dashboard', () => {
  const panels = readPanels();

  for (const { title, targets } of panels.filter(({ type }) => type !== 'row')) {
    it(`names only metrics and labels that the services have: ${title}`, async () => {
      const known = await labelsByName();
      expect(targets).to.not.deep.equal([]);
      for (const { expr, legendFormat } of targets) {
        const names = namesIn(expr.replaceAll('$__rate_interval', '1m'));
        expect(names, expr).to.not.deep.equal([]);
        for (const name of names) expect(known.has(name), `the metric ${name}`).to.equal(true);
        const labels = new Set([...targetLabels, ...names.flatMap((name) => known.get(name) ?? [])]);
        const used = [...labelsIn(expr), ...[...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label)];
        for (const label of used) expect(labels, `the labels of ${names.join(', ')}`).to.include(label);
      }
    });
  }

  it('has its panels side by side, none over another', () => {
    const cells = panels.flatMap(({ title, gridPos: { x, y, w, h } }) => {
      expect(x + w, title).to.be.at.most(24);
      return Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`);
    });
    expect(cells.length).to.equal(new Set(cells).size);
  });

  it('reads from the source that Grafana is given', () => {
    const path = join(projectFolder(), 'ops/grafana/provisioning/datasources/prometheus.yml');
    const [source] = Sources.parse(parse(readFileSync(path, 'utf8'))).datasources;
    for (const { datasource } of panels.flatMap(({ targets }) => targets)) expect(datasource.uid).to.equal(source?.uid);
  });
});
