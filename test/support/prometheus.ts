// A real Prometheus that scrapes what a test runs, with the alert rules of ops/.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { freePorts } from '../../local/broker/free-ports.ts';
import { projectFolder } from '../../shared/contract/documents/documents-on-disk.ts';
import { eventually } from './wait.ts';

const Answer = z.object({
  status: z.enum(['success', 'error']),
  error: z.string().optional(),
  data: z.object({ result: z.array(z.object({ metric: z.record(z.string(), z.string()) })) }).optional(),
});

/** Debian's package, where there is one. */
export function hasPrometheus(): boolean {
  return spawnSync('prometheus', ['--version']).error === undefined;
}

export class Prometheus {
  readonly #process: ChildProcess;
  readonly #folder: string;
  readonly #url: string;

  private constructor(process: ChildProcess, folder: string, url: string) {
    this.#process = process;
    this.#folder = folder;
    this.#url = url;
  }

  /** @param targets `host:port` of each process, by the name of its service; scraped every second */
  static async start(targets: Readonly<Record<string, readonly string[]>>): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'saga-prometheus-'));
    const [port = 0] = await freePorts(1);
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: [join(projectFolder(), 'ops/alerts.yml')],
      scrape_configs: Object.entries(targets).map(([job_name, list]) => ({
        job_name,
        static_configs: [{ targets: list }],
      })),
    };
    // JSON is YAML, too.
    writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
    const options = [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ];
    const child = spawn('prometheus', options, { stdio: 'ignore' });
    const prometheus = new Prometheus(child, folder, `http://127.0.0.1:${port}`);
    await eventually(
      'Prometheus to be ready',
      () => fetch(`${prometheus.#url}/-/ready`),
      ({ ok }) => ok,
      60_000,
    );
    return prometheus;
  }

  /**
   * The series that an expression gives now.
   * @throws Error when it is no expression
   */
  async query(expr: string): Promise<Readonly<Record<string, string>>[]> {
    const response = await fetch(`${this.#url}/api/v1/query?${new URLSearchParams({ query: expr })}`);
    const { status, error, data } = Answer.parse(await response.json());
    if (status === 'error' || !data) throw new Error(`${expr}: ${error}`);
    return data.result.map(({ metric }) => metric);
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#process.once('close', resolve));
    this.#process.kill('SIGKILL');
    await closed;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
