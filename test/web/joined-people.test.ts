import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { normaliseContact } from '../../src/core/contact-point.js';
import { ask as askFor, OFFICER, pressLink } from '../rights/setting.js';
import { type Hush, startHush } from '../support/hush.js';

/** A join proves no identity: it spreads what denies and nothing else, and gives nobody rights over another's address. */
let hush: Hush;
let narrow: string;
beforeAll(async () => {
  hush = await startHush();
  narrow = (await hush.hush.stores.apiKeys.create('crm', ['contacts'])).key;
});
afterAll(() => hush?.stop());

let count = 0;
const newEmail = (name: string) => ({ email: `${name}${count++}@example.com` });
const join = async (...contacts: object[]) => {
  const answer = await hush.post('/v1/contacts/link', { contacts }, { authorization: `Bearer ${narrow}` });
  expect(answer.status).toBe(200);
};
const events = (...list: object[]) =>
  hush.ask<{ accepted: { id: string }[]; rejected: unknown[] }>('/v1/events', {
    events: list.map((event) => ({ source: { kind: 'api' }, ...event })),
  });
const form = async (path: string, fields: Record<string, string>) =>
  (await fetch(hush.url + path, { method: 'POST', body: new URLSearchParams(fields) })).text();

async function oneClickOut(contact: { email: string }): Promise<void> {
  const { oneClickUrl } = await hush.ask<{ oneClickUrl: string }>('/v1/links', {
    contact,
    brand: 'jmf',
    channel: 'email',
    purpose: 'promotion',
  });
  expect((await fetch(hush.url + new URL(oneClickUrl).pathname, { method: 'POST' })).status).toBe(200);
}

/** Opens a fresh link of a contact and switches everything on that is off. */
async function switchAllOn(contact: { email: string }): Promise<string> {
  const { links, clock } = hush.hush;
  const token = links.fresh(normaliseContact(contact, 'US'), 'jmf', clock.now());
  const page = await form(`/p/${token}`, { act: 'open' });
  const session = /name="session" value="([^"]+)"/.exec(page)?.[1] ?? '';
  const was = [...page.matchAll(/name="(was\.[^"]+)" value="([^"]*)"/g)].map(([, name = '', value = '']) => [
    name,
    value,
  ]);
  const on = was.filter(([name = '']) => !name.startsWith('was.c.')).map(([name = '']) => [name.slice(4), '1']);
  return form(`/p/${token}`, { act: 'save', session, ...Object.fromEntries([...was, ...on]) });
}

describe('a stranger who is joined to somebody', () => {
  test('switches nothing on for them with a fresh link of their own, and does for themselves', async () => {
    const [victim, stranger] = [newEmail('victim'), newEmail('stranger')];
    await oneClickOut(victim);
    await events({ contact: stranger, type: 'opted_out', scope: { purpose: 'marketing' } });
    await join(victim, stranger);
    const page = await switchAllOn(stranger);
    expect(await hush.decide(victim)).toMatchObject({ allowed: false, reason: 'opted_out' });
    expect(await hush.decide(stranger, 'promotion', { topic: 'news' })).toMatchObject({ allowed: true });
    expect(page).toContain(`applies to s•••@example.com only`);
    // Who is joined is named masked, and never in full.
    expect(page).toContain('v•••@example.com');
    expect(page).not.toContain(victim.email);
  });

  test('gives consent for nobody: a yes for the whole person counts for the one address', async () => {
    const [victim, stranger, phone] = [newEmail('victim'), newEmail('stranger'), { phone: '+19205550188' }];
    await join(victim, stranger, phone);
    await events({ contact: victim, type: 'opted_out' });
    const sms = { channel: 'sms', at: '2030-06-15T18:00:00Z' };
    for (const type of ['consent_granted', 'opted_in'])
      await events({ contact: stranger, type, scope: { brand: 'jmf' }, reach: 'person' });
    await events({ contact: stranger, type: 'profile', reach: 'person', relationship: 'customer', minor: false });
    expect(await hush.decide(victim)).toMatchObject({ allowed: false, reason: 'opted_out' });
    expect(await hush.decide(phone, 'promotion', sms)).toMatchObject({ allowed: false, reason: 'consent_missing' });
    expect(await hush.decide(stranger)).toMatchObject({ allowed: true, reason: 'consented' });
  });

  test('brings no earlier yes along, with one join or by way of several, and brings every earlier no', async () => {
    const stranger = newEmail('stranger');
    const victims = [1, 2, 3].map(() => newEmail('victim'));
    await events(...victims.map((contact) => ({ contact, type: 'opted_out' })));
    await events({ contact: stranger, type: 'opted_in', reach: 'person' });
    await events({ contact: stranger, type: 'consent_granted', scope: { brand: 'jmf' }, reach: 'person' });
    await events({ contact: stranger, type: 'profile', minor: true, jurisdiction: 'DE', reach: 'person' });
    await events({ contact: stranger, type: 'objected', scope: { brand: 'shipping' }, reach: 'person' });
    const [first = {}, second = {}, third = {}] = victims;
    await join(stranger, first);
    await join(second, third);
    await join(first, third);
    for (const victim of victims) {
      expect(await hush.decide(victim, 'service')).toMatchObject({ allowed: true });
      expect(await hush.decide(victim)).toMatchObject({ allowed: false, reason: 'minor' });
      const { denials, grants } = await hush.ask<{ denials: { type: string }[]; grants: unknown[] }>(
        '/v1/contacts/lookup',
        { contact: victim },
      );
      expect(grants).toEqual([]);
      expect(denials.map(({ type }) => type).sort()).toEqual(['objected', 'opted_out']);
    }
  });

  test('erases nobody else by an event that reaches the whole person', async () => {
    const [victim, stranger] = [newEmail('victim'), newEmail('stranger')];
    await join(victim, stranger);
    await events({ contact: stranger, type: 'erased', reach: 'person' });
    expect(await hush.decide(stranger, 'service')).toMatchObject({ reason: 'erased' });
    expect(await hush.decide(victim, 'service')).toMatchObject({ allowed: true });
  });

  test.each(['deletion', 'access'] as const)('gets their %s for the verified address only', async (kind) => {
    const [victim, stranger] = [newEmail('victim'), newEmail('stranger')];
    await events({ contact: victim, type: 'profile', relationship: 'customer' });
    await join(victim, stranger);
    await askFor(hush, kind, stranger.email);
    const verified = await pressLink(hush, stranger.email, /confirm that it is you/);
    if (!verified) throw new Error('not verified');
    expect(verified.contacts).toHaveLength(1);
    const { fulfilment } = hush.hush.rights;
    if (kind === 'deletion') {
      await fulfilment.erase(verified, OFFICER);
      expect(await hush.decide(stranger, 'service')).toMatchObject({ reason: 'erased' });
      expect(await hush.decide(victim, 'service')).toMatchObject({ allowed: true });
    } else {
      const begun = await fulfilment.access(verified, OFFICER, 'download');
      const made = await hush.hush.accessPackages.get(begun.package ?? '');
      expect(made?.contacts).toHaveLength(1);
    }
  });

  test('and a stop that was taken back is not brought to who is joined later', async () => {
    const [ana, phone, later] = [newEmail('ana'), { phone: '+19205550189' }, newEmail('later')];
    await join(ana, phone);
    const { preferencesUrl } = await hush.ask<{ preferencesUrl: string }>('/v1/links', {
      contact: ana,
      brand: 'jmf',
      channel: 'email',
      purpose: 'promotion',
    });
    const path = new URL(preferencesUrl).pathname;
    const stopped = await form(path, { act: 'stop-all' });
    expect(await hush.decide(phone, 'promotion', { channel: 'mail' })).toMatchObject({ reason: 'opted_out' });
    await form(path, { act: 'undo', undo: /name="undo" value="([^"]+)"/.exec(stopped)?.[1] ?? '' });
    expect(await hush.decide(phone, 'promotion', { channel: 'mail' })).toMatchObject({ allowed: true });
    await join(phone, later);
    expect(await hush.decide(later)).toMatchObject({ allowed: true });
  });
});

describe('a request that names several addresses', () => {
  test('is verified by what they know for the addresses that staff say, and for others later', async () => {
    const [one, two] = [newEmail('one'), newEmail('two')];
    const point = (contact: { email: string }) => ({ point: normaliseContact(contact, 'US') });
    const record = await askFor(hush, 'deletion', one.email, { way: 'phone', contacts: [point(one), point(two)] });
    const { verification, fulfilment, records } = hush.hush.rights;
    const given = { checks: ['shipment', 'policy_number'], note: '' } as const;
    await expect(verification.byKnowledge(record, OFFICER, given)).rejects.toThrow('several addresses');
    const [first, second] = record.contacts.map(({ key }) => key);
    const verified = await verification.byKnowledge(record, OFFICER, { ...given, contacts: first ? [first] : [] });
    expect(verified.contacts.map((contact) => contact.verified)).toEqual([true, false]);
    const both = await verification.byKnowledge(verified, OFFICER, { ...given, contacts: second ? [second] : [] });
    expect(both.contacts.map((contact) => contact.verified)).toEqual([true, true]);
    await fulfilment.erase(await records.get(record.id), OFFICER);
    expect(await hush.decide(two, 'service')).toMatchObject({ reason: 'erased' });
  });
});
