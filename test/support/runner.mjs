/**
 * The runner that jest.config.mjs describes. In child processes always: with one worker it would run in Jest's own and fail at the
 * end. In the same ones for all projects, which differ only in the files that are theirs: each process loads the whole program.
 */
import { createRunner } from 'jest-light-runner';

/** Memory (MB) for objects of a process. Without a limit Node lets garbage lie as long as the machine has room. */
const HEAP_MB = 512;
/** Memory (MB) for each half of the young objects. With Node's 16 a sixth of a run's processor goes into collecting garbage. */
const YOUNG_MB = 64;

export default class Runner extends createRunner({ runtime: 'child_process' }) {
  #config;

  constructor(...given) {
    super(...given);
    this._runtime = 'child_process';
    process.env.NODE_OPTIONS ??= `--max-old-space-size=${HEAP_MB} --max-semi-space-size=${YOUNG_MB}`;
  }

  _runTest(test) {
    this.#config ??= test.context.config;
    return super._runTest({ ...test, context: { ...test.context, config: this.#config } });
  }
}
