// Installs the packages of the peers, which the project's own `npm ci` does not: only who compares needs them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Peer } from '../load/load.ts';
import { peersFolder } from './peers.ts';

/** @throws Error with what npm wrote */
export async function installPeer(peer: Peer, progress: (line: string) => void, signal: AbortSignal): Promise<void> {
  const folder = new URL(`${peer}/`, peersFolder);
  const lockFile = new URL('package-lock.json', folder);
  // A copy of the lock file that the installed packages are from.
  const installedLockFile = new URL('node_modules/.installed-lock.json', folder);
  if (existsSync(installedLockFile) && readFileSync(installedLockFile).equals(readFileSync(lockFile))) return;
  progress(`installing the packages of the peer '${peer}': npm ci in bench/peers/${peer}`);
  const npm = spawn('npm', ['ci', '--ignore-scripts'], {
    cwd: fileURLToPath(folder),
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  });
  let output = '';
  for (const stream of [npm.stdout, npm.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-4_000);
    });
  }
  const [code] = await once(npm, 'close');
  if (code !== 0) throw new Error(`npm ci in bench/peers/${peer} failed:\n${output}`);
  copyFileSync(lockFile, installedLockFile);
}
