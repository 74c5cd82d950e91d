/** The real `@jest/globals` throws outside the virtual machine of Jest's own runner; the functions themselves are global. */
const NAMES = ['afterAll', 'afterEach', 'beforeAll', 'beforeEach', 'describe', 'expect', 'it', 'jest', 'test'];
const source = NAMES.map((name) => `export const ${name} = globalThis.${name};`).join('\n');

export function resolve(specifier, context, next) {
  return specifier === '@jest/globals' ? { url: 'hush:test-globals', shortCircuit: true } : next(specifier, context);
}

export function load(url, context, next) {
  return url === 'hush:test-globals' ? { format: 'module', source, shortCircuit: true } : next(url, context);
}
