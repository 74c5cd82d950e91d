/** The runner that jest.config.mjs describes, in child processes always: with one worker it would run in Jest's own and fail at the end. */
import { createRunner } from 'jest-light-runner';

export default class Runner extends createRunner({ runtime: 'child_process' }) {
  constructor(...given) {
    super(...given);
    this._runtime = 'child_process';
  }
}
