// Every import of the project keeps to tools/modules/module-rules.ts, and the check notices what does not.
import { expect } from 'chai';
import { projectFolder } from '../../shared/contract/documents/documents-on-disk.ts';
import { cyclesIn, reduced } from '../../tools/modules/graph.ts';
import { importsIn, packageImports, relativeImports } from '../../tools/modules/imports.ts';
import { exceptions, moduleRules, wrappedPackages } from '../../tools/modules/module-rules.ts';
import { modulesPage, withBlock } from '../../tools/modules/modules-page.ts';
import { type Rules, violations } from '../../tools/modules/violations.ts';

const folder = projectFolder();
const imports = importsIn(folder);
const rules: Rules = { modules: moduleRules, exceptions, wrappedPackages };

type Edges = Readonly<Record<string, readonly string[]>>;

function graph(edges: Edges): Map<string, Set<string>> {
  const nodes = new Set([...Object.keys(edges), ...Object.values(edges).flat()]);
  return new Map([...nodes].map((node) => [node, new Set(edges[node])]));
}

/** What the real rules say of these imports, but for modules that are missing from so small a project. */
function verdict(files: Edges, packages: Edges = {}, withExceptions: Rules['exceptions'] = []): string[] {
  return violations(
    { files: graph(files), packages: graph(packages) },
    { ...rules, exceptions: withExceptions },
  ).filter((line) => !line.endsWith('there is no such module'));
}

describe('the directions between modules', () => {
  it('are kept by every import (otherwise: npm run modules)', () => {
    expect(violations(imports, rules)).to.deep.equal([]);
  });

  it('are what docs/modules.md shows (otherwise: npm run modules -- --write)', () => {
    const { onDisk, wanted } = modulesPage(folder, imports.files);
    expect(onDisk).to.equal(wanted);
  });

  it('are read from the real code: known imports are found, of values, of types and of several lines', () => {
    expect([...(imports.files.get('order-service/main.ts') ?? [])]).to.include('order-service/program.ts');
    expect([...(imports.files.get('services.ts') ?? [])]).to.include('shared/contract/choreography.ts');
    expect([...(imports.files.get('tools/choreography.ts') ?? [])]).to.include(
      'shared/contract/documents/documents-on-disk.ts',
    );
    expect([...(imports.packages.get('shared/runtime/rabbitmq/amqp-connection.ts') ?? [])]).to.include('amqplib');
  });

  it('contain no cycle, as the table has them', () => {
    const table = Object.entries(moduleRules).map(([name, { mayImport }]) => [name, new Set(mayImport)] as const);
    expect(cyclesIn(new Map(table))).to.deep.equal([]);
    for (const [name, allowed] of table)
      for (const other of allowed) expect(moduleRules, `${name} may import`).to.have.property(other);
  });
});

describe('the check of the directions refuses', () => {
  const forbidden: readonly (readonly [what: string, from: string, to: string, problem: string])[] = [
    [
      'the contract to import the runtime',
      'shared/contract/topology.ts',
      'shared/runtime/messaging/bus.ts',
      'shared/contract may not import shared/runtime/messaging',
    ],
    [
      'storage to import messaging',
      'shared/runtime/storage/outbox.ts',
      'shared/runtime/messaging/bus.ts',
      'shared/runtime/storage may not import shared/runtime/messaging',
    ],
    [
      'messaging to import RabbitMQ',
      'shared/runtime/messaging/outbox-relay.ts',
      'shared/runtime/rabbitmq/amqp-bus.ts',
      'shared/runtime/messaging may not import shared/runtime/rabbitmq',
    ],
    [
      'one service to import another',
      'order-service/routes.ts',
      'payment-service/store.ts',
      'order-service may not import payment-service',
    ],
    [
      'a service to import RabbitMQ',
      'payment-service/commands.ts',
      'shared/runtime/rabbitmq/amqp-bus.ts',
      'payment-service may not import shared/runtime/rabbitmq',
    ],
    [
      'shared/ to import a service',
      'shared/runtime/node/service-node.ts',
      'order-service/order.ts',
      'shared/runtime/node may not import order-service',
    ],
    ['local/ to import tools/', 'local/system.ts', 'tools/demo/shop.ts', 'local may not import tools/demo'],
    ['anything to import a test', 'bench/main.ts', 'test/support/wait.ts', 'bench may not import test/support'],
  ];
  for (const [what, from, to, problem] of forbidden) {
    it(what, () => {
      expect(verdict({ [from]: [to] })).to.deep.equal([`${from} imports ${to}: ${problem}`]);
      expect(verdict({ [from]: [to] }, {}, [{ from, to, because: 'a test' }]), 'as an exception').to.deep.equal([]);
    });
  }

  it('a file in a folder that the table does not know', () => {
    expect(verdict({ 'shared/helpers/strings.ts': [] })).to.deep.equal([
      'shared/helpers/strings.ts is in no module of the table',
    ]);
  });

  it('a module of the table that is gone', () => {
    expect(violations({ files: graph({ 'services.ts': [] }), packages: graph({}) }, rules)).to.include(
      'order-service is in the table, but there is no such module',
    );
  });

  it('an exception that nothing needs any more', () => {
    const gone = { from: 'local/ports.ts', to: 'tools/start.ts', because: 'a test' };
    expect(verdict({ 'local/ports.ts': [], 'tools/start.ts': [] }, {}, [gone])).to.deep.equal([
      'local/ports.ts no longer imports tools/start.ts: remove the exception',
    ]);
  });

  it('a wrapped package outside of the module that wraps it, and only in shared/ and the services', () => {
    const packages = {
      'order-service/store.ts': ['better-sqlite3'],
      'shared/runtime/storage/database.ts': ['better-sqlite3'],
      'simulator/sim-database.ts': ['better-sqlite3'],
    };
    expect(verdict({}, packages)).to.deep.equal([
      'order-service/store.ts imports better-sqlite3: only shared/runtime/storage may',
    ]);
  });

  it('cycles between files of one module, each of them', () => {
    const files = {
      'bench/a.ts': ['bench/b.ts'],
      'bench/b.ts': ['bench/c.ts'],
      'bench/c.ts': ['bench/a.ts', 'bench/b.ts'],
    };
    expect(verdict(files)).to.have.length(2);
    for (const line of verdict(files)) expect(line).to.match(/^a cycle of files: bench\//);
  });

  it('a cycle of folders that is none of files', () => {
    const files = { 'bench/load/a.ts': ['bench/b.ts'], 'bench/c.ts': ['bench/load/a.ts'] };
    expect(verdict(files)).to.deep.equal(['a cycle of folders: bench/load > bench > bench/load']);
  });
});

describe('reading imports', () => {
  it('finds every form of them', () => {
    const source = `
import { a } from './a.ts';
import type { B } from '../b.ts';
import {
  c,
  d,
} from '../shared/c.ts';
export { type E, e } from './e.ts';
export * from './f.ts';
import './g.ts';
const h = await import('./h.ts');
type I = import('./i.ts').I;
import { j } from "./j.js";
const k = await import(\`./k.ts\`);
import koa from 'koa';
import { join } from 'node:path';
import router from '@koa/router';
import schema from '@asyncapi/specs/schemas/3.0.0.json';
`;
    expect(relativeImports('tools/x.ts', source)).to.deep.equal([
      'tools/a.ts',
      'b.ts',
      'shared/c.ts',
      'tools/e.ts',
      'tools/f.ts',
      'tools/g.ts',
      'tools/h.ts',
      'tools/i.ts',
      'tools/j.ts',
      'tools/k.ts',
    ]);
    expect(packageImports(source)).to.deep.equal(['koa', '@koa/router', '@asyncapi/specs']);
  });
});

describe('the picture of the modules', () => {
  it('leaves out an arrow that follows from others', () => {
    const targets = [...reduced(graph({ a: ['b', 'c'], b: ['c'] }))].map(([from, to]) => [from, [...to]]);
    expect(targets).to.deep.equal([
      ['a', ['b']],
      ['b', ['c']],
      ['c', []],
    ]);
  });

  it('changes only what is between its markers, and needs both', () => {
    const page = 'before\n<!-- modules:begin -->\nold\n<!-- modules:end -->\nafter\n';
    expect(withBlock(page, 'new')).to.equal('before\n<!-- modules:begin -->\n\nnew\n\n<!-- modules:end -->\nafter\n');
    expect(() => withBlock('<!-- modules:end -->', 'new')).to.throw(/needs a line <!-- modules:begin -->/);
  });
});
