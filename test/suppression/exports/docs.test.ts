import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { PRODUCT_NAMES, productOf } from '../../../src/suppression/exports/index.js';

const folder = 'docs/migrating';

describe('The pages about migrating', () => {
  test('there is one for each product and for csv, and no other', () => {
    const pages = readdirSync(folder).filter((file) => file !== 'README.md');
    expect(pages.sort()).toEqual([...PRODUCT_NAMES, 'csv'].map((name) => `${name}.md`).sort());
    const overview = readFileSync(`${folder}/README.md`, 'utf8');
    expect(PRODUCT_NAMES.filter((name) => !overview.includes(`](${name}.md)`))).toEqual([]);
  });

  test.each(PRODUCT_NAMES)(
    'that of %s names the columns by which its files are known, and what is left out',
    (name) => {
      const page = readFileSync(`${folder}/${name}.md`, 'utf8');
      for (const heading of [
        'Get the export',
        'Files and columns that are read',
        'What a status becomes',
        'What is left out',
      ])
        expect(page).toContain(`## ${heading}`);
      const columns = productOf(name).files.flatMap(({ needs }) =>
        needs.filter((one) => !one.includes('address alone')),
      );
      const unnamed = columns.filter((spellings) => !spellings.some((column) => page.includes(`\`${column}\``)));
      expect(unnamed).toEqual([]);
      expect(page).toMatch(new RegExp(`hush import --from ${name} `));
    },
  );
});
