/**
 * Checks that imports go downwards, and first that the check sees at all: dependency-cruiser reports nothing with a
 * TypeScript it cannot read. A file that breaks a rule is put into `src/core` for the moment and must be found.
 */
import { rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cruise } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';

const config = createRequire(import.meta.url)('../../.dependency-cruiser.cjs');
const options = { ...config.options, ruleSet: { forbidden: config.forbidden }, validate: true, outputType: 'json' };
const tsConfig = extractTSConfig('tsconfig.json');

async function violations() {
  const { output } = await cruise(['src'], options, undefined, { tsConfig });
  const { summary } = JSON.parse(output);
  return { list: summary.violations.filter(({ rule }) => rule.severity === 'error'), seen: summary.totalCruised };
}

const probe = `src/core/boundary-probe-${process.pid}.ts`;
await writeFile(
  probe,
  "import mongoose from 'mongoose';\nimport { compose } from '../compose.js';\nimport { machine } from '../machine.js';\nexport const probe = [mongoose, compose, machine];\n",
);
let blind;
try {
  const { list } = await violations();
  const found = new Set(list.filter(({ from }) => from === probe).map(({ rule }) => rule.name));
  blind = [
    'core-imports-nothing',
    'only-store-imports-mongoose',
    'only-starters-import-compose',
    'only-starters-import-the-machine',
  ].filter((name) => !found.has(name));
} finally {
  await rm(probe, { force: true });
}
if (blind.length > 0) {
  process.stderr.write(
    `The boundary check is blind: it does not find ${blind.join(', ')} on a file made to break them.\n`,
  );
  process.exit(1);
}
const { list, seen } = await violations();
for (const { rule, from, to } of list) process.stderr.write(`${rule.name}: ${from} imports ${to}\n`);
process.stdout.write(`${seen} modules, ${list.length} imports across a boundary\n`);
if (list.length > 0) process.exit(1);
