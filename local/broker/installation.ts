// What is needed to run a RabbitMQ that lies on this machine, and a lean view of it that boots in half the time.
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { findExecutable, isExecutable } from './command.ts';
import { SourceUnavailableError } from './source.ts';

export interface Installation {
  /** The folder with the real rabbitmq-server and rabbitmq-env scripts. */
  readonly scriptsDir: string;
  readonly epmd: string;
  /** PATH on which `erl` is found. */
  readonly path: string;
  /** LD_LIBRARY_PATH for libraries that the machine lacks. */
  readonly libraryPath?: string;
}

const USUAL_PATH = ['/opt/homebrew/bin', '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'];

/**
 * The folder that has the real start script and its rabbitmq-env, reached through links and Debian's wrapper; undefined when
 * `server` is not RabbitMQ's start script.
 */
export function scriptsBehind(server: string): string | undefined {
  if (!isExecutable(server)) return undefined;
  const beside = join(dirname(realpathSync(server)), 'rabbitmq-server');
  if (!isExecutable(beside)) return undefined;
  const scriptsDir = dirname(realpathSync(beside));
  const whole = isExecutable(join(scriptsDir, 'rabbitmqctl')) && existsSync(join(scriptsDir, 'rabbitmq-env'));
  return whole ? scriptsDir : undefined;
}

/** Takes what scriptsBehind() gave. Throws SourceUnavailableError when there is no Erlang to run it with. */
export function installationAt(scriptsDir: string, before: readonly string[] = [], libraryPath?: string): Installation {
  const path = [...before, process.env['PATH'] ?? '', ...USUAL_PATH].filter((part) => part !== '').join(delimiter);
  const erl = findExecutable('erl', path);
  if (erl === undefined) throw new SourceUnavailableError(`${scriptsDir} is there, but no Erlang (erl) is on the PATH`);
  const beside = [join(dirname(erl), 'epmd'), join(dirname(realpathSync(erl)), 'epmd')];
  const epmd = beside.find(isExecutable) ?? findExecutable('epmd', path);
  if (epmd === undefined) throw new SourceUnavailableError(`no epmd beside ${erl}`);
  return { scriptsDir, epmd, path, ...(libraryPath ? { libraryPath } : {}) };
}

/**
 * Makes `home` a RABBITMQ_HOME of links that holds only the plugins that the server itself depends on, and gives its scripts
 * folder; undefined when this installation is laid out in a way that this does not understand.
 *
 * RabbitMQ looks through every plugin it could enable, at every boot: with the 71 of Debian's package 4.6 s, with the 20 needed 2.1 s.
 */
export function leanScriptsDir(installation: Installation, home: string): string | undefined {
  const real = dirname(installation.scriptsDir);
  // rabbitmq-env does not quote its own path
  if (/\s/.test(home)) return undefined;
  try {
    const plugins = pluginFolders(join(real, 'plugins'));
    rmSync(home, { recursive: true, force: true });
    mkdirSync(join(home, 'plugins'), { recursive: true });
    symlinkSync(installation.scriptsDir, join(home, 'sbin'));
    symlinkSync(join(real, 'escript'), join(home, 'escript'));
    for (const folder of neededBy('rabbit', plugins)) {
      symlinkSync(folder, join(home, 'plugins', basename(folder)));
    }
    return join(home, 'sbin');
  } catch {
    return undefined;
  }
}

/** Application name → folder, "rabbit" → "…/plugins/rabbit-3.10.8". */
function pluginFolders(dir: string): Map<string, string> {
  return new Map(readdirSync(dir).map((folder) => [folder.replace(/-\d.*$/, ''), join(dir, folder)]));
}

/** Folders of an application and all that it names as its dependencies. Those that are not plugins are part of Erlang. */
function neededBy(application: string, folders: ReadonlyMap<string, string>): Set<string> {
  const needed = new Set<string>();
  const open = [application];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const folder = folders.get(name);
    if (folder === undefined || needed.has(folder)) continue;
    needed.add(folder);
    const definition = readFileSync(join(folder, 'ebin', `${name}.app`), 'utf8');
    for (const list of definition.matchAll(/\{\s*(?:included_)?applications\s*,\s*\[([^\]]*)\]/g)) {
      open.push(...(list[1] ?? '').split(',').map((entry) => entry.trim().replaceAll("'", '')));
    }
  }
  if (needed.size === 0) throw new Error(`no ${application} among the plugins`);
  return needed;
}
