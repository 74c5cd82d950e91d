import { describe, expect, test } from '@jest/globals';
import { RowFault } from '../../src/suppression/import.js';
import { checkListEvent, IMPORT_TYPES, type ListEvent, withDefaults } from '../../src/suppression/import-policy.js';

const NOW = Date.UTC(2030, 5, 15, 12);
const DAY = 86_400_000;

describe('what a row leaves out comes from the list', () => {
  test('its type, its scope, its source', () => {
    const event = withDefaults(
      { contact: { email: 'a@example.com' } },
      'legacy',
      { type: 'opted_out', brand: 'jmf' },
      NOW,
    );
    expect(event).toMatchObject({
      type: 'opted_out',
      scope: { brand: 'jmf' },
      source: { kind: 'import', evidence: { list: 'legacy' } },
    });
  });

  test('a row’s own scope counts before the list’s, and an unreachable address has a channel instead', () => {
    const defaults = { type: 'opted_out', brand: 'jmf', channel: 'email' };
    expect(withDefaults({ scope: { brand: 'acme' } }, 'l', defaults, NOW).scope).toMatchObject({
      brand: 'acme',
      channel: 'email',
    });
    const bounced = withDefaults({ type: 'unreachable' }, 'l', defaults, NOW);
    expect(bounced.channel).toBe('email');
    expect(bounced).not.toHaveProperty('scope');
  });

  test('a day ends late for a denial and begins early for a consent; today means now', () => {
    const at = (type: string, day: string) => withDefaults({ type, at: day }, 'l', { type }, NOW).at;
    expect(at('opted_out', '2030-06-01')).toBe('2030-06-01T23:59:59.999Z');
    expect(at('consent_granted', '2030-06-01')).toBe('2030-06-01T00:00:00Z');
    expect(at('opted_out', '2030-06-15')).toBeUndefined();
  });
});

describe('a list may deny, and lifts nothing', () => {
  const check = (event: Partial<Parameters<typeof checkListEvent>[0]>, row: ListEvent = {}) =>
    checkListEvent({ type: 'opted_out', source: { kind: 'import' }, ...event }, row, NOW);
  const faultOf = (run: () => void): string => {
    try {
      run();
    } catch (error) {
      if (error instanceof RowFault) return `${error.field} ${error.code}`;
      throw error;
    }
    return 'none';
  };

  test.each(['opted_in', 'reachable', 'restriction_lifted', 'registry_unlisted', 'erased'] as const)('%s', (type) => {
    expect(IMPORT_TYPES).not.toContain(type);
    expect(faultOf(() => check({ type }))).toBe('type forbidden');
  });

  test('an opt-out passes; one of the future, or of another source, does not', () => {
    expect(faultOf(() => check({ at: NOW - DAY }))).toBe('none');
    expect(faultOf(() => check({ at: NOW + DAY }))).toBe('at invalid');
    expect(faultOf(() => check({ source: { kind: 'form' } }))).toBe('source.kind invalid');
    expect(faultOf(() => check({ source: { kind: 'import', evidence: { note: 'x'.repeat(2000) } } }))).toBe(
      'source.evidence invalid',
    );
  });

  test('a profile may narrow and not open', () => {
    expect(faultOf(() => check({ type: 'profile', minor: true }))).toBe('none');
    expect(faultOf(() => check({ type: 'profile', minor: false }))).toBe('minor forbidden');
    expect(faultOf(() => check({ type: 'profile', relationship: 'customer' }))).toBe('relationship forbidden');
    expect(faultOf(() => check({ type: 'profile', jurisdiction: 'US-CA' }))).toBe('jurisdiction forbidden');
  });

  test('a consent needs its date, its notice and evidence of its own', () => {
    const consent = { type: 'consent_granted', at: NOW - DAY, notice: { id: 'n', version: '1' } } as const;
    const row = { source: { evidence: { wording: 'Yes, please' } } };
    expect(faultOf(() => check(consent, row))).toBe('none');
    expect(faultOf(() => check({ ...consent, at: undefined }, row))).toBe('at invalid');
    expect(faultOf(() => check({ ...consent, notice: undefined }, row))).toBe('notice invalid');
    expect(faultOf(() => check(consent, { source: {} }))).toBe('source.evidence invalid');
  });
});
