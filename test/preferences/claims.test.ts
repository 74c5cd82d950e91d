import { describe, expect, test } from '@jest/globals';
import { keyringFromSecret } from '../../src/core/keys.js';
import { machine } from '../../src/machine.js';
import type { Draft } from '../../src/preferences/draft.js';
import { claimIds } from '../../src/preferences/retries.js';

const keyring = keyringFromSecret('a secret of this test, long enough', machine.randomBytes);
const anonymous: Draft = {
  subject: { key: Buffer.alloc(16, 1), type: 'email' },
  type: 'opted_out',
  source: { kind: 'api' },
};
/** A draft of its own each time, as two requests make two of the same event. */
const named = (fields: Partial<Draft> = {}): Draft => ({ ...anonymous, writer: { name: 'crm', id: '7' }, ...fields });

/** Keeps ids as the store does, and counts how often it is asked. */
function idStore() {
  const stored = new Map<string, string>();
  const store = {
    stored,
    asked: 0,
    claim: async (ids: readonly { id: string; content: string }[]) => {
      store.asked++;
      for (const { id, content } of ids) if (!stored.has(id)) stored.set(id, content);
      return new Map(ids.map(({ id }) => [id, stored.get(id) ?? '']));
    },
  };
  return store;
}

/** What is wrong with each draft of one request. */
async function faultsOf(writerIds: ReturnType<typeof idStore>, drafts: readonly Draft[], keys = keyring) {
  const faultOf = await claimIds({ writerIds, keyring: keys, machine }, drafts);
  return drafts.map((draft) => faultOf(draft)?.kind);
}

describe('an id of a writer', () => {
  test('stands for one content: of two under one id the first counts, whoever sends the second', async () => {
    const store = idStore();
    const other = { type: 'opted_in' } as const;
    expect(await faultsOf(store, [named(), named(other), anonymous])).toEqual([undefined, 'id_reused', undefined]);
    expect(await faultsOf(store, [named(other)])).toEqual(['id_reused']);
  });

  test('may come again with its content, in the same request and in a later one', async () => {
    const store = idStore();
    expect(await faultsOf(store, [named(), named()])).toEqual([undefined, undefined]);
    expect(await faultsOf(store, [named()])).toEqual([undefined]);
  });

  test('is its writer’s own, and tells the store nothing', async () => {
    const store = idStore();
    await faultsOf(store, [named()]);
    expect(await faultsOf(store, [named({ type: 'opted_in', writer: { name: 'shop', id: '7' } })])).toEqual([
      undefined,
    ]);
    expect(store.stored.size).toBe(2);
    for (const [id, content] of store.stored) expect(`${id}${content}`).toMatch(/^[\w-]{44}$/);
  });

  test('that the store cannot remember now makes the whole request wait', async () => {
    const away = Object.assign(new Error('no primary'), { name: 'MongoServerSelectionError' });
    const writerIds = { claim: () => Promise.reject(away) };
    await expect(claimIds({ writerIds, keyring, machine }, [named()])).rejects.toMatchObject({ kind: 'unavailable' });
  });
});

describe('on the way of an opt-out', () => {
  test('drafts without an id of a writer cost the store no question', async () => {
    const store = idStore();
    expect(await faultsOf(store, [anonymous, { ...anonymous }])).toEqual([undefined, undefined]);
    expect(store.asked).toBe(0);
    await faultsOf(store, [anonymous, named()]);
    expect(store.asked).toBe(1);
  });

  test('id and content of a draft are hashed once', async () => {
    let hashes = 0;
    const counting = {
      ...keyring,
      get lookup() {
        hashes++;
        return keyring.lookup;
      },
    };
    expect(await faultsOf(idStore(), [named(), anonymous], counting)).toEqual([undefined, undefined]);
    expect(hashes).toBe(2);
  });
});
