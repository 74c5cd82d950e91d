/** Which test file belongs to which project is read off the files: nobody has to keep a list. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** What a test says, itself or through a file under `test/` that it imports, when it works on MongoDB, Redis or another program. */
const STORES = /MONGODB_URI|REDIS_URL|src\/embedded|startPrism\(/;

const mentions = new Map();

function needsStores(file) {
  if (!mentions.has(file)) {
    // Set first: a cycle of imports ends here.
    mentions.set(file, false);
    const text = readFileSync(file, 'utf8');
    const imported = [...text.matchAll(/from '(\.{1,2}\/[^']+)\.js'/g)]
      .map(([, specifier]) => path.resolve(path.dirname(file), `${specifier}.ts`))
      .filter((other) => other.includes(`${path.sep}test${path.sep}`) && existsSync(other));
    mentions.set(file, STORES.test(text) || imported.some(needsStores));
  }
  return mentions.get(file);
}

/** The files (absolute) of each project: walks through the whole product, tests on stores, and tests that need neither. */
export function filesOfProjects(root) {
  const files = readdirSync(path.join(root, 'test'), { recursive: true })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => path.join(root, 'test', file));
  const isJourney = (file) => file.startsWith(path.join(root, 'test', 'journeys') + path.sep);
  return {
    journeys: files.filter(isJourney),
    stores: files.filter((file) => !isJourney(file) && needsStores(file)),
    unit: files.filter((file) => !isJourney(file) && !needsStores(file)),
  };
}
