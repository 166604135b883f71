// The command line of the contract: shows it, holds it to the rules, and writes the documents that follow from it.
import { parseArgs } from 'node:util';
import { checkChoreography, type Finding, rules } from '../shared/contract/checks/all-checks.ts';
import { choreography } from '../shared/contract/choreography.ts';
import { mermaidFlow, textMap } from '../shared/contract/documents/choreography-map.ts';
import {
  asyncApiText,
  generatedDocuments,
  mermaidText,
  writeDocuments,
} from '../shared/contract/documents/documents-on-disk.ts';

const usage = `Usage: npm run choreography -- [option]

Without an option: prints the choreography as text and as a Mermaid flowchart, and checks it. Exit code 1 when a rule is
broken.

  --mermaid    print all diagrams, also of each path, as Markdown with Mermaid
  --asyncapi   print the AsyncAPI 3.0 document
  --write      write docs/choreography.md, docs/asyncapi.json and, where it has the markers, the part of README.md
  --check      exit code 1 when one of these differs from what --write would write
  --help       print this
`;

const options = {
  mermaid: { type: 'boolean' },
  asyncapi: { type: 'boolean' },
  write: { type: 'boolean' },
  check: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Mode = keyof typeof options;

/** The exit code is 0: fine, 1: something is broken or stale, 2: this is no way to call it. */
function main(args: readonly string[]): number {
  let chosen: Mode[];
  try {
    chosen = Object.keys(parseArgs({ args: [...args], options, strict: true }).values) as Mode[];
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
  if (chosen.includes('help')) return print(usage);
  if (chosen.length > 1) return refuse(`--${chosen.join(' and --')} cannot be used together.`);
  switch (chosen[0]) {
    case 'mermaid':
      return print(`${mermaidText(choreography)}\n`);
    case 'asyncapi':
      return print(asyncApiText(choreography));
    case 'write':
      return write();
    case 'check':
      return compare();
    default:
      print(`${textMap(choreography)}\n${mermaidFlow(choreography)}\n`);
      return report(checkChoreography(choreography));
  }
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function refuse(problem: string): number {
  process.stderr.write(`${problem}\n\n${usage}`);
  return 2;
}

function report(findings: readonly Finding[]): number {
  const width = Math.max(...Object.keys(rules).map((rule) => rule.length)) + 2;
  for (const [rule, meaning] of Object.entries(rules)) {
    const broken = findings.filter((finding) => finding.rule === rule);
    print(`${rule.padEnd(width)}${broken.length === 0 ? 'ok' : 'BROKEN'}   ${meaning}\n`);
    for (const { message, path } of broken) print(`  ${message}\n    ${path.join(' > ')}\n`);
  }
  if (findings.length === 0) return 0;
  print(`
${findings.length === 1 ? 'One finding' : `${findings.length} findings`}. Begin with the first: later ones are often its consequence.
Declare the missing event or outcome in shared/contract/choreography.ts, then let the compiler name the reactions to write:
  npm run choreography
The reason for a rule is in shared/contract/checks/<rule>.ts.
`);
  return 1;
}

function write(): number {
  const written = writeDocuments(generatedDocuments(choreography));
  return print(written.length === 0 ? 'everything is up to date\n' : written.map((path) => `wrote ${path}\n`).join(''));
}

function compare(): number {
  const stale = generatedDocuments(choreography).filter(({ onDisk, wanted }) => onDisk !== wanted);
  if (stale.length === 0) return print('everything is up to date\n');
  for (const { path, onDisk } of stale)
    print(`${path} ${onDisk === undefined ? 'is missing' : 'differs from the contract'}\n`);
  print('Write them anew: npm run choreography -- --write\n');
  return 1;
}

process.exitCode = main(process.argv.slice(2));
