import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createAliasGroups } from '../../src/core/alias-group.js';
import { ADDRESS_KIND, type AddressKeys, createAddressKeys } from '../../src/core/contact-keys.js';
import { normaliseContact } from '../../src/core/contact-point.js';
import { contactKeyBytes, contactKeyFromText, deriveKey } from '../../src/core/keys.js';
import type { MailboxRule } from '../../src/core/policy.js';
import { contactInCell } from '../../src/suppression/contact-cell.js';

const GMAIL: MailboxRule = { domains: ['gmail.com', 'googlemail.com'], dots: 'ignored' };
const RULES: Readonly<Record<string, readonly MailboxRule[]>> = {
  none: [],
  'as shipped': [GMAIL],
  'with tags of one domain': [GMAIL, { domains: ['example.com'], tags: '+' }],
  'with tags everywhere': [GMAIL, { domains: ['*'], tags: '+' }],
};

const keyring = (length: number) => ({
  lookup: Buffer.concat([
    deriveKey(Buffer.from('keys'), 'a'),
    deriveKey(Buffer.from('keys'), 'b'),
    Buffer.alloc(64, 3),
  ]).subarray(0, length),
  current: 1,
  roots: new Map(),
  randomBytes: (size: number) => Buffer.alloc(size),
});

const wordsOf = (bytes: Buffer) => [0, 4, 8, 12].map((at) => bytes.readUInt32BE(at));

/** A program for each key and rules: each has a memory of its own. */
const programs = new Map<string, AddressKeys>();
function programOf(length: number, rules: readonly MailboxRule[]): AddressKeys {
  const name = JSON.stringify([length, rules]);
  const program = programs.get(name) ?? createAddressKeys(keyring(length), rules);
  programs.set(name, program);
  return program;
}

/** What the program makes of cells. */
function make(cells: readonly string[], length: number, rules: readonly MailboxRule[]) {
  const program = programOf(length, rules);
  let at = 0;
  cells.forEach((cell, index) => {
    const bytes = Buffer.from(cell);
    program.text.set(bytes, at);
    program.spans.set([at, bytes.length], index * 2);
    at += bytes.length;
  });
  program.make(cells.length);
  return cells.map((_, index) => ({
    kind: program.kinds[index],
    key: [...program.keys.subarray(index * 4, index * 4 + 4)],
    group: [...program.groups.subarray(index * 4, index * 4 + 4)],
  }));
}

/** What the rules make of a cell; undefined for one that is no email address. */
function expected(cell: string, length: number, rules: readonly MailboxRule[]) {
  const input = contactInCell(cell);
  if (!('email' in input)) return undefined;
  try {
    const point = normaliseContact(input);
    const group = createAliasGroups(keyring(length), rules)(point);
    return {
      key: wordsOf(contactKeyBytes(keyring(length), point)),
      group: group && wordsOf(contactKeyFromText(group.id) ?? Buffer.alloc(16)),
      hasFormerKeys: (group?.formerKeys.length ?? 0) > 0,
    };
  } catch {
    return undefined;
  }
}

const letters = fc.constantFrom(...'aBzZ09._+-@\'" :=xn'.split(''), 'é', 'İ', 'ß', '\u200b', '＠');
const label = fc.stringMatching(/^[a-zA-Z0-9]([a-zA-Z0-9-]{0,8}[a-zA-Z0-9])?$/);
const domain = fc.oneof(
  fc.constantFrom(
    'gmail.com',
    'GoogleMail.com',
    'example.com',
    'EXAMPLE.com',
    'sub.gmail.com',
    'xn--exmple-cua.com',
    '1.2.3.4',
    'a.0x1',
  ),
  fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.')),
);
const ordinary = fc.stringMatching(/^[a-zA-Z0-9]{1,6}([._+-][a-zA-Z0-9_]{1,5}){0,2}$/);
const local = fc.oneof(
  ordinary,
  ordinary,
  fc.stringMatching(/^[a-zA-Z0-9._+-]{1,40}$/),
  fc.string({ unit: letters, maxLength: 12 }),
);
const cell = fc.oneof(
  fc.tuple(local, domain).map((parts) => parts.join('@')),
  fc.tuple(ordinary, domain).map((parts) => parts.join('@')),
  fc.string({ unit: letters, maxLength: 24 }),
  fc.constantFrom(
    '',
    '@',
    'c_0123456789abcdefghjkmnpqrs',
    '+19205550100',
    'crm:12',
    'tel:+19205550100',
    'mailto:a@example.com',
  ),
);

describe.each(Object.keys(RULES))('keys of ordinary addresses, rules of mailboxes: %s', (name) => {
  const rules = RULES[name] ?? [];

  test('are those that the rules make, or none', () => {
    let made = 0;
    fc.assert(
      fc.property(fc.array(cell, { minLength: 1, maxLength: 9 }), fc.constantFrom(32, 64, 100), (cells, length) => {
        make(cells, length, rules).forEach(({ kind, key, group }, index) => {
          if (kind === ADDRESS_KIND.odd) return;
          made++;
          const rule = expected(cells[index] ?? '', length, rules);
          expect(rule).toBeDefined();
          expect([cells[index], key]).toEqual([cells[index], rule?.key]);
          expect(rule?.hasFormerKeys).toBe(false);
          if (kind === ADDRESS_KIND.alone) expect([cells[index], rule?.group]).toEqual([cells[index], undefined]);
          if (kind === ADDRESS_KIND.grouped) expect([cells[index], group]).toEqual([cells[index], rule?.group]);
        });
      }),
      { numRuns: 1500 },
    );
    expect(made).toBeGreaterThan(500);
  });

  test.each([
    'ana@example.com',
    'Ana.Maria+offers@Mail.Example.co.uk',
    'j.o.h.n@gmail.com',
    '0@a-b.org',
    `${'a'.repeat(37)}@example.com`,
  ])('are made for %s', (address) => {
    expect(make([address], 32, rules)[0]?.kind).not.toBe(ADDRESS_KIND.odd);
  });
});

test('the groups of mailboxes without tags are made where they are few enough letters', () => {
  const [short, long] = make(['J.o.h.n@GoogleMail.com', `${'a.'.repeat(18)}a@gmail.com`], 32, [GMAIL]);
  expect([short?.kind, long?.kind]).toEqual([ADDRESS_KIND.grouped, ADDRESS_KIND.maybeGrouped]);
});

test('the program is what its source compiles to', () => {
  const root = path.resolve(import.meta.dirname, '../..');
  const compiled = execFileSync(process.execPath, ['wasm/build.mjs', '--print'], { cwd: root, encoding: 'utf8' });
  expect(readFileSync(path.join(root, 'src/core/contact-keys-wasm.ts'), 'utf8')).toBe(compiled);
});
