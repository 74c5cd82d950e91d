import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Hush, startHush } from '../support/hush.js';
import { until } from '../support/until.js';
import { compare, happen, OFFERS, optIn, optOut } from '../sync/reconciling.js';

/**
 * A listmonk that runs for real: `HUSH_TEST_LISTMONK_URL`, and an API user of it that may do everything:
 * `HUSH_TEST_LISTMONK_USER`, `HUSH_TEST_LISTMONK_TOKEN`. docs/destinations/listmonk.md says how to get one.
 */
const {
  HUSH_TEST_LISTMONK_URL: url,
  HUSH_TEST_LISTMONK_USER: user = 'hush',
  HUSH_TEST_LISTMONK_TOKEN: token = '',
} = process.env;
// Too large for every run, so it is skipped in CI too.
const missing = url === undefined ? ' [no listmonk: set HUSH_TEST_LISTMONK_URL, _USER and _TOKEN]' : '';
const forReal = missing ? describe.skip : describe;

const PEOPLE = Number(process.env.HUSH_TEST_LISTMONK_PEOPLE ?? 300);
const LEAVING = Math.round(PEOPLE / 3);
/** Of this run alone, so that it may run again on the same listmonk. */
const run = randomBytes(4).toString('hex');
const person = (n: number) => `p${n}.${run}@example.com`;

interface Subscriber {
  readonly uuid: string;
  readonly email: string;
  readonly status: string;
  readonly lists: readonly { readonly id: number; readonly subscription_status: string }[];
}

async function ask<T>(method: string, to: string, body?: unknown): Promise<T> {
  const isForm = body instanceof FormData;
  const response = await fetch(`${url}${to}`, {
    method,
    headers: {
      authorization: `token ${user}:${token}`,
      ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${to}: ${response.status} ${text}`);
  return (JSON.parse(text) as { data: T }).data;
}

async function all(): Promise<Subscriber[]> {
  const query = `subscribers.email LIKE '%.${run}@%'`;
  const { results } = await ask<{ results: Subscriber[] }>(
    'GET',
    `/api/subscribers?per_page=all&query=${encodeURIComponent(query)}`,
  );
  return results;
}
const one = async (email: string) => (await all()).find((each) => each.email === email);

async function importPeople(list: number, emails: readonly string[], overwrite: boolean): Promise<void> {
  const form = new FormData();
  const params = { mode: 'subscribe', subscription_status: 'confirmed', delim: ',', lists: [list], overwrite };
  // What 6.x calls it, beside the former name.
  form.set(
    'params',
    JSON.stringify({ ...params, overwrite_userinfo: overwrite, overwrite_subscription_status: overwrite }),
  );
  form.set('file', new Blob([`email,name\n${emails.map((email) => `${email},Somebody\n`).join('')}`]), 'people.csv');
  await ask('POST', '/api/import/subscribers', form);
  await until(async () => (await ask<{ status: string }>('GET', '/api/import/subscribers')).status === 'finished');
}

/** What somebody does on listmonk's own page, reached by the link in a campaign. */
async function ownPage(campaign: string, email: string, fields: Record<string, string>): Promise<void> {
  const subscriber = await one(email);
  const response = await fetch(`${url}/subscription/${campaign}/${subscriber?.uuid}`, {
    method: 'POST',
    body: new URLSearchParams(fields),
  });
  expect(response.status).toBe(200);
}

forReal(`a listmonk that runs for real${missing}`, () => {
  let hush: Hush;
  let list: number;
  let campaign: string;
  const figures: Record<string, unknown> = {};

  beforeAll(async () => {
    list = (await ask<{ id: number }>('POST', '/api/lists', { name: `offers ${run}`, type: 'public', optin: 'single' }))
      .id;
    campaign = (
      await ask<{ uuid: string }>('POST', '/api/campaigns', {
        name: `campaign ${run}`,
        subject: 'Offers',
        lists: [list],
        type: 'regular',
        content_type: 'plain',
        body: 'Offers',
      })
    ).uuid;
    hush = await startHush({
      settling: 0,
      destinations: [
        {
          name: 'sender',
          adapter: 'listmonk',
          role: 'processor',
          settings: { baseUrl: url, username: user, token },
          bindings: [
            { name: 'offers', ...OFFERS, target: { lists: [list] } },
            { name: 'all', ...OFFERS, purpose: 'research', target: {} },
          ],
        },
      ],
    });
    // What is blocked there from before is not this run's.
    await compare(hush);
    await importPeople(
      list,
      Array.from({ length: PEOPLE }, (_, n) => person(n)),
      false,
    );
  });
  afterAll(async () => {
    process.stdout.write(`listmonk: ${JSON.stringify(figures)}\n`);
    await hush?.stop();
  });

  const statusOn = (subscriber: Subscriber | undefined) =>
    subscriber?.lists.find(({ id }) => id === list)?.subscription_status;

  test('subscribers imported there and opted out here are off the list, and blocked, within seconds', async () => {
    expect((await all()).filter((each) => statusOn(each) === 'confirmed')).toHaveLength(PEOPLE);
    const leaving = Array.from({ length: LEAVING }, (_, n) => person(n));
    const began = performance.now();
    await hush.ask('/v1/events', { events: leaving.map((email) => optOut(email)) });
    await hush.ask('/v1/events', {
      events: leaving.slice(0, 50).map((email) => ({ ...optOut(email), scope: { purpose: 'marketing' } })),
    });
    await until(async () => {
      const gone = new Set(leaving);
      const there = (await all()).filter(({ email }) => gone.has(email));
      return (
        there.every((each) => statusOn(each) === 'unsubscribed') &&
        there.filter(({ status }) => status === 'blocklisted').length === 50
      );
    });
    figures.toldSeconds = Math.round(performance.now() - began) / 1000;
    const rest = (await all()).filter((each) => statusOn(each) === 'confirmed' && each.status === 'enabled');
    expect(rest).toHaveLength(PEOPLE - LEAVING);
  });

  test('who was never imported is there as blocked, and an import does not bring them back', async () => {
    const email = `stranger.${run}@example.com`;
    await happen(hush, [{ ...optOut(email), scope: { purpose: 'marketing' } }]);
    await importPeople(list, [email], false);
    expect(await one(email)).toMatchObject({ status: 'blocklisted' });
    expect(statusOn(await one(email))).toBe('unsubscribed');
  });

  test('blocked there by its own page, and unsubscribed there by its own page, are known here after a comparison', async () => {
    const [blocked, left] = [person(LEAVING + 1), person(LEAVING + 2)];
    await ownPage(campaign, blocked, { blocklist: 'true' });
    await ownPage(campaign, left, { blocklist: 'false' });
    expect(await one(blocked)).toMatchObject({ status: 'blocklisted' });
    expect(statusOn(await one(left))).toBe('unsubscribed');
    const began = performance.now();
    const { found } = await compare(hush);
    figures.compareSeconds = Math.round(performance.now() - began) / 1000;
    figures.found = found;
    expect(found).toMatchObject({ unknown_here: 3 });
    expect(await hush.decide({ email: blocked })).toMatchObject({ allowed: false, reason: 'opted_out' });
    expect(await hush.decide({ email: blocked }, 'research')).toMatchObject({ allowed: false });
    expect(await hush.decide({ email: left })).toMatchObject({ allowed: false, reason: 'opted_out' });
    expect(await hush.decide({ email: left }, 'research')).toMatchObject({ allowed: true });
    expect((await compare(hush)).drift).toBe(0);
  });

  test('a yes here puts back on the list, unconfirmed, whom a no here took off', async () => {
    await happen(hush, [optIn(person(60))]);
    expect(statusOn(await one(person(60)))).toBe('unconfirmed');
    expect((await compare(hush)).drift).toBe(0);
  });

  test('an import that overwrites the status brings people back there; a comparison puts it right', async () => {
    await importPeople(list, [person(70), person(71)], true);
    figures.overwritten = [await one(person(70)), await one(person(71))].map((each) => statusOn(each));
    const { found } = await compare(hush);
    expect(found).toMatchObject({ missing_there: 2 });
    expect(statusOn(await one(person(70)))).toBe('unsubscribed');
    expect((await compare(hush)).drift).toBe(0);
  });

  test('odd addresses arrive whole, are found again, and the impossible ones are parked', async () => {
    const odd = [
      `plus+tag.${run}@example.com`,
      `o'brien.${run}@example.com`,
      `ünï.${run}@example.com`,
      `UPPER.${run}@Example.COM`,
    ];
    const quoted = `"quoted local.${run}"@example.com`;
    await happen(
      hush,
      [...odd, quoted].map((email) => optOut(email)),
    );
    await until(async () => {
      const there = new Map((await all()).map((each) => [each.email, statusOn(each)]));
      return odd.every((email) => there.get(email.toLowerCase()) === 'unsubscribed');
    });
    const { receipt } = await hush.decide({ email: quoted });
    const { destinations } = await hush.ask<{ destinations: object[] }>(`/v1/receipts/${receipt}`);
    expect(destinations).toContainEqual(expect.objectContaining({ binding: 'offers', status: 'parked' }));
    expect((await compare(hush)).drift).toBe(0);
  });
});
