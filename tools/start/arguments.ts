// The command line of a command that takes its settings from the environment.
import { parseArgs } from 'node:util';

/** Prints the usage and ends the process for --help (exit code 0), and for anything else that is given (2). */
export function readNoArguments(usage: string): void {
  try {
    const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h' } } });
    if (!values.help) return;
    process.stdout.write(usage);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${usage}`);
    process.exit(2);
  }
}
