import { expect, test } from '@jest/globals';
import { normaliseContact } from '../../src/core/contact-point.js';
import type { ContactEvent } from '../../src/core/event.js';
import { EMPTY_STATE, fold } from '../../src/core/fold.js';
import { contactKeyBytes, contactKeyText, eventId, keyringFromSecret } from '../../src/core/keys.js';
import { machine } from '../../src/machine.js';
import { type Draft, subjectKey } from '../../src/preferences/draft.js';
import { createReplacement } from '../../src/preferences/replacement.js';

const keyring = keyringFromSecret('a secret of these tests, long enough', machine.randomBytes);
const OLD = { point: normaliseContact({ email: 'old@example.com' }) };
const NEXT = { point: normaliseContact({ email: 'next@example.com' }) };
const oldKey = contactKeyBytes(keyring, OLD.point);
const AT = Date.UTC(2026, 2, 1);

/** With the histories of the two, and the drafts that were handed on. */
function setting(old: readonly ContactEvent[], next: ContactEvent[] = []) {
  const drafts: Draft[] = [];
  const replace = createReplacement({
    keyring,
    clock: { now: () => AT + 1000 },
    decisions: { present: async ({ key }) => ({ state: fold(EMPTY_STATE, key.equals(oldKey) ? old : next) }) },
    guard: async (draft) => ({ draft, leftOut: [] }),
    accept: {
      async acceptAll(given) {
        drafts.push(...given);
        return given.map(({ subject, writer }) => {
          const key = subjectKey(keyring, subject);
          return { id: eventId(keyring, key, writer), contact: contactKeyText(key), at: AT + 1000 };
        });
      },
    },
  });
  return { replace, drafts };
}
const event = (id: string, type: ContactEvent['type'], more: Partial<ContactEvent> = {}): ContactEvent => ({
  id,
  type,
  at: AT,
  recorded: AT * 1024,
  source: { kind: 'one_click', destination: 'sendgrid' },
  ...more,
});

test('the new event says which contact and which denial it comes from, since when, and who said so', async () => {
  const { replace, drafts } = setting([event('A', 'objected')]);
  await replace(OLD, NEXT, 'key1');
  expect(drafts).toEqual([
    {
      subject: NEXT,
      type: 'objected',
      scope: { brand: '*', channel: '*', purpose: 'marketing', topic: '*' },
      // Not the way in of the first: whoever may lift what came through it proves nothing here.
      source: { kind: 'api' },
      actor: 'key1',
      evidence: { replaces: contactKeyText(oldKey), denial: 'e_A', since: '2026-03-01T00:00:00.000Z' },
      writer: { name: 'replace:key1', id: expect.any(String) },
    },
  ]);
  expect(JSON.stringify(drafts)).not.toContain('old@');
});

test('the same again is the same event, whoever else says it or after a lift another one', async () => {
  const { replace, drafts } = setting([event('A', 'objected'), event('B', 'restricted')]);
  const first = await replace(OLD, NEXT, 'key1');
  expect(await replace(OLD, NEXT, 'key1')).toEqual(first);
  expect((await replace(OLD, NEXT, 'key2')).carried[0]?.id).not.toBe(first.carried[0]?.id);
  const lifted = setting([event('A', 'objected')], [event('C', 'opted_in', { at: AT + 1, lifts: 'any' })]);
  expect((await lifted.replace(OLD, NEXT, 'key1')).carried[0]?.id).not.toBe(first.carried[0]?.id);
  const recorded = setting([event('A', 'objected')], [event('C', 'opted_in', { at: AT + 1, lifts: 'none' })]);
  expect((await recorded.replace(OLD, NEXT, 'key1')).carried[0]?.id).toBe(first.carried[0]?.id);
  expect(drafts.map(({ type }) => type)).toEqual(Array(3).fill(['objected', 'restricted']).flat());
});

test('what cannot be recorded fails the whole, to be said again', async () => {
  const { replace } = setting([event('A', 'objected')]);
  await expect(replace(OLD, OLD, 'key1')).rejects.toMatchObject({ detail: { field: 'to' } });
  const away = createReplacement({
    keyring,
    clock: { now: () => AT },
    decisions: { present: async () => ({ state: fold(EMPTY_STATE, [event('A', 'objected')]) }) },
    guard: async (draft) => ({ draft, leftOut: [] }),
    accept: { acceptAll: async () => [new Error('away')] },
  });
  await expect(away(OLD, NEXT, 'key1')).rejects.toThrow('away');
});
