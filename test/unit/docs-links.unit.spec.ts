// The documents name only links, files and npm scripts that exist.
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, relative } from 'node:path';
import { expect } from 'chai';
import { projectFolder } from '../../shared/contract/documents/documents-on-disk.ts';

interface Project {
  /** Files and folders, relative to the project folder, with `/` between names. */
  readonly paths: ReadonlySet<string>;
  readonly scripts: ReadonlySet<string>;
  read(path: string): string;
}

/** Folders that are made by tools, not kept with the sources. */
const madeFolders = new Set(['node_modules', 'dist', 'data', '.git']);
/** What looks like a path but is made at run time, is a media type, or is written by the reader of add-a-service.md. */
const notKept = /^(?:dist|data|log|application|shipping-service|loyalty-service)\/|^manifest\.json$/;
const fileExtension = /\.(?:ts|js|json|md|yml|svg)$/;

/** Every reference in a document to something that does not exist, as one line each. */
function brokenReferences(document: string, text: string, project: Project): string[] {
  const prose = text.replaceAll(/^```.*?^```/gms, '');
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  const code = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, token = '']) => token);
  const scripts = [...text.matchAll(/\bnpm run (?:-\S+ )*([\w:-]+)/g)].map(([, name = '']) => name);
  return [
    ...links.filter((target) => !linkExists(document, target, project)).map((target) => `link ${target}`),
    ...code.filter((token) => isPath(token) && !pathExists(document, token, project)).map((token) => `path ${token}`),
    ...scripts.filter((name) => !project.scripts.has(name)).map((name) => `script ${name}`),
  ].map((reference) => `${document}: ${reference}`);
}

function linkExists(document: string, target: string, { paths, read }: Project): boolean {
  if (/^[a-z]+:/.test(target)) return true;
  const [file = '', anchor] = target.split('#');
  const path = file === '' ? document : posix.join(posix.dirname(document), file);
  if (!paths.has(path.replace(/\/$/, ''))) return false;
  return anchor === undefined || anchorsOf(read(path)).includes(anchor);
}

/** The anchors that GitHub gives the headings. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function isPath(token: string): boolean {
  if (!/^[\w.*-]+(?:\/[\w.*-]+)*\/?$/.test(token) || notKept.test(token)) return false;
  return token.includes('/') || (fileExtension.test(token) && !token.startsWith('.'));
}

/** A path from the project folder or from the document; or, without a folder, the name of any file. `*` is a wildcard. */
function pathExists(document: string, token: string, { paths }: Project): boolean {
  const path = token.replace(/\/$/, '');
  const pattern = RegExp(`^${path.replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`);
  if (!path.includes('/')) return [...paths].some((known) => pattern.test(posix.basename(known)));
  return [...paths].some((known) => pattern.test(known)) || paths.has(posix.join(posix.dirname(document), path));
}

function thisProject(): Project {
  const root = projectFolder();
  const paths = new Set<string>();
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (madeFolders.has(entry.name)) continue;
      const path = join(folder, entry.name);
      paths.add(relative(root, path).replaceAll('\\', '/'));
      if (entry.isDirectory()) walk(path);
    }
  };
  walk(root);
  const read = (path: string) => readFileSync(join(root, path), 'utf8');
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  return { paths, scripts: new Set(Object.keys(scripts)), read };
}

describe('the documents name only what exists:', () => {
  const project = thisProject();
  const documents = [...project.paths].filter(
    (path) => path === 'README.md' || path === 'CONTRIBUTING.md' || (path.startsWith('docs/') && path.endsWith('.md')),
  );

  for (const document of documents) {
    it(document, () => {
      expect(brokenReferences(document, project.read(document), project)).to.deep.equal([]);
    });
  }

  it('the README and the pages in docs are among them', () => {
    expect(documents).to.include.members(['README.md', 'docs/guarantees.md', 'docs/decisions/README.md']);
  });
});

describe('a reference in a document', () => {
  const project: Project = {
    paths: new Set(['docs', 'docs/a.md', 'shared', 'shared/real.ts', 'test', 'test/one.e2e.spec.ts']),
    scripts: new Set(['build', 'test:unit']),
    read: () => '# A title, with `code`\n',
  };
  const broken = (text: string) => brokenReferences('docs/b.md', text, project);

  it('is broken when a link names a file that does not exist', () => {
    expect(broken('[x](gone.md) [y](../docs/a.md)')).to.deep.equal(['docs/b.md: link gone.md']);
  });
  it('is broken when a link names a heading that does not exist', () => {
    expect(broken('[x](a.md#gone) [y](a.md#a-title-with-code)')).to.deep.equal(['docs/b.md: link a.md#gone']);
  });
  it('is broken when a path in backticks does not exist, with a folder or without', () => {
    expect(broken('`shared/gone.ts` `shared/real.ts` `gone.ts` `real.ts` `shared/`')).to.deep.equal([
      'docs/b.md: path shared/gone.ts',
      'docs/b.md: path gone.ts',
    ]);
  });
  it('is broken when a wildcard matches nothing', () => {
    expect(broken('`test/*.e2e.spec.ts` `test/*.sim.spec.ts`')).to.deep.equal(['docs/b.md: path test/*.sim.spec.ts']);
  });
  it('is broken when npm run names a script that does not exist, also in a code block', () => {
    expect(broken('```sh\nnpm run gone -- --flag\nnpm run -s build\n```\n`npm run test:unit`')).to.deep.equal([
      'docs/b.md: script gone',
    ]);
  });
  it('is not checked when it is a web address, a media type, a route or a file made at run time', () => {
    expect(broken('[x](https://example.org/y) `application/json` `GET /orders` `/readyz` `data/x.db`')).to.deep.equal(
      [],
    );
  });
});
