// `npm run mutate`: what it mutates, which specs it runs, and how it counts.
import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { mutatedFolders, sourcesOf, specsOf } from '../../tools/mutate/mutated-folders.ts';
import { none, scoreOf, sum } from '../../tools/mutate/results.ts';

describe('npm run mutate', () => {
  for (const folder of mutatedFolders)
    it(`finds the sources and the specs of ${folder.folder}`, () => {
      expect(sourcesOf(folder)).to.not.be.empty;
      for (const name of folder.without) expect(existsSync(`${folder.folder}/${name}`), name).to.equal(true);
      for (const name of Object.keys(folder.ownSpecs ?? {}))
        expect(sourcesOf(folder)).to.include(`${folder.folder}/${name}`);
      for (const compiled of sourcesOf(folder).flatMap((source) => specsOf(folder, source))) {
        const spec = compiled.replace('dist/', '').replace('.js', '.ts');
        expect(existsSync(spec), spec).to.equal(true);
      }
    });

  it('counts a timeout as found, and code that no test runs as not found', () => {
    expect(scoreOf({ killed: 6, timeout: 3, survived: 0, noCoverage: 1 })).to.equal(90);
    expect(scoreOf({ killed: 9, timeout: 0, survived: 1, noCoverage: 0 })).to.equal(90);
  });

  it('finds everything in a file in which nothing can be mutated', () => {
    expect(scoreOf(none)).to.equal(100);
  });

  it('scores a folder by its mutants, not by its files', () => {
    const small = { ...none, survived: 1 };
    const large = { ...none, killed: 99 };
    expect(scoreOf(sum([small, large]))).to.equal(99);
  });
});
