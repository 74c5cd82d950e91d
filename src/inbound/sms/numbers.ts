import { ConfigError } from '../../config/yaml-file.js';
import type { Catalog } from '../../core/catalog.js';

/**
 * Reads `HUSH_SMS_NUMBERS`: `+19205550100=jmf, 89203=shipping`, each number of ours with the brand that speaks from it.
 * Throws ConfigError that says what to write.
 */
export function readTextNumbers(text: string, catalog: Pick<Catalog, 'brands'>): Readonly<Record<string, string>> {
  const brands = catalog.brands.map(({ id }) => id);
  return Object.fromEntries(
    text
      .split(',')
      .map((pair) => pair.trim())
      .filter((pair) => pair !== '')
      .map((pair) => {
        const [, number, brand] = /^(\+\d{7,15}|\d{3,8})\s*=\s*(\S+)$/.exec(pair) ?? [];
        if (number === undefined || brand === undefined || !brands.includes(brand)) {
          throw new ConfigError(
            `HUSH_SMS_NUMBERS: "${pair}" is not a number with a brand. Write +19205550100=${brands[0] ?? 'brand'}, separated by commas; brands are ${brands.join(', ')}.`,
          );
        }
        return [number, brand];
      }),
  );
}
