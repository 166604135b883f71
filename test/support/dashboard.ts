// The panels of the dashboard in ops/.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { projectFolder } from '../../shared/contract/documents/documents-on-disk.ts';

export const dashboardPath = 'ops/grafana/dashboards/saga.json';

const Dashboard = z.object({
  uid: z.string(),
  panels: z.array(
    z.object({
      title: z.string(),
      type: z.enum(['row', 'stat', 'timeseries']),
      gridPos: z.object({ x: z.int(), y: z.int(), w: z.int(), h: z.int() }),
      targets: z
        .array(
          z.object({
            expr: z.string(),
            legendFormat: z.string(),
            datasource: z.object({ type: z.literal('prometheus'), uid: z.string() }),
          }),
        )
        .default([]),
    }),
  ),
});
export type Panel = z.output<typeof Dashboard>['panels'][number];

export function readPanels(): Panel[] {
  return Dashboard.parse(JSON.parse(readFileSync(join(projectFolder(), dashboardPath), 'utf8'))).panels;
}
