// The generated documents on disk are up to date, complete and valid.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { choreography, type EventType } from '../../shared/contract/choreography.ts';
import { mermaidFlow, mermaidSequences, textMap } from '../../shared/contract/documents/choreography-map.ts';
import {
  generatedDocuments,
  projectFolder,
  writeDocuments,
} from '../../shared/contract/documents/documents-on-disk.ts';
import { type Choreography, isSilent } from '../../shared/contract/language.ts';

const types = Object.keys(choreography.events);
const idOf = (type: string) => type.replaceAll(/[^A-Za-z0-9]/g, '_');

function run(...args: string[]) {
  const tool = join(projectFolder(), 'dist/tools/choreography.js');
  return spawnSync(process.execPath, [tool, ...args], { encoding: 'utf8' });
}

describe('the documents of the choreography', () => {
  for (const { path, onDisk, wanted } of generatedDocuments(choreography)) {
    it(`${path} is up to date (otherwise: npm run choreography -- --write)`, () => {
      expect(onDisk).to.equal(wanted);
    });
  }

  it('the text names every event, every subscriber and every outcome', () => {
    const lines = textMap(choreography).split('\n');
    for (const [type, spec] of Object.entries((choreography as Choreography).events)) {
      const at = lines.findIndex((line) => line.startsWith(`${type} `));
      expect(lines[at], type).to.contain(spec.by);
      const block = lines.slice(at + 1, at + 1 + Object.keys(spec.reactions).length);
      const expected = Object.entries(spec.reactions).map(
        ([service, outcomes]) =>
          `${service} → ${outcomes.map((name) => (isSilent(name) ? `(${name})` : name)).join(' | ')}`,
      );
      expect(block.map((line) => line.trim().replaceAll(/ +/g, ' '))).to.deep.equal(expected);
    }
  });

  it('the flowchart has every event, and an arrow for every outcome', () => {
    const flow = mermaidFlow(choreography);
    for (const type of types) expect(flow).to.contain(`"${type}"`);
    for (const [type, spec] of Object.entries((choreography as Choreography).events)) {
      for (const outcome of Object.values(spec.reactions).flat()) {
        const id = idOf(type);
        if (isSilent(outcome)) expect(flow).to.match(new RegExp(`${id} -\\.->\\|"[a-z, ]*${outcome}`));
        else expect(flow).to.contain(`${id} --> ${idOf(outcome)}\n`);
      }
    }
  });

  it('the sequence diagrams show a saga confirmed, refused and withdrawn, with every event of a saga', () => {
    const sequences = mermaidSequences(choreography);
    expect(sequences.map(({ title }) => title)).to.deep.equal([
      'Confirmed',
      'Refused: inventory.rejected',
      'Refused: payment.failed',
      'Withdrawn after inventory.reserved',
      'Withdrawn after payment.completed',
      'Withdrawn before any step',
    ]);
    const all = sequences.map(({ source }) => source).join('\n');
    for (const type of types.filter((name) => !('standalone' in choreography.events[name as EventType])))
      expect(all).to.contain(`: ${type}\n`);
  });

  it('a sequence diagram shows an event that overtakes another before it', () => {
    const source = mermaidSequences(choreography).find(
      ({ title }) => title === 'Withdrawn after payment.completed',
    )?.source;
    const messages = source?.split('\n').filter((line) => line.includes('->>') || line.includes('Note'));
    expect(messages?.map((line) => line.trim().replaceAll('_service', ''))).to.deep.equal([
      'order->>payment: order.placed',
      'payment->>order: payment.completed',
      'order->>payment: order.withdrawn',
      'order->>inventory: order.withdrawn',
      'payment->>inventory: payment.completed',
      'Note over inventory: fenced',
      'payment->>order: payment.refunded',
      'Note over order: waits',
      'inventory->>order: inventory.voided',
      'Note over order: order.cancelled',
    ]);
  });

  it('writing changes only the part between the markers, and nothing the second time', () => {
    const folder = mkdtempSync(join(tmpdir(), 'choreography-'));
    try {
      const readme = join(folder, 'README.md');
      writeFileSync(readme, 'before\n<!-- choreography:begin -->\nold\n<!-- choreography:end -->\nafter\n');
      const written = writeDocuments(generatedDocuments(choreography, folder), folder);
      expect(written).to.deep.equal(['docs/choreography.md', 'docs/asyncapi.json', 'README.md']);
      const text = readFileSync(readme, 'utf8');
      expect(text)
        .to.match(/^before\n<!-- choreography:begin -->\n/)
        .and.to.match(/<!-- choreography:end -->\nafter\n$/);
      expect(text).to.contain('order.placed').and.to.not.contain('old\n');
      expect(writeDocuments(generatedDocuments(choreography, folder), folder)).to.deep.equal([]);
      writeFileSync(readme, 'nothing of it\n');
      expect(generatedDocuments(choreography, folder).map(({ path }) => path)).to.not.contain('README.md');
      writeFileSync(readme, '<!-- choreography:end -->\n');
      expect(() => generatedDocuments(choreography, folder)).to.throw(
        /README\.md needs a line <!-- choreography:begin -->/,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  describe('the command', () => {
    it('prints the contract and an ok for each rule', () => {
      const { status, stdout } = run();
      expect(stdout.startsWith(textMap(choreography))).to.equal(true);
      expect(stdout.match(/^[a-z-]+ +ok /gm)).to.have.length(7);
      expect(status).to.equal(0);
    });
    it('refuses an unknown flag, and two flags at once, with exit code 2 and the usage', () => {
      for (const args of [['--mermiad'], ['--mermaid', '--asyncapi'], ['extra']]) {
        const { status, stderr } = run(...args);
        expect(status, args.join(' ')).to.equal(2);
        expect(stderr).to.contain('Usage:');
      }
    });
    it('prints the documents', () => {
      expect(JSON.parse(run('--asyncapi').stdout)).to.have.property('asyncapi', '3.0.0');
      expect(run('--mermaid').stdout).to.contain('sequenceDiagram');
      expect(run('--help')).to.include({ status: 0 });
      expect(run('--check')).to.include({ status: 0, stdout: 'Everything is up to date.\n' });
    });
  });
});
