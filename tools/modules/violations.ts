// Every import that the module rules forbid, and every cycle, between files as between modules.
import { posix } from 'node:path';
import { cyclesIn, type Graph, grouped } from './graph.ts';
import type { Imports } from './imports.ts';
import type { Exception, ModuleRule } from './module-rules.ts';

export interface Rules {
  readonly modules: Readonly<Record<string, ModuleRule>>;
  readonly exceptions: readonly Exception[];
  readonly wrappedPackages: Readonly<Record<string, string>>;
}

/** A line each; none: the code keeps to the rules. */
export function violations({ files, packages }: Imports, rules: Rules): string[] {
  const regular = withoutExceptions(files, rules.exceptions);
  return [
    ...unknownModules(files, rules),
    ...forbiddenImports(regular, rules),
    ...unusedExceptions(files, rules),
    ...forbiddenPackages(packages, rules),
    ...cycles('files', regular),
    ...cycles('folders', grouped(regular, folderOf)),
  ];
}

/** The innermost module of the table that holds the file; undefined: none does. */
export function moduleOf(path: string, modules: Rules['modules']): string | undefined {
  if (path === '.') return undefined;
  return modules[path] ? path : moduleOf(posix.dirname(path), modules);
}

/** The folder of a file; a file at the top counts as one by itself. */
function folderOf(path: string): string {
  const folder = posix.dirname(path);
  return folder === '.' ? path : folder;
}

export function withoutExceptions(files: Graph, exceptions: readonly Exception[]): Graph {
  const excepted = (from: string, to: string) => exceptions.some((one) => one.from === from && one.to === to);
  return new Map(
    [...files].map(([from, targets]) => [from, new Set([...targets].filter((to) => !excepted(from, to)))]),
  );
}

function unknownModules(files: Graph, { modules }: Rules): string[] {
  const paths = [...files.keys()];
  const inUse = new Set(paths.map((path) => moduleOf(path, modules)));
  return [
    ...paths.filter((path) => !moduleOf(path, modules)).map((path) => `${path} is in no module of the table`),
    ...Object.keys(modules)
      .filter((name) => !inUse.has(name))
      .map((name) => `${name} is in the table, but there is no such module`),
  ];
}

function forbiddenImports(files: Graph, { modules }: Rules): string[] {
  return edgesOf(files).flatMap(([from, to]) => {
    const importer = moduleOf(from, modules);
    const imported = moduleOf(to, modules);
    if (!importer || !imported || importer === imported) return [];
    if (modules[importer]?.mayImport.includes(imported)) return [];
    return [`${from} imports ${to}: ${importer} may not import ${imported}`];
  });
}

function unusedExceptions(files: Graph, { exceptions }: Rules): string[] {
  return exceptions
    .filter(({ from, to }) => !files.get(from)?.has(to))
    .map(({ from, to }) => `${from} no longer imports ${to}: remove the exception`);
}

function forbiddenPackages(packages: Graph, { wrappedPackages }: Rules): string[] {
  return edgesOf(packages)
    .filter(([from]) => /^shared\/|-service\//.test(from))
    .flatMap(([from, name]) => {
      const wrapper = wrappedPackages[name];
      return wrapper && !from.startsWith(`${wrapper}/`) ? [`${from} imports ${name}: only ${wrapper} may`] : [];
    });
}

function cycles(what: string, graph: Graph): string[] {
  return cyclesIn(graph).map((cycle) => `a cycle of ${what}: ${cycle.join(' > ')}`);
}

function edgesOf(graph: Graph): (readonly [from: string, to: string])[] {
  return [...graph].flatMap(([from, targets]) => [...targets].map((to) => [from, to] as const));
}
