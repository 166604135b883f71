// What imports what: the project's source files, read as text, since the native compiler has no JavaScript API.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, sep } from 'node:path';
import { z } from 'zod';
import type { Graph } from './graph.ts';

export interface Imports {
  /** Between source files, by path from the project's folder. Types count: they are knowledge, too. */
  readonly files: Graph;
  /** From each source file to the packages it imports. */
  readonly packages: Graph;
}

// Node needs the extension of a relative import, so each one holds it: imports and exports, of values and of types, static
// and dynamic. The paths of files that are started as processes or threads are found as well.
const quotedPath = /['"`](\.\.?\/[^'"`\n]+)\.([jt]sx?)['"`]/g;
const importedPackage = /(?:\bfrom |\bimport\(|^import )['"`]((?:@[\w.-]+\/)?[\w-][\w.-]*)(?:\/[^'"`\n]*)?['"`]/gm;

export function importsIn(folder: string): Imports {
  const paths = sourceFiles(folder);
  const known = new Set(paths);
  const files = new Map<string, ReadonlySet<string>>();
  const packages = new Map<string, ReadonlySet<string>>();
  for (const path of paths) {
    const source = readFileSync(join(folder, path), 'utf8');
    files.set(path, new Set(relativeImports(path, source).filter((imported) => known.has(imported))));
    packages.set(path, new Set(packageImports(source)));
  }
  return { files, packages };
}

export function relativeImports(path: string, source: string): string[] {
  return [...source.matchAll(quotedPath)].map(([, imported, ending = '']) =>
    posix.join(dirname(path), `${imported}.${ending.replace('js', 'ts')}`),
  );
}

export function packageImports(source: string): string[] {
  return [...source.matchAll(importedPackage)].map(([, name]) => String(name));
}

/** What the compiler takes in, in a fixed order. */
function sourceFiles(folder: string): string[] {
  const { include } = z
    .object({ include: z.array(z.string()) })
    .parse(JSON.parse(readFileSync(join(folder, 'tsconfig.json'), 'utf8')));
  return include
    .flatMap((path) => foldersLike(folder, path))
    .flatMap((path) => (path.endsWith('.ts') ? [path] : sourceFilesBelow(folder, path)))
    .sort();
}

// A pattern such as `*-service/**/*` stands for all folders at the top whose names end so; any other path, for itself.
function foldersLike(folder: string, path: string): string[] {
  if (!path.startsWith('*')) return [path];
  const [ending = ''] = path.slice(1).split('/');
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name.endsWith(ending))
    .map(({ name }) => name);
}

function sourceFilesBelow(folder: string, path: string): string[] {
  return readdirSync(join(folder, path), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file) && !file.split(sep).includes('node_modules'))
    .map((file) => posix.join(path, file.replaceAll(sep, '/')));
}
