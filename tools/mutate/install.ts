// Installs StrykerJS, which the project's own `npm ci` does not: only who runs `npm run mutate` needs it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = 'tools/mutate';

/** @throws Error with what npm wrote */
export async function installStryker(): Promise<void> {
  const lockFile = join(folder, 'package-lock.json');
  // A copy of the lock file that the installed packages are from.
  const installedLockFile = join(folder, 'node_modules/.installed-lock.json');
  if (existsSync(installedLockFile) && readFileSync(installedLockFile).equals(readFileSync(lockFile))) return;
  console.log(`Installing StrykerJS: npm ci in ${folder}`);
  const npm = spawn('npm', ['ci', '--ignore-scripts'], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  npm.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-4_000);
  });
  const [code] = await once(npm, 'close');
  if (code !== 0) throw new Error(`npm ci in ${folder} failed:\n${output}`);
  copyFileSync(lockFile, installedLockFile);
}
