import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parseSync } from '@swc/core';
import { machine } from '../src/machine.js';

const SOURCES = path.resolve(import.meta.dirname, '../src');

/**
 * What may ask Node for time, timers and chance, and why. All else takes them as arguments (`src/core/machine.ts`), so that
 * a simulation can decide them. A folder ends with `/`.
 */
const ALLOWED: Readonly<Record<string, string>> = {
  'machine.ts': 'it is the machine',
  'main.ts': 'the life of the process: its parent, and the limit of its shutdown',
  'tour.ts': 'a key that is printed before anything runs',
  'cli/': 'commands of an operator, each a process of its own',
  'embedded/': 'starts the stores, before there is an installation',
  'web/': 'the edge to the network: patience with sockets, cookies, ids of forms; what it calls gets a machine',
  'inbound/smtp-listener.ts': 'the edge to the network: patience with sockets',
  'queues.ts': 'the edge to Redis, whose client has timers of its own',
};

/** Global functions and objects that tell the time, wait, or make something up. */
const GLOBALS = new Set(['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'performance', 'crypto']);
/** Of objects that are needed otherwise too. */
const MEMBERS = new Set(['Date.now', 'Math.random', 'AbortSignal.timeout', 'process.hrtime', 'process.nextTick']);
/** Of modules that are needed otherwise too. */
const CHANCE = /^(random\w*|getRandomValues|webcrypto|default)$/;
const MODULES = /^(node:)?(timers(\/promises)?|perf_hooks|crypto)$/;

type Tree = Readonly<Record<string, unknown>>;

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The text of an identifier or a string; empty for anything else. */
const nameOf = (node: unknown): string =>
  isTree(node) && /^(Identifier|StringLiteral)$/.test(String(node.type)) ? String(node.value) : '';

/** What an import brings of time, timers and chance. */
function imported({ source, specifiers }: Tree): string[] {
  const module = nameOf(source);
  if (!MODULES.test(module) || !Array.isArray(specifiers)) return [];
  return specifiers.flatMap((specifier: Tree) => {
    const isNamed = specifier.type === 'ImportSpecifier';
    const name = isNamed ? nameOf(specifier.imported) || nameOf(specifier.local) : 'default';
    return !/crypto$/.test(module) || CHANCE.test(name) ? [`${module} ${name}`] : [];
  });
}

/** The member that a `MemberExpression` reads, with the last name of what it is read of: `Date.now`. */
function memberOf({ object, property }: Tree): { owner: string; key: string } {
  return {
    owner: isTree(object) && object.type === 'MemberExpression' ? nameOf(object.property) : nameOf(object),
    key: isTree(property) && property.type === 'Computed' ? nameOf(property.expression) : nameOf(property),
  };
}

/** What one node itself asks for. */
function asksAt(node: Tree): string[] {
  const args: readonly unknown[] = Array.isArray(node.arguments) ? node.arguments : [];
  switch (node.type) {
    case 'ImportDeclaration':
      return node.typeOnly === true ? [] : imported(node);
    case 'CallExpression': {
      const [first] = args;
      const isImport = isTree(node.callee) && node.callee.type === 'Import';
      const module = isImport && isTree(first) ? nameOf(first.expression) : '';
      return [
        ...(MODULES.test(module) ? [`import ${module}`] : []),
        ...(nameOf(node.callee) === 'Date' ? ['Date()'] : []),
      ];
    }
    case 'NewExpression':
      return nameOf(node.callee) === 'Date' && args.length === 0 ? ['new Date()'] : [];
    case 'MemberExpression': {
      const { owner, key } = memberOf(node);
      const isGlobal = owner === 'globalThis' && GLOBALS.has(key);
      return [...(MEMBERS.has(`${owner}.${key}`) ? [`${owner}.${key}`] : []), ...(isGlobal ? [key] : [])];
    }
    case 'Identifier':
      return GLOBALS.has(nameOf(node)) ? [nameOf(node)] : [];
    default:
      return [];
  }
}

/** The nodes in a node that are values: no type, and no name of a property. */
function valuesIn(node: Tree): unknown[] {
  const type = String(node.type);
  if (type === 'ImportDeclaration') return [];
  // Types say nothing at run time; what is cast or asserted does.
  if (type.startsWith('Ts')) return [node.expression];
  return Object.entries(node).flatMap(([key, value]) => {
    const isName =
      key === 'property' || (key === 'key' && /^(KeyValueProperty|.*Method.*|.*ClassProperty)$/.test(type));
    return isName && isTree(value) && value.type !== 'Computed' ? [] : [value];
  });
}

/** What a source asks Node for. */
function asksOf(source: string): string[] {
  const found: string[] = [];
  const left: unknown[] = [parseSync(source, { syntax: 'typescript', target: 'es2022' })];
  for (let node = left.pop(); node !== undefined; node = left.pop()) {
    if (Array.isArray(node)) left.push(...node.filter(isTree));
    if (!isTree(node)) continue;
    found.push(...asksAt(node));
    left.push(...valuesIn(node).filter((value) => Array.isArray(value) || isTree(value)));
  }
  return found;
}

describe('time, timers and chance', () => {
  const asks = readdirSync(SOURCES, { recursive: true })
    .map(String)
    .filter((file) => file.endsWith('.ts'))
    .map((file) => ({ file, asks: asksOf(readFileSync(path.join(SOURCES, file), 'utf8')) }));
  const allowedBy = (file: string) =>
    Object.keys(ALLOWED).find((place) => (place.endsWith('/') ? file.startsWith(place) : file === place));

  test('come in as arguments in everything but what is at the edge', () => {
    const forbidden = asks.filter((one) => one.asks.length > 0 && allowedBy(one.file) === undefined);
    expect(forbidden).toEqual([]);
  });

  test('are asked of Node in each place that may', () => {
    const used = new Set(asks.flatMap((one) => (one.asks.length > 0 ? (allowedBy(one.file) ?? []) : [])));
    expect(Object.keys(ALLOWED).filter((place) => !used.has(place))).toEqual([]);
  });

  test.each([
    ['const at = Date.now();', 'Date.now'],
    ["const at = Date['now']();", 'Date.now'],
    ['createClock(globalThis.Date.now);', 'Date.now'],
    ['const at = new Date();', 'new Date()'],
    ['const at = Date();', 'Date()'],
    ['const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));', 'setTimeout'],
    ['globalThis.setInterval(look, 1000);', 'setInterval'],
    ['const timers = { setImmediate };', 'setImmediate'],
    ["import { setTimeout as sleep } from 'node:timers/promises';", 'node:timers/promises setTimeout'],
    ["const { setTimeout: sleep } = await import('timers/promises');", 'import timers/promises'],
    ['const began = performance.now();', 'performance'],
    ['const { elapsed = performance.now } = parts;', 'performance'],
    ["import { createHmac, randomBytes as chance } from 'node:crypto';", 'node:crypto randomBytes'],
    ["import crypto from 'crypto';", 'crypto default'],
    ["import * as crypto from 'node:crypto';", 'node:crypto default'],
    ['const id = crypto.randomUUID();', 'crypto'],
    ['const jitter = 1 + Math.random();', 'Math.random'],
    ['call(AbortSignal.timeout(5));', 'AbortSignal.timeout'],
    ['const [seconds] = process.hrtime();', 'process.hrtime'],
  ])('are found in %s', (source, ask) => {
    expect(asksOf(source)).toContain(ask);
  });

  test.each([
    'const at = new Date(machine.now());',
    'const day = Date.UTC(2026, 2, 3);',
    "import { createHash, createHmac } from 'node:crypto';",
    "import type { randomBytes } from 'node:crypto';",
    'server.setTimeout(patience.standstill, end);',
    'const parts = { performance: 1, setTimeout: later };',
    "const text = 'Date.now()'; // Math.random()",
    'let timer: ReturnType<typeof setTimeout> | undefined;',
    'socket.crypto.setTimeout(1);',
  ])('are not found in %s', (source) => {
    expect(asksOf(source)).toEqual([]);
  });
});

describe('the machine of this process', () => {
  test('calls after its time and not before, and not what was cancelled', async () => {
    const calls: string[] = [];
    const began = machine.elapsed();
    machine.after(1, () => calls.push('cancelled')).cancel();
    await new Promise<void>((resolve) => machine.after(20, resolve));
    // Timers count whole milliseconds.
    expect(machine.elapsed() - began).toBeGreaterThanOrEqual(19);
    expect(calls).toEqual([]);
  });

  test('lets everything that is ready have its turn', async () => {
    const turns: string[] = [];
    setImmediate(() => turns.push('other'));
    await machine.yieldTurn();
    turns.push('ours');
    expect(turns).toEqual(['other', 'ours']);
  });
});
