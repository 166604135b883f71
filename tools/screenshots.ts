// `npm run screenshots`: the pictures of the live page in docs/images, taken from a system of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { chromiumArguments, chromiumPath, howToGetChromium } from '../local/chromium.ts';
import { ControlServer } from '../local/control-server.ts';
import { observerProcess } from '../local/observer-process.ts';
import { defaultSettings, System } from '../local/system.ts';
import { projectFolder } from '../shared/contract/documents/documents-on-disk.ts';

const imagesDir = join(projectFolder(), 'docs', 'images');
const size = { width: 1180, height: 660 };

type Take = (page: Page, url: string) => Promise<void>;

/** The order with missing stock, with the step selected that undoes another one. */
const rollBack: Take = async (page, url) => {
  await page.goto(`${url}/#/try`);
  await page.getByRole('button', { name: 'Order, no stock' }).click();
  await page.locator('.saga-title .state.cancelled').waitFor();
  await page.locator('.saga-title a').click();
  await page.locator('.step .type').getByText('payment.refunded', { exact: true }).click();
  await page.locator('.panel').waitFor();
  await page.mouse.move(0, 0);
  await page.evaluate('scrollTo(0, 0)');
};

/** An order that waits for a service that is away. */
const waiting: Take = async (page, url) => {
  await page.goto(`${url}/#/try`);
  await page.getByRole('button', { name: 'Order, deadline passes' }).click();
  await page.locator('.saga-title a').click();
  await page.locator('.next-step.must').first().waitFor();
  await page.evaluate('scrollTo(0, 0)');
};

/** Some minutes of a shop would take minutes: a burst of each outcome has to do. */
const choreography: Take = async (page, url) => {
  for (const name of ['Order', 'Order, no money', 'Order, no stock', 'Order', 'Order'])
    await page.evaluate(
      `fetch('/api/try', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ scenario: '${scenarioOf(name)}' }) })`,
    );
  await page.setViewportSize({ width: 1280, height: 760 });
  await page.goto(`${url}/#/choreography`);
  await page.locator('.map-arrow.busy').nth(5).waitFor();
};

function scenarioOf(title: string): string {
  return title === 'Order' ? 'ok' : title.replace('Order, ', '').replace(' ', '-');
}

async function take(
  browser: Browser,
  url: string,
  name: string,
  play: Take,
  colorScheme: 'light' | 'dark',
): Promise<void> {
  const context = await browser.newContext({ viewport: size, colorScheme, reducedMotion: 'reduce' });
  const page = await context.newPage();
  await page.goto(url);
  await play(page, url);
  await page.evaluate('document.fonts.ready');
  await page.screenshot({ path: join(imagesDir, `${name}.png`) });
  await context.close();
  console.log(`docs/images/${name}.png`);
}

async function main(): Promise<void> {
  const executablePath = chromiumPath();
  if (executablePath === undefined) throw new Error(`no Chromium was found; ${howToGetChromium}`);
  const dataDir = mkdtempSync(join(tmpdir(), 'screenshots-'));
  const system = await System.start({ dataDir, env: defaultSettings, progress: (line) => console.log(line) });
  const control = await ControlServer.start(system);
  const observer = observerProcess(system, { dataDir, port: 0, control, env: defaultSettings });
  await observer.start();
  const browser = await chromium.launch({ executablePath, args: chromiumArguments });
  try {
    await take(browser, observer.url, 'live-rollback', rollBack, 'light');
    await take(browser, observer.url, 'live-rollback-dark', rollBack, 'dark');
    await take(browser, observer.url, 'live-choreography', choreography, 'light');
    await take(browser, observer.url, 'live-waiting', waiting, 'light');
  } finally {
    await browser.close();
    control.stop();
    await observer.stop();
    await system.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

await main();
