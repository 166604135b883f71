// The end of `npm run mutate`: a table by file and folder, the survivors, and which folder misses its score.
import { type MutatedFolder, sourcesOf } from './mutated-folders.ts';
import { type Counts, type FileResult, readResult, scoreOf, sum } from './results.ts';

const columns = ['killed', 'survived', 'no coverage', 'timeout', 'score'];
const nameWidth = 48;

/** @returns whether each folder keeps its score in those of its files that have results */
export function printReport(folders: readonly MutatedFolder[]): boolean {
  const results = folders
    .map((folder) => ({ folder, files: resultsIn(folder) }))
    .filter(({ files }) => files.length > 0);
  if (results.length === 0) console.log('There are no results of these sources as they are now.');
  console.log(`\n${row('', columns)}`);
  for (const { folder, files } of results) {
    for (const file of files) console.log(countsRow(file.source, file));
    console.log(countsRow(`${folder.folder}/ in all`, sum(files)));
  }
  for (const { files } of results) for (const file of files) printSurvivors(file);
  console.log('');
  return results.map(({ folder, files }) => keepsScore(folder, files)).every(Boolean);
}

function resultsIn(folder: MutatedFolder): FileResult[] {
  return sourcesOf(folder).flatMap((source) => readResult(source) ?? []);
}

function printSurvivors({ source, survivors }: FileResult): void {
  for (const { line, original, replacement, covered } of survivors) {
    const what = covered ? 'survived' : 'no coverage';
    console.log(`\n${source}:${line} ${what}\n  - ${oneLine(original)}\n  + ${oneLine(replacement)}`);
  }
}

function keepsScore(folder: MutatedFolder, files: readonly FileResult[]): boolean {
  const score = scoreOf(sum(files));
  const kept = score >= folder.scoreMin;
  const measured = `in ${files.length} of ${sourcesOf(folder).length} files`;
  console.log(
    `${folder.folder}: ${score.toFixed(1)} % found ${measured}, ${folder.scoreMin} % wanted${kept ? '' : ': TOO FEW'}`,
  );
  return kept;
}

function countsRow(name: string, counts: Counts): string {
  const { killed, survived, noCoverage, timeout } = counts;
  return row(name, [...[killed, survived, noCoverage, timeout].map(String), `${scoreOf(counts).toFixed(1)} %`]);
}

function row(name: string, cells: readonly string[]): string {
  return name.padEnd(nameWidth) + cells.map((cell) => cell.padStart(12)).join('');
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
}
