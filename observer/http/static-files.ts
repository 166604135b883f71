// The files of the page: its own, and the two libraries it uses, as they lie in node_modules. Read once, compressed once.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
/** The compiled modules of the page. */
const compiledPage = join(here, '..', 'page');
/** Its HTML, its styles and its icon, which nobody compiles. */
const pageSources = join(here, '..', '..', '..', 'observer', 'page');
const require = createRequire(import.meta.url);

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Where the page finds the modules that it imports by name. */
const vendorModules: Readonly<Record<string, { readonly path: string; readonly file: string }>> = {
  preact: { path: '/vendor/preact.js', file: join(packageFolder('preact'), 'dist', 'preact.module.js') },
  'preact/hooks': {
    path: '/vendor/preact-hooks.js',
    file: join(packageFolder('preact'), 'hooks', 'dist', 'hooks.module.js'),
  },
  'preact/jsx-runtime': {
    path: '/vendor/preact-jsx.js',
    file: join(packageFolder('preact'), 'jsx-runtime', 'dist', 'jsxRuntime.module.js'),
  },
  uplot: { path: '/vendor/uplot.js', file: join(packageFolder('uplot'), 'dist', 'uPlot.esm.js') },
};

export interface StaticFile {
  readonly contentType: string;
  readonly body: Buffer;
  readonly gzipped: Buffer;
  readonly etag: string;
}

export interface StaticFiles {
  /** By path; `/` is the page. */
  readonly files: ReadonlyMap<string, StaticFile>;
  readonly contentSecurityPolicy: string;
}

export function readStaticFiles(): StaticFiles {
  const importMap = JSON.stringify({
    imports: Object.fromEntries(Object.entries(vendorModules).map(([name, { path }]) => [name, path])),
  });
  const html = readFileSync(join(pageSources, 'index.html'), 'utf8').replace('>{}</script>', `>${importMap}</script>`);
  const files = new Map<string, StaticFile>([['/', staticFile('.html', Buffer.from(html))]]);
  for (const [folder, ending] of [
    [pageSources, '.css'],
    [pageSources, '.svg'],
    [compiledPage, '.js'],
  ] as const) {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      if (name.endsWith(ending))
        files.set(`/page/${name.replaceAll('\\', '/')}`, staticFile(ending, withoutMap(join(folder, name))));
    }
  }
  for (const { path, file } of Object.values(vendorModules))
    files.set(path, staticFile(extname(path), withoutMap(file)));
  files.set(
    '/vendor/uplot.css',
    staticFile('.css', readFileSync(join(packageFolder('uplot'), 'dist', 'uPlot.min.css'))),
  );
  return { files, contentSecurityPolicy: policyWith(importMap) };
}

/** Nothing from elsewhere, nothing inline except the import map, no frames around it. */
function policyWith(importMap: string): string {
  const hash = createHash('sha256').update(importMap).digest('base64');
  return [
    "default-src 'none'",
    `script-src 'self' 'sha256-${hash}'`,
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** The source maps are not served. */
function withoutMap(path: string): Buffer {
  return Buffer.from(readFileSync(path, 'utf8').replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '\n'));
}

function staticFile(ending: string, body: Buffer): StaticFile {
  return {
    contentType: contentTypes[ending] ?? 'application/octet-stream',
    body,
    gzipped: gzipSync(body, { level: 9 }),
    etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`,
  };
}

function packageFolder(name: string): string {
  return dirname(require.resolve(`${name}/package.json`));
}
