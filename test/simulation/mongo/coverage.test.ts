import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { anyRead } from './arbitrary-reads.js';
import { anyWrite } from './arbitrary-writes.js';

/** What nobody writes as an operator of MongoDB, though it looks like one: fields in expressions, and variables that were bound. */
const NO_OPERATORS =
  /^\$\$?(marks|overflow|user|pending|open|old|m|e|userName|until|told|sealed|rev|openSince|name|holder|forgotten|feedScopes|failures|failingSince|events|dirty)$/;

function operatorsIn(text: string): Set<string> {
  return new Set(text.match(/(?<![\w`}\\/])\$\$?[a-zA-Z]+/g) ?? []);
}

/** Change streams are not simulated: where there are none the decision index is off. Held against a real one by preferences/decision-index.test.ts. */
const NOT_SIMULATED = 'contact-watch.ts';

/** The source without comments. */
function sourceOfStores(): string {
  const folder = path.join(import.meta.dirname, '../../../src/store');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && file !== NOT_SIMULATED)
    .map((file) => readFileSync(path.join(folder, file), 'utf8'))
    .join('\n')
    .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
}

const generated = JSON.stringify(fc.sample(fc.oneof(anyWrite, anyRead), { numRuns: 4000, seed: 1 }));

test('every operator that a store uses is compared with a real MongoDB', () => {
  const compared = operatorsIn(generated);
  const used = [...operatorsIn(sourceOfStores())].filter((operator) => !NO_OPERATORS.test(operator));
  expect(used.length).toBeGreaterThan(40);
  expect(used.filter((operator) => !compared.has(operator))).toEqual([]);
});

/** The command that a method of a collection or a model sends. */
const COMMAND_OF: Readonly<Record<string, string>> = {
  insertOne: 'insert',
  insertMany: 'insert',
  create: 'insert',
  updateOne: 'update',
  updateMany: 'update',
  replaceOne: 'update',
  bulkWrite: 'update',
  deleteOne: 'delete',
  deleteMany: 'delete',
  findOneAndUpdate: 'findAndModify',
  find: 'find',
  findOne: 'find',
  findById: 'find',
  exists: 'find',
  countDocuments: 'aggregate',
  aggregate: 'aggregate',
  estimatedDocumentCount: 'count',
  distinct: 'distinct',
};
/** Methods of the driver and of Mongoose that send something else, or that nobody here has compared. */
const OTHERS =
  /\.(findOneAndDelete|findOneAndReplace|findByIdAnd\w+|insert|save|bulkSave|watch|mapReduce|rename|updateSearchIndex|initializeOrderedBulkOp|initializeUnorderedBulkOp|where|collation|arrayFilters)\(/g;

test('every command that a store sends is compared with a real MongoDB', () => {
  const source = sourceOfStores();
  const sent = Object.entries(COMMAND_OF).filter(([method]) => new RegExp(`\\.${method}[(<]`).test(source));
  expect(sent.length).toBeGreaterThan(12);
  expect(sent.filter(([, command]) => !generated.includes(`"${command}":"c"`))).toEqual([]);
  expect(source.match(OTHERS)).toBeNull();
});
