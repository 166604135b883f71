// `npm run dev`: npm start that compiles on every change, and restarts the services once what they run has compiled.
import { type Running, runInForeground } from '../local/foreground.ts';
import { CompilerEndedError, TscWatch } from './dev/tsc-watch.ts';
import { readNoArguments } from './start/arguments.ts';
import { welcome } from './start/welcome.ts';

const usage = `npm run dev

Starts everything as npm start does, compiles the sources whenever one changes, and restarts the services after each
compilation without errors. The broker keeps running. Ctrl-C stops everything.

Settings, from the environment: those of npm start.
`;

readNoArguments(usage);
const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function run(running: Running): Promise<void> {
  const compiler = new TscWatch(running.signal);
  print(welcome(running));
  try {
    await restartOnChange(compiler, running);
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

process.exit(await runInForeground(run));
