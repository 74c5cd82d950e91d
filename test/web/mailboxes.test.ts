import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { API_KEY, type Hush, startHush } from '../support/hush.js';
import { startGoogleAds } from '../support/stand-ins/google-ads.js';
import { startSendgrid } from '../support/stand-ins/sendgrid.js';
import { until } from '../support/until.js';
import { sha256 } from '../sync/destinations/hashes.js';
import { type Described, type Sendgrid, sender } from '../sync/reconciling.js';
import { signIn } from './staff/browser.js';

const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
const ADS = { brand: 'jmf', channel: 'ads', purpose: 'retargeting' };

let hush: Hush;
let sendgrid: Sendgrid;
let google: Awaited<ReturnType<typeof startGoogleAds>>;
beforeAll(async () => {
  [sendgrid, google] = await Promise.all([startSendgrid(), startGoogleAds()]);
  hush = await startHush({ destinations: [sender(sendgrid), audience()], workerTimes: { reassertAfter: 50 } });
});
afterAll(async () => {
  await hush?.stop();
  await Promise.all([sendgrid?.close(), google?.close()]);
});

const audience = () => ({
  name: 'google',
  adapter: 'google-customer-match',
  role: 'third_party',
  settings: {
    customerId: '123',
    developerToken: 'developer-stand-in',
    clientId: 'client',
    clientSecret: 'google-stand-in-secret',
    refreshToken: google.refreshToken,
    baseUrl: google.url,
    tokenUrl: `${google.url}/token`,
  },
  bindings: [{ name: 'exclusion', ...ADS, target: { audience: '456', use: 'exclusion' } }],
});

let mailboxes = 0;
function spellings() {
  const name = `mailbox${++mailboxes}`;
  return {
    plain: `${name}@gmail.com`,
    dotted: `m.ail.${name.slice(4)}@gmail.com`,
    other: `Mail.${name.slice(4)}@googlemail.com`,
  };
}

const say = (email: string, type: string, scope: object = OFFERS, more: object = {}) =>
  hush.ask<{ accepted: { contact: string; receipt: string }[] }>('/v1/events', {
    events: [{ contact: { email }, type, scope, source: { kind: 'api' }, ...more }],
  });
const reasonOf = async (email: string, more: object = {}) => (await hush.decide({ email }, 'promotion', more)).reason;
const text = async (path: string, body?: string, type = 'text/csv') => {
  const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': type };
  return (await fetch(hush.url + path, { headers, ...(body === undefined ? {} : { method: 'POST', body }) })).text();
};

describe('a denial given for one spelling', () => {
  test('holds for all in every way of asking, and names the same receipt', async () => {
    const { plain, dotted, other } = spellings();
    const before = new Date().toISOString();
    const { accepted } = await say(dotted, 'opted_out');
    const receipt = accepted[0]?.receipt;
    for (const email of [plain, dotted, other]) {
      expect(await hush.decide({ email })).toMatchObject({ reason: 'opted_out', receipt });
      expect(await reasonOf(email, { at: '2020-01-01T00:00:00Z' })).toBe('not_objected');
      expect(await reasonOf(email, { at: new Date(Date.parse(before) + 3_600_000).toISOString() })).toBe('opted_out');
    }
    const contacts = [plain, other, 'mailbox@gmail.com'].map((email) => ({ email }));
    const { decisions } = await hush.ask<{ decisions: { reason: string }[] }>('/v1/decisions/batch', {
      ...OFFERS,
      contacts,
    });
    expect(decisions.map(({ reason }) => reason)).toEqual(['opted_out', 'opted_out', 'not_objected']);
    const lines = contacts.map((contact) => JSON.stringify({ ...OFFERS, contact })).join('\n');
    const streamed = await text('/v1/decisions/batch', `${lines}\n`, 'application/x-ndjson');
    expect(streamed.match(/"reason":"(\w+)"/g)).toEqual([
      '"reason":"opted_out"',
      '"reason":"opted_out"',
      '"reason":"not_objected"',
    ]);
    const query = new URLSearchParams({ ...OFFERS, column: 'email', output: 'denied' });
    expect(await text(`/v1/scrub?${query}`, `email\n${plain}\n${other}\nmailbox@gmail.com\n`)).toBe(
      `email\n${plain}\n${other}\n`,
    );
    expect(await hush.ask('/v1/contacts/lookup', { contact: { email: other } })).toMatchObject({
      known: false,
      denials: [{ type: 'opted_out', receipt, standing: true }],
    });
    expect(accepted[0]?.contact).toBeDefined();
  });

  test('shows on the page of another one, which its own fresh yes lifts alone', async () => {
    const { plain, dotted } = spellings();
    await say(plain, 'opted_out');
    const { preferencesUrl } = await hush.ask<{ preferencesUrl: string }>('/v1/links', {
      contact: { email: dotted },
      ...OFFERS,
    });
    const page = await (await fetch(preferencesUrl)).text();
    const { preferencesUrl: free } = await hush.ask<{ preferencesUrl: string }>('/v1/links', {
      contact: { email: 'free.one@gmail.com' },
      ...OFFERS,
    });
    expect(page).not.toBe(await (await fetch(free)).text());
    expect(page.match(/ checked/g)?.length ?? 0).toBeLessThan(
      (await (await fetch(free)).text()).match(/ checked/g)?.length ?? 0,
    );
    await say(dotted, 'opted_in');
    expect([await reasonOf(plain), await reasonOf(dotted)]).toEqual(['opted_out', 'not_objected']);
  });

  test('is on the screen of a call from a spelling that nobody has seen', async () => {
    const { plain, other } = spellings();
    await say(plain, 'opted_out');
    const agent = await signIn(hush, 'agent');
    const { text: unseen } = await agent.post('/staff/call', { find: other });
    expect(unseen).toContain('In force: opted out under another spelling');
    const { text: nobody } = await agent.post('/staff/call', { find: 'nobody.known@gmail.com' });
    expect(nobody).not.toContain('Said no to already');
  });

  test('reaches the senders and the feed of every spelling that is known', async () => {
    const { plain, dotted } = spellings();
    const { accepted } = await say(plain, 'profile', {}, { relationship: 'customer' });
    await hush.settle();
    expect(sendgrid.global.has(plain)).toBe(false);
    const entries = async () => {
      const { changes } = await hush.ask<{ changes: { contact: string }[] }>('/v1/changes?limit=1000');
      return changes.filter(({ contact }) => contact === accepted[0]?.contact).length;
    };
    // The feed may tell two changes by one entry: the second one is made when the first has its own.
    await until(async () => (await entries()) === 1);
    await say(dotted, 'opted_out');
    await until(async () => {
      await hush.settle();
      return sendgrid.global.has(plain) && sendgrid.global.has(dotted);
    });
    const rows = await text(`/v1/suppressions?${new URLSearchParams({ ...OFFERS, format: 'ndjson' })}`);
    for (const email of [plain, dotted]) expect(rows).toContain(`"${email}"`);
    await until(async () => (await entries()) >= 2);
    await say(plain, 'opted_in');
    await until(async () => {
      await hush.settle();
      return !sendgrid.global.has(plain);
    });
    expect(sendgrid.global.has(dotted)).toBe(true);
  });

  test('keeps an exclusion of an ad platform while any spelling is denied', async () => {
    const { plain, dotted } = spellings();
    const member = sha256(plain);
    /** What Google was asked to do about the mailbox, once nothing is pending. */
    const asked = async () => {
      await until(async () => {
        await hush.settle();
        const { destinations } = await hush.ask<{ destinations: Described[] }>('/v1/destinations');
        return destinations.find(({ name }) => name === 'google')?.pending === 0;
      });
      return google.asked
        .map(({ json }) => JSON.stringify(json ?? null))
        .filter((json) => json.includes(member))
        .map((json) => (json.includes('"remove"') ? 'remove' : 'create'));
    };
    await say(plain, 'opted_out', ADS);
    await say(dotted, 'opted_out', ADS);
    expect(new Set(await asked())).toEqual(new Set(['create']));
    await say(dotted, 'opted_in', ADS);
    expect(await asked()).not.toContain('remove');
    expect((await hush.decide({ email: dotted }, 'retargeting', { channel: 'ads' })).allowed).toBe(true);
    await say(plain, 'opted_in', ADS);
    expect((await asked()).at(-1)).toBe('remove');
  });
});

test('a number that was stored in another form before the two were one is still found, with all that is known of it', async () => {
  const first = await startHush({ destinations: [] });
  const TEXTS = { brand: 'jmf', channel: 'sms', purpose: 'promotion' } as const;
  const former = (national: string) => {
    const number = `+55${national}`;
    return { type: 'phone', normalised: number, given: number, country: 'BR' } as const;
  };
  const events = [
    {
      subject: { point: former('1187654321') },
      type: 'opted_out',
      scope: { brand: '*', channel: 'sms', purpose: '*', topic: '*' },
      source: { kind: 'sms' },
    },
    {
      subject: { point: former('1187654322') },
      type: 'consent_granted',
      scope: { ...TEXTS, topic: '*' },
      source: { kind: 'form' },
    },
  ] as const;
  for (const event of events) await first.hush.accept.accept(event);
  await first.settle();
  await first.stop(true);
  const second = await startHush({
    destinations: [],
    from: first,
    changePolicy: (policy) => {
      policy.auditExportDays = 8;
    },
  });
  const decide = (phone: string) => second.decide({ phone }, 'promotion', { channel: 'sms' });
  // Whether it was evaluated again already or not.
  expect((await decide('+5511987654321')).reason).toBe('opted_out');
  expect((await decide('+551187654321')).reason).toBe('opted_out');
  expect(['consented', 'quiet_hours']).toContain((await decide('+5511987654322')).reason);
  await until(async () => (await second.hush.stores.contacts.countOutdated(second.hush.configuration)) === 0);
  const ask = {
    contact: { phone: '+5511987654322' },
    type: 'opted_out',
    scope: { channel: 'sms' },
    source: { kind: 'api' },
  };
  await second.ask('/v1/events', { events: [ask] });
  const rows = await (
    await second.get(`/v1/suppressions?${new URLSearchParams({ ...TEXTS, include: 'standing', format: 'ndjson' })}`)
  ).text();
  // A list is for systems that may hold either form.
  for (const number of ['+551187654321', '+551187654322']) expect(rows).toContain(number);
  expect(rows.match(/"opted_out"/g)?.length).toBeGreaterThanOrEqual(2);
  await second.stop();
});

test('tags are told apart until the policy says that they share; what is stored follows', async () => {
  const first = await startHush({ destinations: [] });
  const out = (email: string) =>
    first.ask('/v1/events', {
      events: [{ contact: { email }, type: 'opted_out', scope: OFFERS, source: { kind: 'api' } }],
    });
  await out('ana+shop@example.com');
  await out('bo@example.com');
  await first.ask('/v1/events', {
    events: [
      {
        contact: { email: 'ana@example.com' },
        type: 'opted_in',
        scope: OFFERS,
        at: '2026-01-01T00:00:00Z',
        source: { kind: 'api' },
      },
    ],
  });
  await first.settle();
  expect((await first.decide({ email: 'ana@example.com' })).allowed).toBe(true);
  await first.stop(true);

  const second = await startHush({
    destinations: [],
    from: first,
    changePolicy: (policy) => {
      policy.mailboxes = [{ domains: ['*'], tags: '+' }];
    },
  });
  await until(async () => (await second.decide({ email: 'ana+news@example.com' })).reason === 'opted_out');
  expect((await second.decide({ email: 'ana@example.com' })).reason).toBe('opted_out');
  expect((await second.decide({ email: 'bo+x@example.com' })).reason).toBe('opted_out');
  expect((await second.decide({ email: 'cy+x@example.com' })).allowed).toBe(true);
  await second.stop();
});
