// StrykerJS, as `npm run mutate` starts it: once for each source, MUTATE_SOURCE, with its specs in MUTATE_SPECS.

/** Only the source is compiled, beside what the build has compiled already: as tsconfig.json has it, without types. */
const compile = [
  'tsc --ignoreConfig --noCheck --noResolve --lib es5',
  '--target es2023 --module nodenext --rewriteRelativeImportExtensions --verbatimModuleSyntax --sourceMap',
  '--rootDir . --outDir dist',
].join(' ');

export default {
  packageManager: 'npm',
  plugins: ['@stryker-mutator/mocha-runner', './tools/mutate/unmutated-texts.js'],
  ignorers: ['texts'],
  testRunner: 'mocha',
  mochaOptions: { 'no-config': true, spec: (process.env.MUTATE_SPECS ?? '').split(',') },
  coverageAnalysis: 'perTest',
  buildCommand: `${compile} ${process.env.MUTATE_SOURCE ?? ''}`,
  // Both would need TypeScript's API, which TypeScript 7 does not have; --noCheck does without.
  tsconfigFile: 'none',
  disableTypeChecks: false,
  ignorePatterns: ['/data', '/docs', '/bench', '/test', '/simulator', '/model'],
  tempDirName: 'data/mutate/sandbox',
  allowEmpty: true,
  concurrency: 1,
  // A mutant counts as found by its timeout: long enough that a busy machine is not taken for an endless loop.
  timeoutMS: 10_000,
  timeoutFactor: 3,
  dryRunTimeoutMinutes: 30,
  incremental: true,
  reporters: ['progress-append-only'],
};
