/**
 * Tests run in plain Node processes that load the program once for all their files (docs/decisions/tests-in-plain-node.md),
 * on a real MongoDB and Redis that are started once for the run.
 */
import { filesOfProjects } from './test/support/projects.mjs';

const stores = {
  globalSetup: '<rootDir>/test/support/start-stores.mjs',
  globalTeardown: '<rootDir>/test/support/stop-stores.mjs',
};

const projects = Object.entries(filesOfProjects(import.meta.dirname)).map(([name, testMatch]) => ({
  displayName: name,
  runner: '<rootDir>/test/support/runner.mjs',
  setupFiles: ['<rootDir>/test/support/register.mjs'],
  testMatch,
  ...(name === 'unit' ? {} : stores),
}));

export default {
  projects,
  testSequencer: '<rootDir>/test/support/longest-first.mjs',
  reporters: ['<rootDir>/test/support/reporter.mjs'],
  // A third of the time of many files is waiting for programs, leases and browsers: three keep two cores busy.
  maxWorkers: 3,
};
