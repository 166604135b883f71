// apt with lists, cache and state of its own: reads the system's sources, keys and package status, writes only below its folder.
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandFailedError, runCommand } from './command.ts';
import { SourceUnavailableError } from './source.ts';

const UPDATE_TIMEOUT_MS = 3 * 60_000;
const DOWNLOAD_TIMEOUT_MS = 15 * 60_000;
const QUERY_TIMEOUT_MS = 60_000;
const SYSTEM_PARTS = '/etc/apt/apt.conf.d';

export class PrivateApt {
  readonly #env: NodeJS.ProcessEnv;
  readonly #signal: AbortSignal | undefined;

  constructor(folder: string, signal: AbortSignal | undefined) {
    this.#signal = signal;
    const parts = join(folder, 'apt.conf.d');
    for (const made of [parts, join(folder, 'lists/partial'), join(folder, 'cache/archives/partial')]) {
      mkdirSync(made, { recursive: true });
    }
    linkSystemParts(parts);
    const configuration = join(folder, 'apt.conf');
    writeFileSync(
      configuration,
      [
        `Dir::Etc::Parts "${parts}";`,
        `Dir::State "${folder}";`,
        `Dir::State::Lists "${join(folder, 'lists')}";`,
        'Dir::State::status "/var/lib/dpkg/status";',
        `Dir::Cache "${join(folder, 'cache')}";`,
        // for root: apt would otherwise hand the download to a user who cannot write here
        'APT::Sandbox::User "root";',
        'Acquire::Retries "1";',
        'Acquire::http::Timeout "20";',
        'Acquire::https::Timeout "20";',
        'APT::Get::List-Cleanup "false";',
        '',
      ].join('\n'),
    );
    this.#env = { ...process.env, APT_CONFIG: configuration, LC_ALL: 'C' };
  }

  /** Fetches the lists of packages. One source that does not answer does not matter as long as another has RabbitMQ. */
  async update(): Promise<void> {
    try {
      await this.#run('apt-get', ['-q', 'update'], UPDATE_TIMEOUT_MS);
    } catch (error) {
      if (!(error instanceof CommandFailedError)) throw error;
    }
  }

  /** The package, the Erlang packages that it depends on, and the libraries of those that this machine lacks. */
  async packagesToRun(name: string): Promise<string[]> {
    const limits = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map(
      (kind) => `--no-${kind}`,
    );
    const listed = await this.#run('apt-cache', ['depends', '--recurse', ...limits, name], QUERY_TIMEOUT_MS).catch(
      (error: unknown) => {
        if (!(error instanceof CommandFailedError)) throw error;
        throw new SourceUnavailableError(`apt knows no ${name} (${error.said}); are its sources reachable?`);
      },
    );
    // -hipe and -nox are alternatives to packages that are in the list anyway
    const erlang = listed.split('\n').filter((line) => /^erlang-[\w.+-]+$/.test(line) && !/-(hipe|nox)$/.test(line));
    return [...new Set([name, ...erlang, ...(await this.#missingLibraries(erlang))])];
  }

  async download(packages: readonly string[], into: string): Promise<void> {
    await this.#run('apt-get', ['-q', 'download', ...packages], DOWNLOAD_TIMEOUT_MS, into);
  }

  async #missingLibraries(packages: readonly string[]): Promise<string[]> {
    // the VM opens libsctp at run time: apt counts it as a recommendation only
    const wanted = (await this.#exists('libsctp1')) ? [...packages, 'libsctp1'] : packages;
    const plan = await this.#run(
      'apt-get',
      ['install', '--simulate', '--no-install-recommends', ...wanted],
      QUERY_TIMEOUT_MS,
    ).catch((error: unknown) => {
      // a package system in disorder plans nothing; the libraries may all be there
      if (!(error instanceof CommandFailedError)) throw error;
      return '';
    });
    return [...plan.matchAll(/^Inst (lib\S+)/gm)].map(([, library]) => library ?? '');
  }

  async #exists(name: string): Promise<boolean> {
    return this.#run('apt-cache', ['show', name], QUERY_TIMEOUT_MS).then(
      () => true,
      () => false,
    );
  }

  #run(tool: string, args: readonly string[], timeoutMs: number, cwd?: string): Promise<string> {
    return runCommand(tool, args, { timeoutMs, env: this.#env, signal: this.#signal, ...(cwd ? { cwd } : {}) });
  }
}

/** Takes over proxies and the like, but no hooks: for root, those of an update or a download clean the system's own folders. */
function linkSystemParts(parts: string): void {
  let names: string[];
  try {
    names = readdirSync(SYSTEM_PARTS);
  } catch {
    return;
  }
  for (const name of names) {
    try {
      const text = readFileSync(join(SYSTEM_PARTS, name), 'utf8');
      if (!/-Invoke|Dir::(State|Cache)/i.test(text)) symlinkSync(join(SYSTEM_PARTS, name), join(parts, name));
    } catch {
      // not readable for us: apt could not read it either
    }
  }
}
