/** Lets plain Node import the TypeScript of `src` and `test`, and the test functions by their usual name. */
import { register } from 'node:module';
import { register as registerTypeScript } from 'tsx/esm/api';

registerTypeScript();
register('./test-globals-hook.mjs', import.meta.url);

// The identity provider of development warns of itself at each start: nothing that a reader of test results can act on.
const { warn } = console;
console.warn = (...args) => {
  if (!String(args[0]).includes('oidc-provider WARNING')) warn(...args);
};

// The run has ended, or was killed: nothing that a test left open keeps this process.
process.once('disconnect', () => process.exit());
