import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { mendLinkTarget } from '../../src/web/link-target.js';

const T = '04d2vfaamfp7rz4aw2jr6dyesk0pzbda21a2605q3c';

describe('the request target of a link', () => {
  test.each([
    [`/u/${T}`, `/u/${T}`],
    [`/u/${T}?lang=es`, `/u/${T}?lang=es`],
    [`/U/${T}`, `/u/${T}`],
    [`//u/${T}`, `/u/${T}`],
    [`///u///${T}`, `/u/${T}`],
    [`/./u/${T}`, `/u/${T}`],
    [`\\u\\${T}`, `/u/${T}`],
    [`http://hush.example/u/${T}?lang=es`, `/u/${T}?lang=es`],
    [`HTTPS://HUSH.EXAMPLE:8443//P/${T}`, `/p/${T}`],
    [`/u/${T}/`, `/u/${T}%2F`],
    [`/u/${T}/more/of/it`, `/u/${T}%2Fmore%2Fof%2Fit`],
    [`/u/${T}%3E?x=1`, `/u/${T}%3E?x=1`],
    [`/u/${T}%zz`, `/u/${T}%25zz`],
    [`/u/${T}#x`, `/u/${T}%23x`],
    [`/u/${T}%E2%80%8B`, `/u/${T}%20`],
    [`%2Fu%2F${T}`, `/u/${T}`],
    [`/%75/${T}`, `/u/${T}`],
    [`/confirm/${T}.`, `/confirm/${T}.`],
    [`/Rights/${T}`, `/rights/${T}`],
    [`/ACCESS//${T}`, `/access/${T}`],
  ])('%s is %s', (damaged, mended) => expect(mendLinkTarget(damaged)).toBe(mended));

  test.each([
    '/',
    '*',
    '/u',
    '/u/',
    '/p?x=/u/y',
    '/preferences',
    '/rights',
    '/rights/?lang=es',
    '/rights?lang=es',
    '/v1/events',
    '/v1/u/x',
    '/staff/p/x',
    '//evil.example/u/x',
    '//evil.example/%2e%2e/u/x',
    'http://hush.example/v1/events',
    '/assets/hush.0123456789.css',
  ])('%s is none', (target) => expect(mendLinkTarget(target)).toBe(target));

  test('of any text is mended once and never throws', () => {
    const piece = fc.oneof(fc.constantFrom('/', 'u', 'p', '%2F', '%', '%E2', '?', '#', '\\', T), fc.string());
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const mended = mendLinkTarget(pieces.join(''));
        expect(new URL(mended.startsWith('/') ? `http://h${mended}` : 'http://h/')).toBeInstanceOf(URL);
      }),
    );
  });
});
