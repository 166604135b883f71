// The simulator's command line: runs seeds, planted bugs, or every small case, and prints the result.
// Exit code 0: every promise held; 1: a violation, or something that was never reached; 2: wrong arguments; 130: stopped.
import { UsageError } from '../local/usage-error.ts';
import { exploreScenarios } from './simulate/explore-scenarios.ts';
import { findMutants } from './simulate/find-mutants.ts';
import { runSeeds } from './simulate/run-seeds.ts';
import { parseSettings, usage } from './simulate/settings.ts';

const stopping = new AbortController();
process.once('SIGINT', () => {
  stopping.abort();
  console.error('stopped');
  process.exit(130);
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof UsageError ? `${error.message}\nTry --help.` : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function main(args: readonly string[]): Promise<number> {
  const settings = parseSettings(args);
  if (settings === 'help') {
    console.log(usage);
    return 0;
  }
  switch (settings.mode) {
    case 'mutants':
      return findMutants(settings, stopping.signal);
    case 'exhaustive':
      return exploreScenarios();
    case 'seeds':
      return runSeeds(settings, stopping.signal);
  }
}
