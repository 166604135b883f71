// The documents that follow from the contract: what each should hold, and whether the file on disk does.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rules } from '../checks/all-checks.ts';
import type { Choreography } from '../language.ts';
import { asyncApiDocument } from './asyncapi.ts';
import { mermaidFlow, mermaidOverview, mermaidSequences, textMap } from './choreography-map.ts';

export interface GeneratedDocument {
  /** Relative to the project. */
  readonly path: string;
  /** What the file holds now; undefined: there is none. */
  readonly onDisk: string | undefined;
  readonly wanted: string;
}

const begin = '<!-- choreography:begin -->';
const end = '<!-- choreography:end -->';

const firstText = `# The choreography

Who says which event, who reacts to it, and what may come of that. Everything between the two markers is generated from
\`shared/contract/choreography.ts\` by \`npm run choreography -- --write\`; what stands outside of them is kept.

${begin}
${end}
`;

/** The folder of package.json: above the sources as well as above what is compiled from them. */
export function projectFolder(from = dirname(fileURLToPath(import.meta.url))): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const above = dirname(from);
  if (above === from) throw new Error('there is no package.json above this file');
  return projectFolder(above);
}

/**
 * Every generated document. README.md is among them only when it exists and holds both markers, for its own part only.
 * @throws Error when a document has lost one of its markers
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

/** Writes those that differ. Returns their paths. */
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
  // Lists of words stand on one line where they fit, which is how the formatter of this project would write them.
  const short = text.replaceAll(
    /^( *(?:"[^"\n]*": )?)\[\n([^[\]{}]+)\n *\](,?)$/gm,
    (whole, key: string, items: string, comma: string) => {
      const line = `${key}[${items.trim().replaceAll(/,\n */g, ', ')}]${comma}`;
      return line.length - comma.length <= 120 ? line : whole;
    },
  );
  return `${short}\n`;
}

/** Mermaid source of every diagram, each under its title, as Markdown. */
export function mermaidText(contract: Choreography): string {
  const sequences = mermaidSequences(contract).map(
    ({ title, source }) => `### ${title}\n\n${fenced('mermaid', source)}`,
  );
  return [
    '## Events and reactions\n\nA solid line leads from an event to what its reader says next; a dotted line to a reader that says nothing.',
    fenced('mermaid', mermaidFlow(contract)),
    `## Paths of a saga\n\n${sequences.join('\n\n')}`,
  ].join('\n\n');
}

function pageBlock(contract: Choreography): string {
  const ruleLines = Object.entries(rules).map(([rule, meaning]) => `- \`${rule}\`: ${meaning}`);
  return [
    '## The table\n\nOutcomes in brackets emit nothing.',
    fenced('text', textMap(contract)),
    `## Rules that it is held to\n\n${ruleLines.join('\n')}`,
    mermaidText(contract),
  ].join('\n\n');
}

function readmeBlock(contract: Choreography): string {
  return `${fenced('mermaid', mermaidOverview(contract))}\n\nEvery path as a diagram of its own, and the table: [docs/choreography.md](docs/choreography.md).`;
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
