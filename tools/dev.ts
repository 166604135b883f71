// `npm run dev`: npm start that compiles on every change, and restarts the services once what they run has compiled.
import { watch } from 'node:fs/promises';
import { join } from 'node:path';
import { projectDir } from '../local/compose.ts';
import { type Running, runInForeground } from '../local/foreground.ts';
import type { LivePage } from '../local/live-page.ts';
import { CompilerEndedError, TscWatch } from './dev/tsc-watch.ts';
import { readNoArguments } from './start/arguments.ts';
import { welcome } from './start/welcome.ts';

const usage = `npm run dev

Starts everything as npm start does, compiles the sources whenever one changes, and restarts the services after each
compilation without errors. A change of the live page restarts only what serves it. The broker keeps running. Ctrl-C stops
everything.

Settings, from the environment: those of npm start.
`;

readNoArguments(usage);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function run(running: Running): Promise<void> {
  const compiler = new TscWatch('tsconfig.json', running.signal);
  print(welcome(running));
  try {
    await Promise.all([
      restartOnChange(compiler, running),
      ...(running.livePage ? followPage(running.livePage, running.signal) : []),
    ]);
  } catch (error) {
    if (!(error instanceof CompilerEndedError)) throw error;
    print(`${error.message}\nThe services keep running; changes have no effect until npm run dev is started again.`);
  }
}

async function restartOnChange(compiler: TscWatch, { restartServices }: Running): Promise<void> {
  // The first compilation changes nothing: it is what these services are running.
  let first = true;
  for await (const { errors, output } of compiler.compilations()) {
    if (errors > 0) print(`${output}\nThe services keep running the last version that compiled.`);
    else if (first) print('Watching for changes.');
    else {
      print('Compiled. Restarting the services …');
      await restartServices();
    }
    first = false;
  }
}

/** The page is compiled by itself; its HTML and its styles are served as they are. */
function followPage(page: LivePage, signal: AbortSignal): Promise<void>[] {
  const restart = async () => {
    await page.restart();
    print('The live page has changed: load it again.');
  };
  return [
    restartOnCompiled(new TscWatch('observer/page/tsconfig.json', signal), restart),
    restartOnSaved(signal, restart),
  ];
}

async function restartOnCompiled(compiler: TscWatch, restart: () => Promise<void>): Promise<void> {
  let first = true;
  for await (const { errors, output } of compiler.compilations()) {
    if (errors > 0) print(`${output}\nThe live page stays the last version that compiled.`);
    else if (!first) await restart();
    first = false;
  }
}

async function restartOnSaved(signal: AbortSignal, restart: () => Promise<void>): Promise<void> {
  const changes = watch(join(projectDir, 'observer', 'page'), { recursive: true, signal });
  try {
    for await (const { filename } of changes) if (/\.(css|html|svg)$/.test(filename ?? '')) await restart();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

process.exit(await runInForeground(run));
