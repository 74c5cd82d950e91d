import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { z } from 'zod';
import { adapters } from '../../../src/sync/destinations/index.js';

const folder = 'docs/destinations';
const destinations = z.array(
  z.strictObject({
    name: z.string(),
    adapter: z.string(),
    role: z.enum(['processor', 'third_party']),
    settings: z.record(z.string(), z.unknown()),
    bindings: z.array(
      z.strictObject({
        name: z.string(),
        brand: z.string(),
        channel: z.string(),
        purpose: z.string(),
        topic: z.string().default('*'),
        target: z.record(z.string(), z.unknown()).default({}),
      }),
    ),
  }),
);

/** What the environment would put in: of a form that every setting accepts. */
const secretFor = (name: string) =>
  name === 'CRM_WEBHOOK_SECRET' ? `whsec_${Buffer.alloc(32).toString('base64')}` : 'a-secret-of-some-length-us1';

describe('The pages of the destinations', () => {
  test('there is one for each adapter, and no other', () => {
    const pages = readdirSync(folder).filter((file) => file !== 'README.md');
    expect(pages.sort()).toEqual(
      Object.keys(adapters)
        .map((name) => `${name}.md`)
        .sort(),
    );
    const overview = readFileSync(`${folder}/README.md`, 'utf8');
    const withoutRow = Object.keys(adapters).filter((name) => !overview.includes(`[\`${name}\`](${name}.md)`));
    expect(withoutRow).toEqual([]);
  });

  for (const [name, adapter] of Object.entries(adapters)) {
    test(`the example of ${name} is accepted by its adapter`, () => {
      const page = readFileSync(`${folder}/${name}.md`, 'utf8');
      const yaml = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
      const found = destinations.parse(
        parse(yaml.replace(/\$\{(\w+)\}/g, (_, variable: string) => secretFor(variable))),
      );
      expect(found.length).toBeGreaterThan(0);
      for (const one of found) {
        expect(one.adapter).toBe(name);
        adapter.settings.parse(one.settings);
        for (const { target } of one.bindings) adapter.target.parse(target);
        // As the start does: a third party gets hashes only.
        const form = formOf(name);
        if (one.role === 'third_party') expect(form).toBe('hashed');
        if (form === 'hashed') expect(page).toContain('SHA-256');
      }
    });
  }
});

function formOf(name: string): string {
  const source = readFileSync(`src/sync/destinations/${name}.ts`, 'utf8');
  return /form: '(\w+)'/.exec(source)?.[1] ?? 'either';
}
