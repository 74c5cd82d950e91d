import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { DENIAL_TYPES } from '../src/core/event.js';
import { CHANNELS, GPC_PURPOSES, PURPOSES } from '../src/core/scope.js';
import { goldenCases } from './support/golden.js';

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
];

/** A heading as the links of a rendered page name it. */
const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');

describe.each(pages)('%s', (page) => {
  const text = readFileSync(page, 'utf8');

  test('every link leads somewhere', () => {
    const dead = [...text.matchAll(/\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].filter(([, to, part]) => {
      const target = to ? path.join(path.dirname(page), to) : page;
      if (!existsSync(target)) return true;
      if (part === undefined) return false;
      const headings = readFileSync(target, 'utf8').matchAll(/^#+ (.*)$/gm);
      return ![...headings].some(([, heading = '']) => anchor(heading) === part);
    });
    expect(dead.map(([whole]) => whole)).toEqual([]);
  });

  test('every file it names is there', () => {
    // Without an ending it may be a pattern of test names. Of `acme` the page about adding a destination tells the making.
    const named = text.matchAll(
      /(?<![\w./-])(?:src|test|config|views|locales|templates|bench|docs|public)\/[\w./-]+\.\w+/g,
    );
    const missing = [...named].map(([file]) => file).filter((file) => !file.includes('acme') && !existsSync(file));
    expect(missing).toEqual([]);
  });

  test('what it names beside a file is in that file', () => {
    const missing = [...text.matchAll(/`(src\/[\w./-]+\.ts)`((?:,? `\w+`)+)/g)].flatMap(([, file = '', names = '']) => {
      const source = existsSync(file) ? readFileSync(file, 'utf8') : '';
      const words = [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => name);
      return words.filter((name) => !new RegExp(`\\b${name}\\b`).test(source)).map((name) => `${file} ${name}`);
    });
    expect(missing).toEqual([]);
  });
});

test('the invariants name tests that are there', () => {
  const table = readFileSync('docs/architecture.md', 'utf8').split('| | invariant |')[1] ?? '';
  const named = [...table.matchAll(/`([\w./-]+\.ts)`/g)].map(([, file]) => `test/${file}`);
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((file) => !existsSync(file))).toEqual([]);
});

test('the walk of an opt-out names functions that are there, in files that are there', () => {
  const walk =
    readFileSync('docs/architecture.md', 'utf8').split('## The walk of an opt-out')[1]?.split('\n## ')[0] ?? '';
  const steps = [...walk.matchAll(/^(\d+)\. `([\w./-]+\.ts)` `(\w+)`: /gm)];
  const lines = walk.match(/^\d+\. .*/gm) ?? [];
  expect(steps.map(([, number]) => Number(number))).toEqual(lines.map((_, n) => n + 1));
  expect(steps.length).toBeGreaterThanOrEqual(20);
  const missing = steps.filter(([, , file = '', name = '']) => {
    if (!existsSync(file)) return true;
    // A function, or a method or property of what a factory returns; a call is none.
    const declared = new RegExp(`\\bfunction\\*? ${name}\\b|^ +(async )?${name}(\\(.*\\{$|\\($|: )`, 'm');
    return !declared.test(readFileSync(file, 'utf8'));
  });
  expect(missing.map(([step]) => step)).toEqual([]);
});

test('the decision rules tell every reason, denial, channel and purpose, with the answer each gives', () => {
  const text = readFileSync('docs/decision-rules.md', 'utf8');
  const words: readonly string[] = [...CHANNELS, ...PURPOSES, ...GPC_PURPOSES, ...DENIAL_TYPES];
  const reasons = [...new Set(goldenCases.map(({ expect: { reason } }) => reason))];
  expect([...words, ...reasons].filter((word) => !text.includes(`\`${word}\``))).toEqual([]);
  const rows = [...text.matchAll(/^\| (\d+) \|[^|]*\| (allowed|denied): `(\w+)`/gm)];
  expect(rows.map(([, number]) => Number(number))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  for (const [, , answer, first] of rows) {
    const cases = goldenCases.filter(({ expect: { reason } }) => reason === first);
    expect(cases.length).toBeGreaterThan(0);
    for (const { expect: expected } of cases) expect([first, expected.allowed]).toEqual([first, answer === 'allowed']);
  }
});
