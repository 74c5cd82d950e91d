/**
 * One line a file, each failure under its file, then what was skipped and why, and last the counts. There are no limits on
 * single tests, because a slow machine is no fault of theirs; a run in which nothing ends for STUCK_MS names what it waits
 * for and fails.
 */
import path from 'node:path';

const STUCK_MS = 15 * 60_000;

export default class Reporter {
  #root;
  #running = new Map();
  #skipped = [];
  #watch;

  constructor({ rootDir }) {
    this.#root = rootDir;
  }

  onRunStart() {
    this.#expectProgress();
  }

  onTestFileStart({ path: file }) {
    this.#running.set(file, Date.now());
  }

  onTestFileResult({ path: file }, { testResults, numFailingTests, testExecError, failureMessage }) {
    const name = path.relative(this.#root, file);
    const seconds = ((Date.now() - (this.#running.get(file) ?? Date.now())) / 1000).toFixed(1);
    this.#running.delete(file);
    const failed = numFailingTests > 0 || testExecError;
    const count = testResults.filter(({ status }) => status !== 'pending').length;
    this.#say(`${failed ? 'FAIL' : 'PASS'} ${name} (${count} tests, ${seconds} s)`);
    if (failed) this.#say(failureMessage ?? testExecError?.stack ?? 'it could not be run');
    for (const { status, ancestorTitles, title } of testResults) {
      if (status === 'pending') this.#skipped.push(`${name}: ${[...ancestorTitles, title].join(' › ')}`);
    }
    this.#expectProgress();
  }

  onRunComplete(_contexts, results) {
    clearTimeout(this.#watch);
    if (this.#skipped.length > 0) {
      this.#say(`\nSkipped:\n${this.#skipped.map((line) => `  ${line}`).join('\n')}`);
    }
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const took = ((Date.now() - results.startTime) / 1000).toFixed(0);
    this.#say(`\n${results.numTotalTestSuites} files in ${took} s`);
    // Last of all, for whoever reads only the last line.
    process.on('exit', () => process.stdout.write(`${results.numPassedTests} passed, ${failed} failed\n`));
  }

  #expectProgress() {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => {
      const files = [...this.#running.keys()].map((file) => path.relative(this.#root, file));
      this.#say(`No test file ended for ${STUCK_MS / 60_000} minutes. Running: ${files.join(', ')}`);
      process.exit(1);
    }, STUCK_MS).unref();
  }

  #say(text) {
    process.stdout.write(`${text}\n`);
  }
}
