import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { contactKeyFromText } from '../../src/core/keys.js';
import { pdfText, squeezed } from '../rights/pdf-text.js';
import { type Hush, startHush } from '../support/hush.js';
import { type Console, signIn } from './staff/browser.js';

/** A contact with a long and undone history: what each page, letter and package says of it is compared with the decision. */
let hush: Hush;
let agent: Console;
let key: string;
const contact = { email: 'undone@example.com' };

const DAY = 86_400_000;
const ago = (days: number) => new Date(Date.now() - days * DAY).toISOString();
const event = (type: string, at: string, scope?: object, more: object = {}) => ({
  contact,
  type,
  at,
  source: { kind: 'api' },
  ...(scope ? { scope } : {}),
  ...more,
});
const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
const SHIPPING_MAIL = { brand: 'shipping', channel: 'mail', purpose: 'marketing' };
const SHIPPING_CALLS = { brand: 'shipping', channel: 'voice', purpose: 'marketing' };
const SHIPPING_EMAIL = { brand: 'shipping', channel: 'email', purpose: 'marketing' };
const SHIPPING_OFFERS = { brand: 'shipping', channel: 'email', purpose: 'promotion' };

beforeAll(async () => {
  hush = await startHush({ env: { HUSH_ROLE: 'web' } });
  agent = await signIn(hush, 'agent');
  await hush.ask('/v1/events', {
    events: [
      event('profile', ago(400), undefined, { relationship: 'customer', jurisdiction: 'US-WI' }),
      event('consent_granted', ago(390), OFFERS),
      event('opted_out', ago(300), OFFERS),
      event('opted_in', ago(299), OFFERS),
      event('opted_out', ago(200), SHIPPING_MAIL),
      event('opted_in', ago(100), SHIPPING_MAIL),
      event('paused', ago(90), { brand: 'jmf', channel: 'email' }, { until: ago(60) }),
      event('restricted', ago(50)),
      event('restriction_lifted', ago(40)),
      event('registry_listed', ago(50), undefined, { registry: 'us-national' }),
      event('registry_unlisted', ago(40), undefined, { registry: 'us-national' }),
      event('unreachable', ago(30), undefined, { channel: 'mail' }),
      event('reachable', ago(20), undefined, { channel: 'mail' }),
      // These stand: one wholly, one but for a part.
      event('opted_out', ago(10), SHIPPING_CALLS),
      event('opted_out', ago(9), SHIPPING_EMAIL),
      event('opted_in', ago(8), SHIPPING_OFFERS),
    ],
  });
  await hush.settle();
  key = (await hush.ask<{ contact: string }>('/v1/contacts/lookup', { contact })).contact;
});
afterAll(() => hush?.stop());

const allowed = async ({ brand, channel }: { brand: string; channel: string }, purpose: string) =>
  (await hush.decide(contact, purpose, { brand, channel })).allowed;

/** What stands on the screen of a call: the items of its list. */
function standingOn(text: string): string[] {
  const [, rest = ''] = text.split('In force: opted out of');
  const [list = ''] = rest.split('</ul>');
  return list
    .split('<li>')
    .slice(1)
    .map((item) => item.replace(/<[^>]*>/g, '').trim());
}

test('the decisions of this history', async () => {
  expect(await allowed(OFFERS, 'promotion')).toBe(true);
  expect(await allowed(SHIPPING_MAIL, 'promotion')).toBe(true);
  expect(await allowed(SHIPPING_CALLS, 'promotion')).toBe(false);
  expect(await allowed(SHIPPING_EMAIL, 'research')).toBe(false);
  expect(await allowed(SHIPPING_OFFERS, 'promotion')).toBe(true);
});

test('the screen of a call names what stands, and the part that was opened again', async () => {
  const standing = standingOn((await agent.post('/staff/call', { find: contact.email })).text);
  expect(standing).toHaveLength(2);
  expect(standing[0]).toMatch(/All marketing · by email · .*, but not .*by email/i);
  expect(standing[1]).toMatch(/by (phone|voice|call)/i);
});

test('what a caller can ask to have back is what stands', async () => {
  await agent.post('/staff/call', { find: contact.email });
  const { text } = await agent.get(`/staff/contacts/${key}/lift`);
  const offered = [...text.matchAll(/name="scope" value="([^"]*)"/g)].map(([, value]) => value).sort();
  expect(offered).toHaveLength(2);
  expect(offered.join(' ')).toMatch(/shipping\/email\/marketing.*shipping\/voice/);
});

test('the access package says the same in its three forms, and which consent has ended', async () => {
  const made = await hush.hush.accessPackages.prepare(
    {
      id: 'q_stands',
      contacts: [contactKeyFromText(key) ?? Buffer.alloc(0)],
      language: 'en',
      brand: 'jmf',
      delivery: { way: 'download' },
    },
    'officer',
  );
  await hush.hush.accessPackages.work();
  const stored = await hush.hush.accessPackages.get(made.id);
  if (!stored) throw new Error('no package');
  const bytes = async (name: 'json' | 'html' | 'pdf') => {
    const chunks: Buffer[] = [];
    for await (const chunk of hush.hush.accessPackages.file(stored, name)) chunks.push(chunk);
    return Buffer.concat(chunks);
  };
  const held = JSON.parse((await bytes('json')).toString());
  const [{ standing, reachability }] = held.contacts;
  expect(standing.map(({ type, scope, except }: Record<string, object>) => ({ type, scope, except }))).toEqual([
    expect.objectContaining({
      type: 'opted_out',
      scope: expect.objectContaining(SHIPPING_EMAIL),
      except: [expect.objectContaining(SHIPPING_OFFERS)],
    }),
    { type: 'opted_out', scope: expect.objectContaining(SHIPPING_CALLS), except: undefined },
  ]);
  expect(reachability).toEqual([]);
  expect(held.consents).toMatchObject([{ status: 'ended' }]);
  const html = (await bytes('html')).toString();
  const printed = squeezed(pdfText(await bytes('pdf')).join(' '));
  for (const text of [squeezed(html.replace(/<[^>]*>/g, ' ')), printed]) {
    expect(text.split(squeezed('In force')).length - 1).toBe(2);
    expect(text).toContain(squeezed('No longer in force'));
  }
});

test('the API says the same', async () => {
  const { denials } = await hush.ask<{ denials: { standing: boolean; scope: object }[] }>('/v1/contacts/lookup', {
    contact,
  });
  expect(denials.filter(({ standing }) => standing).map(({ scope }) => scope)).toEqual([
    expect.objectContaining(SHIPPING_EMAIL),
    expect.objectContaining(SHIPPING_CALLS),
  ]);
});
