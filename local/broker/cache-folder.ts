// Where things that can be had again are kept between runs.
import { accessSync, constants, lstatSync, mkdirSync, mkdtempSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** `$XDG_CACHE_HOME` or `~/.cache`, and the temporary folder when neither can be written; made when it is not there. */
export function cacheFolder(): string {
  const given = process.env['XDG_CACHE_HOME'];
  const base = given !== undefined && isAbsolute(given) ? given : join(homedir(), '.cache');
  const usual = join(base, 'choreography-saga');
  // RabbitMQ's scripts do not quote their own path
  if (!/\s/.test(usual) && madeWritable(usual)) return usual;
  const inTemporary = join(tmpdir(), `choreography-saga-cache-${userInfo().uid}`);
  if (madeWritable(inTemporary) && isOurs(inTemporary)) return inTemporary;
  return mkdtempSync(join(tmpdir(), 'choreography-saga-cache-'));
}

function madeWritable(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Anybody may make a folder of that name in a shared place, and we are going to execute what lies in it. */
function isOurs(folder: string): boolean {
  const found = lstatSync(folder);
  return found.isDirectory() && found.uid === userInfo().uid && (found.mode & 0o022) === 0;
}
