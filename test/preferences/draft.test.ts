import { describe, expect, test } from '@jest/globals';
import { HushError } from '../../src/core/errors.js';
import { keyringFromSecret } from '../../src/core/keys.js';
import { machine } from '../../src/machine.js';
import { checkDraft, type Draft } from '../../src/preferences/draft.js';
import { claimIds } from '../../src/preferences/retries.js';

const NOW = 1_777_000_000_000;
const draft: Draft = {
  subject: { key: Buffer.alloc(16, 1), type: 'email' },
  type: 'opted_out',
  source: { kind: 'api' },
};
const fault = (fields: Partial<Draft>): unknown => {
  try {
    checkDraft({ ...draft, ...fields }, NOW);
    return undefined;
  } catch (error) {
    return error instanceof HushError ? error.detail.field : error;
  }
};

describe('a draft is refused', () => {
  test('where a denial lies more than 5 minutes ahead; a grant counts from its receipt', () => {
    expect(fault({ at: NOW + 300_000 })).toBeUndefined();
    expect(fault({ at: NOW + 300_001 })).toBe('at');
    expect(fault({ at: NOW + 300_001, type: 'opted_in' })).toBeUndefined();
    expect(fault({ at: NOW + 300_001, type: 'consent_granted' })).toBeUndefined();
  });

  test('where its evidence is larger than 1 kB', () => {
    expect(fault({ evidence: { text: 'x'.repeat(1013) } })).toBeUndefined();
    expect(fault({ evidence: { text: 'x'.repeat(1014) } })).toBe('source.evidence');
    expect(fault({ evidence: { text: 'ü'.repeat(507) } })).toBe('source.evidence');
  });
});

describe('an id of a writer', () => {
  const keyring = keyringFromSecret('a secret of this test, long enough', machine.randomBytes);
  const stored = new Map<string, string>();
  const writerIds = {
    claim: async (ids: readonly { id: string; content: string }[]) => {
      for (const { id, content } of ids) if (!stored.has(id)) stored.set(id, content);
      return new Map(ids.map(({ id }) => [id, stored.get(id) ?? '']));
    },
  };
  const named = (fields: Partial<Draft> = {}): Draft => ({ ...draft, writer: { name: 'crm', id: '7' }, ...fields });

  test('stands for one content: of two under one id the first counts, whoever sends the second', async () => {
    const other = named({ type: 'opted_in' });
    const faultOf = await claimIds({ writerIds, keyring, machine }, [named(), other, draft]);
    expect([faultOf(named()), faultOf(draft)]).toEqual([undefined, undefined]);
    expect(faultOf(other)?.kind).toBe('id_reused');
    const later = await claimIds({ writerIds, keyring, machine }, [other]);
    expect(later(other)?.kind).toBe('id_reused');
    expect((await claimIds({ writerIds, keyring, machine }, [named()]))(named())).toBeUndefined();
  });

  test('is its writer’s own, and tells the store nothing', async () => {
    const others = named({ type: 'opted_in', writer: { name: 'shop', id: '7' } });
    expect((await claimIds({ writerIds, keyring, machine }, [others]))(others)).toBeUndefined();
    expect(stored.size).toBe(2);
    for (const [id, content] of stored) expect(`${id}${content}`).toMatch(/^[\w-]{44}$/);
  });
});
