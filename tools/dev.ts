// `npm run dev`: npm start that compiles on every change, and restarts the services once what they run has compiled.
import { type Running, runInForeground } from '../local/foreground.ts';
import { TscWatch } from './dev/tsc-watch.ts';
import { readNoArguments } from './start/arguments.ts';
import { welcome } from './start/welcome.ts';

const usage = `npm run dev

Starts everything as npm start does, compiles the sources whenever one changes, and restarts the services after each
compilation without errors. The broker keeps running. Ctrl-C stops everything.

Settings, from the environment: those of npm start.
`;

readNoArguments(usage);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function restartOnChange({ signal, restartServices, ...running }: Running): Promise<void> {
  const compiler = new TscWatch(signal);
  print(welcome({ signal, restartServices, ...running }));
  // The first compilation is the one that these services run already.
  let first = true;
  for await (const { errors, output } of compiler.compilations()) {
    if (errors > 0) print(`${output}\nThe services keep running as they are until this compiles.`);
    else if (!first) {
      print('Compiled. Restarting the services …');
      await restartServices();
    } else print('Watching for changes.');
    first = false;
  }
}

process.exit(await runInForeground(restartOnChange));
