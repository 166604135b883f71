// A real browser for the tests of the live page: Chromium as the machine has it. Where there is none, the tests say how to
// get one and are skipped.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { chromiumArguments, chromiumPath, howToGetChromium } from '../../local/chromium.ts';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Skips the tests around it, with the reason, where there is no browser. */
export async function launchBrowser(context: Mocha.Context): Promise<Browser> {
  const executablePath = chromiumPath();
  if (executablePath === undefined) {
    console.log(`      SKIPPED, the live page is not tested: no Chromium was found; ${howToGetChromium}`);
    return context.skip();
  }
  return chromium.launch({ executablePath, args: [...chromiumArguments] });
}

/** A page that fails its test for every error that it reports itself. */
export class WatchedPage {
  readonly page: Page;
  readonly errors: string[] = [];
  /** Hosts that it has asked for anything. */
  readonly hosts = new Set<string>();

  private constructor(page: Page) {
    this.page = page;
    page.setDefaultTimeout(15_000);
    page.on('pageerror', (error) => this.errors.push(error.stack ?? error.message));
    page.on('console', (message) => {
      // A lost connection is reported by the browser itself; tests lose it on purpose.
      if (message.type() === 'error' && !/net::ERR_|Failed to load resource/.test(message.text()))
        this.errors.push(message.text());
    });
    page.on('request', (request) => this.hosts.add(new URL(request.url()).host));
  }

  static async open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<WatchedPage> {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 900 },
      reducedMotion: 'reduce',
      ...options,
    });
    const watched = new WatchedPage(await context.newPage());
    await watched.page.goto(url);
    return watched;
  }

  /** What axe-core finds wrong with the page as it is now, a line each. */
  async violations(): Promise<string[]> {
    // Past the content security policy, which lets no foreign script in.
    await this.page.evaluate(axeSource);
    const results = (await this.page.evaluate('axe.run(document, { resultTypes: ["violations"] })')) as AxeResults;
    return results.violations.map(
      ({ id, help, nodes }) =>
        `${id}: ${help}; ${nodes
          .map(({ html }) => html.slice(0, 120))
          .slice(0, 3)
          .join(' | ')}`,
    );
  }

  /** @throws Error when the page has reported an error */
  async close(): Promise<void> {
    await this.page.context().close();
    if (this.errors.length > 0) throw new Error(`the page reported:\n${this.errors.join('\n')}`);
  }
}
