// `npm run modules`: holds every import to the module rules, and keeps docs/modules.md up to date.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectFolder } from '../shared/contract/documents/documents-on-disk.ts';
import { importsIn } from './modules/imports.ts';
import { exceptions, moduleRules, wrappedPackages } from './modules/module-rules.ts';
import { modulesPage, pagePath } from './modules/modules-page.ts';
import { violations } from './modules/violations.ts';

const usage = `Usage: npm run modules -- [--write]

Checks every import against tools/modules/module-rules.ts, and that docs/modules.md shows them as they are. Exit code 1
when an import is against the rules or the page is stale.

  --write   write docs/modules.md
  --help    print this
`;

function main(): number {
  let values: { write?: boolean; help?: boolean };
  try {
    ({ values } = parseArgs({ options: { write: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } }));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    return 2;
  }
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const folder = projectFolder();
  const imports = importsIn(folder);
  const problems = violations(imports, { modules: moduleRules, exceptions, wrappedPackages });
  const { onDisk, wanted } = modulesPage(folder, imports.files);
  if (onDisk !== wanted && values.write) writeFileSync(join(folder, pagePath), wanted);
  else if (onDisk !== wanted) problems.push(`${pagePath} is stale: npm run modules -- --write`);
  process.stdout.write(`${problems.length === 0 ? 'the imports keep to the rules' : problems.join('\n')}\n`);
  return problems.length === 0 ? 0 : 1;
}

process.exitCode = main();
