// The Chromium or Chrome of this machine, for the tests of the live page and its screenshots.
import { existsSync } from 'node:fs';

const places = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/snap/bin/chromium',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

export const howToGetChromium = 'apt-get install chromium, or set CHROMIUM_PATH to a Chromium or Chrome';

/** Options for Chromium where it has no sandbox, as root and in containers. It opens nothing but our own page. */
export const chromiumArguments = ['--no-sandbox', '--disable-dev-shm-usage'];

/**
 * @returns undefined where there is none
 * @throws Error when CHROMIUM_PATH names nothing
 */
export function chromiumPath(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const given = env['CHROMIUM_PATH'];
  if (given && !existsSync(given)) throw new Error(`CHROMIUM_PATH=${given}: there is no such file`);
  return given || places.find((path) => existsSync(path));
}
