// The documents generated from the contract: what each should contain, and what the file on disk contains.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rules } from '../checks/all-checks.ts';
import type { Choreography } from '../language.ts';
import { asyncApiDocument } from './asyncapi.ts';
import { mermaidFlow, mermaidOverview, mermaidSequences, textMap } from './choreography-map.ts';

export interface GeneratedDocument {
  /** Relative to the project folder. */
  readonly path: string;
  /** The content of the file; undefined if it does not exist. */
  readonly onDisk: string | undefined;
  readonly wanted: string;
}

const begin = '<!-- choreography:begin -->';
const end = '<!-- choreography:end -->';

const firstText = `# The choreography

Which service publishes each event, which services subscribe to it, and how they may react. The part between the two
markers is generated from \`shared/contract/choreography.ts\` by \`npm run choreography -- --write\`; the rest is kept.

${begin}
${end}
`;

/** The folder of package.json, which is above both the sources and the compiled files. */
export function projectFolder(from = dirname(fileURLToPath(import.meta.url))): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const above = dirname(from);
  if (above === from) throw new Error('there is no package.json above this file');
  return projectFolder(above);
}

/**
 * Every generated document. README.md is included only if it exists and contains a marker; only its part between the
 * markers is generated.
 * @throws Error if a document has lost one of its markers
 */
export function generatedDocuments(contract: Choreography, folder = projectFolder()): GeneratedDocument[] {
  const read = (path: string) =>
    existsSync(join(folder, path)) ? readFileSync(join(folder, path), 'utf8') : undefined;
  const page = read('docs/choreography.md');
  const readme = read('README.md');
  const documents = [
    {
      path: 'docs/choreography.md',
      onDisk: page,
      wanted: withBlock('docs/choreography.md', page ?? firstText, pageBlock(contract)),
    },
    { path: 'docs/asyncapi.json', onDisk: read('docs/asyncapi.json'), wanted: asyncApiText(contract) },
  ];
  if (readme?.includes(begin) || readme?.includes(end)) {
    documents.push({
      path: 'README.md',
      onDisk: readme,
      wanted: withBlock('README.md', readme, readmeBlock(contract)),
    });
  }
  return documents;
}

/** Writes the documents that differ from their files. Returns their paths. */
export function writeDocuments(documents: readonly GeneratedDocument[], folder = projectFolder()): string[] {
  const stale = documents.filter(({ onDisk, wanted }) => onDisk !== wanted);
  for (const { path, wanted } of stale) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), wanted);
  }
  return stale.map(({ path }) => path);
}

export function asyncApiText(contract: Choreography): string {
  const text = JSON.stringify(asyncApiDocument(contract), null, 2);
  // The formatter of this project puts a list of strings on one line if it fits, so this must, too.
  const short = text.replaceAll(
    /^( *(?:"[^"\n]*": )?)\[\n([^[\]{}]+)\n *\](,?)$/gm,
    (whole, key: string, items: string, comma: string) => {
      const line = `${key}[${items.trim().replaceAll(/,\n */g, ', ')}]${comma}`;
      return line.length - comma.length <= 120 ? line : whole;
    },
  );
  return `${short}\n`;
}

/** The Mermaid source of every diagram, under its title, as Markdown. */
export function mermaidText(contract: Choreography): string {
  const sequences = mermaidSequences(contract).map(
    ({ title, source }) => `### ${title}\n\n${fenced('mermaid', source)}`,
  );
  return [
    '## Events and reactions\n\nA solid arrow leads to the event that a subscriber publishes next. A dotted arrow leads to a subscriber that publishes\nnothing. Rounded boxes are final events.',
    fenced('mermaid', mermaidFlow(contract)),
    `## Paths of a saga\n\nHow a saga is confirmed, refused or withdrawn. Withdrawals that cross a refusal are left out.\n\n${sequences.join('\n\n')}`,
  ].join('\n\n');
}

function pageBlock(contract: Choreography): string {
  const ruleLines = Object.entries(rules).map(([rule, meaning]) => `- \`${rule}\`: ${meaning}`);
  return [
    '## The contract\n\nBelow each event are its subscribers and their possible outcomes. Outcomes in parentheses publish nothing.',
    fenced('text', textMap(contract)),
    `## Rules\n\n\`npm run choreography\` checks the contract against these rules:\n\n${ruleLines.join('\n')}`,
    mermaidText(contract),
  ].join('\n\n');
}

function readmeBlock(contract: Choreography): string {
  return `${fenced('mermaid', mermaidOverview(contract))}\n\n[docs/choreography.md](docs/choreography.md) has the full table and a diagram of each path.`;
}

function fenced(language: string, source: string): string {
  return `\`\`\`${language}\n${source.trimEnd()}\n\`\`\``;
}

function withBlock(path: string, text: string, block: string): string {
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${path} needs a line ${begin} and, after it, a line ${end}`);
  return `${text.slice(0, from)}${begin}\n\n${block}\n\n${text.slice(to)}`;
}
