// StrykerJS, as `npm run mutate` starts it: once for each group of sources, with the group's specs in MUTATE_SPECS.
export default {
  packageManager: 'npm',
  plugins: ['@stryker-mutator/mocha-runner', './tools/mutate/unmutated-texts.js'],
  ignorers: ['texts'],
  testRunner: 'mocha',
  mochaOptions: { 'no-config': true, spec: (process.env.MUTATE_SPECS ?? '').split(',') },
  coverageAnalysis: 'perTest',
  buildCommand: 'tsc -p tsconfig.json --noCheck',
  // Both would need TypeScript's API, which TypeScript 7 does not have; --noCheck does without.
  tsconfigFile: 'none',
  disableTypeChecks: false,
  // The compiled tests stay: results are thrown away when the tests that they came from have changed.
  ignorePatterns: ['/dist/*', '!/dist/test', '/data'],
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
