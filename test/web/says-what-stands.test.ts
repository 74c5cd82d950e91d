import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { topicsOf } from '../../src/core/catalog.js';
import { contactKeyFromText } from '../../src/core/keys.js';
import { CHANNELS, PURPOSES } from '../../src/core/scope.js';
import { pdfText, squeezed } from '../rights/letters/pdf-text.js';
import { type Hush, startHush } from '../support/hush.js';
import { type Console, signIn } from './staff/browser.js';

const STAFF_WORDS: Record<string, object> = parse(
  readFileSync(new URL('../../locales/staff.en.yaml', import.meta.url), 'utf8'),
);

/** A contact with a long and undone history: what each page, letter and package says of it is compared with the decision. */
let hush: Hush;
let agent: Console;
let officer: Console;
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
  officer = await signIn(hush, 'privacy_officer');
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
  decisions = await decideAll();
});
afterAll(() => hush?.stop());

const allowed = async ({ brand, channel }: { brand: string; channel: string }, purpose: string) =>
  (await hush.decide(contact, purpose, { brand, channel })).allowed;

interface Decided {
  readonly says: boolean;
  readonly reason: string;
  readonly receipt?: string;
}
let decisions: Map<string, Decided>;
const nameOf = (...parts: readonly string[]) => parts.join(' · ');

/** The decision for every brand, channel, purpose and topic there is. The hour of the day is no statement about a person. */
async function decideAll(): Promise<typeof decisions> {
  const { catalog } = hush.hush;
  const questions = catalog.brands.flatMap(({ id: brand }) =>
    CHANNELS.flatMap((channel) =>
      PURPOSES.flatMap((purpose) =>
        ['', ...topicsOf(catalog, brand).map(({ id }) => id)]
          .filter((topic) => topic === '' || purpose === 'promotion')
          .map((topic) => ({ brand, channel, purpose, topic })),
      ),
    ),
  );
  const lines = questions.map(({ topic, ...question }) =>
    JSON.stringify({ contact, ...question, ...(topic === '' ? {} : { topic }) }),
  );
  const answer = await hush.post('/v1/decisions/batch', lines.join('\n'), { 'content-type': 'application/x-ndjson' });
  const answers = (await answer.text()).trim().split('\n');
  expect(answers).toHaveLength(questions.length);
  return new Map(
    answers.map((line, at) => {
      const { brand = '', channel = '', purpose = '', topic = '' } = questions[at] ?? {};
      const { allowed, reason, receipt } = JSON.parse(line);
      return [nameOf(brand, channel, purpose, topic), { says: allowed || reason === 'quiet_hours', reason, receipt }];
    }),
  );
}

/** Statements beside the decisions that they are about; only what differs fails, by its name. */
function expectTrue(statements: ReadonlyMap<string, boolean>): void {
  const said = [...statements].map(([name, says]) => `${name}: ${says}`);
  expect(said).toEqual([...statements.keys()].map((name) => `${name}: ${decisions.get(name)?.says}`));
}

async function linksOf(scope: { brand: string; channel: string; purpose: string }) {
  const links = await hush.ask<{ oneClickUrl: string; preferencesUrl: string }>('/v1/links', { contact, ...scope });
  const local = (url: string) => new URL(url).pathname;
  return { stop: local(links.oneClickUrl), choices: local(links.preferencesUrl) };
}
const look = async (to: string, init: RequestInit = {}) => (await fetch(hush.url + to, init)).text();

/** Switches of a preference page as the statements that they make. */
function switchesOf(html: string): Map<string, boolean> {
  const shown = new Map<string, boolean>();
  for (const [, name = '', on] of html.matchAll(/role="switch" id="[^"]+" name="([^"]+)" value="1"( checked)?/g)) {
    const [kind, ...rest] = name.split('.');
    const [what = '', channel = '', brand = 'jmf'] = rest.reverse();
    const scope =
      kind === 't'
        ? [brand, channel, 'promotion', what]
        : kind === 'm'
          ? [brand, channel, what, '']
          : ['jmf', what.endsWith('_promotion') ? 'email' : 'ads', what, ''];
    shown.set(nameOf(...scope), on !== undefined);
  }
  return shown;
}

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
  const permitted = new Map<string, boolean>();
  for (const { brands, purpose, channels } of held.permissions) {
    for (const { channel, allowed } of channels) {
      for (const name of brands) {
        const brand = hush.hush.catalog.brands.find((one) => one.name === name)?.id ?? name;
        permitted.set(nameOf(brand, channel, purpose, ''), allowed);
      }
    }
  }
  expect(permitted.size).toBeGreaterThan(80);
  expectTrue(permitted);
  expect(held.consents).toMatchObject([{ status: 'ended' }]);
  const html = (await bytes('html')).toString();
  const printed = squeezed(pdfText(await bytes('pdf')).join(' '));
  for (const text of [squeezed(html.replace(/<[^>]*>/g, ' ')), printed]) {
    expect(text.split(squeezed('In force')).length - 1).toBe(2);
    expect(text).toContain(squeezed('No longer in force'));
  }
});

test('the API says the same', async () => {
  const { denials } = await hush.ask<{ denials: { standing: boolean; scope: object; except?: object[] }[] }>(
    '/v1/contacts/lookup',
    { contact },
  );
  expect(denials.filter(({ standing }) => standing).map(({ scope, except }) => ({ scope, except }))).toEqual([
    { scope: expect.objectContaining(SHIPPING_EMAIL), except: [expect.objectContaining(SHIPPING_OFFERS)] },
    { scope: expect.objectContaining(SHIPPING_CALLS), except: undefined },
  ]);
});

test('each switch of the preference page, by a link of mail and by a fresh one, and the file to take along', async () => {
  const { choices } = await linksOf(OFFERS);
  const mailed = switchesOf(await look(choices));
  expect(mailed.size).toBeGreaterThan(25);
  expectTrue(mailed);
  const { point } = hush.hush.links.read(choices.split('/').at(-1) ?? '', Date.now()) ?? {};
  if (!point) throw new Error('the link does not open');
  const fresh = `/p/${hush.hush.links.fresh(point, 'jmf', hush.hush.clock.now())}`;
  const opened = await look(fresh, { method: 'POST', body: new URLSearchParams({ act: 'open' }) });
  expect(switchesOf(opened)).toEqual(mailed);
  // Neither the pause, nor the restriction, nor any of what was lifted.
  for (const html of [await look(choices), opened]) expect(html).not.toMatch(/Everything is paused|Already stopped/);
  const session = /name="session" value="([^"]+)"/.exec(opened)?.[1] ?? '';
  const body = new URLSearchParams({ act: 'download', session });
  const { standing } = JSON.parse(await look(fresh, { method: 'POST', body }));
  expect(standing.map(({ scope, except }: Record<string, object>) => ({ scope, except }))).toEqual([
    { scope: expect.objectContaining(SHIPPING_EMAIL), except: [expect.objectContaining(SHIPPING_OFFERS)] },
    { scope: expect.objectContaining(SHIPPING_CALLS), except: undefined },
  ]);
});

test('the page of an unsubscribe link says “already stopped” where the decision denies, with its receipt', async () => {
  const scopes = ['jmf', 'shipping'].flatMap((brand) =>
    ['email', 'voice', 'mail'].flatMap((channel) =>
      ['promotion', 'research'].map((purpose) => ({ brand, channel, purpose })),
    ),
  );
  const stopped: string[] = [];
  for (const scope of scopes) {
    const html = await look((await linksOf(scope)).stop);
    const name = nameOf(scope.brand, scope.channel, scope.purpose, '');
    const decided = decisions.get(name);
    // A question that nobody answered with a no is open to be answered so, though a consent is missing.
    expect([name, html.includes('Already stopped since')]).toEqual([name, decided?.reason === 'opted_out']);
    if (decided?.reason !== 'opted_out') continue;
    stopped.push(name);
    expect(`r_${/class="num">([^<]+)</.exec(html)?.[1]}`).toBe(decided.receipt);
  }
  expect(stopped).toEqual([
    'shipping · email · research · ',
    'shipping · voice · promotion · ',
    'shipping · voice · research · ',
  ]);
});

test('the person’s page in the console: each cell of its table, the consents, and what destinations know', async () => {
  await officer.post(`/staff/contacts/${key}/look`, { reason: 'request', note: 'asked what stands' });
  const { text } = await officer.get(`/staff/contacts/${key}`);
  const { brands } = hush.hush.catalog;
  const words = (part: string) =>
    new Map<string, string>(Object.entries(STAFF_WORDS[part] ?? {}).map(([id, word]) => [String(word), id]));
  const [purposes, channels] = [words('purpose'), words('channel')];
  const cells = new Map<string, boolean>();
  for (const group of text.split('<h3>').slice(1)) {
    const names = group.slice(0, group.indexOf('</h3>')).split(' and ');
    for (const [, purpose = '', row = ''] of group.matchAll(
      /<th scope="row" role="rowheader">([^<]*)<\/th>(.*?)<\/tr>/g,
    )) {
      for (const [, channel = '', says] of row.matchAll(/data-label="([^"]*)"><span class="(yes|no)"/g)) {
        for (const name of names) {
          const brand = brands.find((one) => one.name === name)?.id ?? name;
          cells.set(
            nameOf(brand, channels.get(channel) ?? channel, purposes.get(purpose) ?? purpose, ''),
            says === 'yes',
          );
        }
      }
    }
  }
  expect(cells.size).toBeGreaterThan(80);
  expectTrue(cells);
  expect(text).toMatch(/class="tag soft">ended</);
  expect(text).not.toMatch(/class="tag yes">active</);
  expect(text).toMatch(/offers: <span class="tag yes">not suppressed</);
});

test('receipts and the list of suppressions: what was lifted is suppressed nowhere', async () => {
  const { denials } = await hush.ask<{ denials: { receipt: string }[] }>('/v1/contacts/lookup', { contact });
  for (const { receipt } of denials) {
    const { destinations } = await hush.ask<{ destinations: { suppressed: boolean }[] }>(`/v1/receipts/${receipt}`);
    expect(destinations.every(({ suppressed }) => !suppressed)).toBe(true);
  }
  for (const [brand, channel, purpose] of [
    ['jmf', 'email', 'promotion'],
    ['shipping', 'email', 'promotion'],
    ['shipping', 'email', 'research'],
  ] as const) {
    const list = await hush.get(
      `/v1/suppressions?brand=${brand}&channel=${channel}&purpose=${purpose}&include=all&format=ndjson`,
    );
    const name = nameOf(brand, channel, purpose, '');
    expect([name, list.status, !(await list.text()).includes(key)]).toEqual([name, 200, decisions.get(name)?.says]);
  }
});
