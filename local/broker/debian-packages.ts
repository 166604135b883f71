// RabbitMQ out of the distribution's own packages, unpacked into a cache folder: no root, nothing installed, nothing changed.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { delimiter, join } from 'node:path';
import { cacheFolder } from './cache-folder.ts';
import { CommandFailedError, findExecutable, runCommand } from './command.ts';
import { type Installation, installationAt, scriptsBehind } from './installation.ts';
import { PrivateApt } from './private-apt.ts';
import { startPrivateBroker } from './private-broker.ts';
import { identityOf } from './processes.ts';
import { reportWhile } from './progress.ts';
import { type Broker, SourceUnavailableError, type StartContext } from './source.ts';

const UNPACK_TIMEOUT_MS = 5 * 60_000;

/** Throws SourceUnavailableError where this is no Debian or Ubuntu, or its packages cannot be had. */
export async function startFromDebianPackages(context: StartContext): Promise<Broker> {
  return startPrivateBroker('debian', await unpackedPackages(context), context);
}

async function unpackedPackages(context: StartContext): Promise<Installation> {
  const release = debianRelease();
  if (release === undefined) throw new SourceUnavailableError('this is neither Debian nor Ubuntu');
  const cache = cacheFolder();
  const home = join(cache, `rabbitmq-${release}-${process.arch}`);
  if (!existsSync(home)) {
    for (const tool of ['apt-get', 'apt-cache', 'dpkg', 'dpkg-query']) {
      if (findExecutable(tool) === undefined) throw new SourceUnavailableError(`no ${tool} on the PATH`);
    }
    try {
      await unpackInto(home, cache, context);
    } catch (error) {
      if (!(error instanceof CommandFailedError)) throw error;
      throw new SourceUnavailableError(error.message);
    }
  }
  const libraries = [join(home, 'usr/lib'), join(home, 'lib')].flatMap(multiarchFolders).join(delimiter);
  const scripts = scriptsBehind(join(home, 'usr/lib/rabbitmq/bin/rabbitmq-server'));
  if (scripts === undefined) throw new SourceUnavailableError(`${home} holds no rabbitmq-server; remove that folder`);
  return installationAt(scripts, [join(home, 'usr/lib/erlang/bin')], libraries);
}

/**
 * Builds beside `home` and renames at the end, so `home` is whole whenever it exists, whoever was killed in between. Of two that
 * build at the same time the first to finish wins, and the other uses the winner's.
 */
async function unpackInto(home: string, cache: string, context: StartContext): Promise<void> {
  const { progress, signal } = context;
  await removeLeftovers(cache);
  const draft = `${home}.${hostname()}.${process.pid}.${randomBytes(4).toString('hex')}.draft`;
  const root = join(draft, 'root');
  try {
    mkdirSync(root, { recursive: true });
    const apt = new PrivateApt(join(draft, 'apt'), signal);
    await reportWhile('fetching the list of packages', progress, apt.update());
    const packages = await apt.packagesToRun('rabbitmq-server');
    const debs = join(draft, 'debs');
    mkdirSync(debs);
    const download = apt.download(packages, debs);
    await reportWhile(`downloading RabbitMQ and Erlang (${packages.length} packages, about 35 MB)`, progress, download);
    await reportWhile('unpacking them (about 60 MB)', progress, unpackAll(debs, root, signal));
    makeErlangMovable(join(root, 'usr/lib/erlang'));
    try {
      await rename(root, home);
    } catch (error) {
      // a folder that is not empty cannot be renamed over: somebody else was faster, with the same packages
      if (!existsSync(home)) throw error;
    }
  } finally {
    await rm(draft, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function unpackAll(debs: string, root: string, signal: AbortSignal | undefined): Promise<void> {
  for (const deb of await readdir(debs)) {
    await runCommand('dpkg', ['--extract', join(debs, deb), root], { timeoutMs: UNPACK_TIMEOUT_MS, signal });
  }
}

/**
 * Debian's `erl` has /usr/lib/erlang written into it, and so starts a system's Erlang or nothing. Both copies are replaced: the VM
 * looks in its erts folder first when it starts another `erl`.
 */
function makeErlangMovable(erlang: string): void {
  const erts = readdirSync(erlang).find((entry) => entry.startsWith('erts-'));
  if (erts === undefined) throw new SourceUnavailableError('the Erlang packages hold no erts folder');
  const script = (root: string): string =>
    [
      '#!/bin/sh',
      `ROOTDIR=$(cd "$(dirname "$0")/${root}" && pwd -P)`,
      `BINDIR="$ROOTDIR/${erts}/bin"`,
      'EMU=beam',
      'PROGNAME=erl',
      'export EMU ROOTDIR BINDIR PROGNAME',
      'exec "$BINDIR/erlexec" "$@"',
      '',
    ].join('\n');
  writeFileSync(join(erlang, 'bin/erl'), script('..'), { mode: 0o755 });
  writeFileSync(join(erlang, erts, 'bin/erl'), script('../..'), { mode: 0o755 });
}

/** Drafts of processes that were killed while they unpacked. */
async function removeLeftovers(cache: string): Promise<void> {
  for (const entry of await readdir(cache)) {
    const [, host, pid] = /\.([^.].*)\.(\d+)\.[0-9a-f]{8}\.draft$/.exec(entry) ?? [];
    if (host === undefined || pid === undefined) continue;
    if (entry.includes(`.${hostname()}.${pid}.`) && identityOf(Number(pid)) === undefined) {
      await rm(join(cache, entry), { recursive: true, force: true });
    }
  }
}

/** "debian-12", "ubuntu-24.04"; undefined elsewhere. */
function debianRelease(): string | undefined {
  let text: string;
  try {
    text = readFileSync('/etc/os-release', 'utf8');
  } catch {
    return undefined;
  }
  const value = (key: string): string => new RegExp(`^${key}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
  if (!/\b(debian|ubuntu)\b/.test(`${value('ID')} ${value('ID_LIKE')}`)) return undefined;
  return `${value('ID')}-${value('VERSION_ID') || value('VERSION_CODENAME') || 'rolling'}`.replace(/[^\w.-]/g, '_');
}

function multiarchFolders(lib: string): string[] {
  if (!existsSync(lib)) return [];
  return readdirSync(lib)
    .filter((entry) => entry.includes('-linux-gnu'))
    .map((entry) => join(lib, entry));
}
