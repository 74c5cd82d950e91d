import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeBase32 } from '../../src/core/base32.js';
import { type Hush, startHush } from '../support/hush.js';

let hush: Hush;
beforeAll(async () => {
  hush = await startHush();
});
afterAll(() => hush?.stop());

interface MailLinks {
  readonly oneClickUrl: string;
  readonly preferencesUrl: string;
  readonly headers: Record<string, string>;
}

let count = 0;
async function someone(scope: object = {}): Promise<{ contact: { email: string } } & MailLinks> {
  const contact = { email: `person${count++}@example.com` };
  const links = await hush.ask<MailLinks>('/v1/links', {
    contact,
    brand: 'jmf',
    channel: 'email',
    purpose: 'promotion',
    ...scope,
  });
  const local = (url: string) => hush.url + new URL(url).pathname;
  return { ...links, contact, oneClickUrl: local(links.oneClickUrl), preferencesUrl: local(links.preferencesUrl) };
}

const post = (url: string, body?: RequestInit['body'], headers: Record<string, string> = {}) =>
  fetch(url, { method: 'POST', redirect: 'manual', headers, ...(body === undefined ? {} : { body }) });

describe('POST /u/:token, as mail programs send it', () => {
  const multipart = () => {
    const form = new FormData();
    form.set('List-Unsubscribe', 'One-Click');
    return form;
  };
  const withFile = () => {
    const form = multipart();
    form.set('file', new Blob(['x'.repeat(5000)]), 'a.txt');
    return form;
  };
  test.each<[string, () => RequestInit['body'] | undefined, Record<string, string>]>([
    [
      'urlencoded, as Gmail',
      () => 'List-Unsubscribe=One-Click',
      { 'content-type': 'application/x-www-form-urlencoded' },
    ],
    ['multipart, as Yahoo', multipart, {}],
    ['multipart with a file', withFile, {}],
    ['without a body', () => undefined, {}],
    ['with another content type', () => '{"a":', { 'content-type': 'application/json' }],
    ['with a body of 200 kB', () => 'x'.repeat(200_000), { 'content-type': 'text/plain' }],
  ])('%s: recorded, 200, no redirect, no cookie', async (_name, body, headers) => {
    const { contact, oneClickUrl } = await someone();
    expect(await hush.decide(contact)).toMatchObject({ allowed: true });
    const response = await post(oneClickUrl, body(), headers);
    expect(response.status).toBe(200);
    expect(response.headers.get('set-cookie')).toBeNull();
    expect(response.headers.get('location')).toBeNull();
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    const receipt = /Receipt: (\S+)/.exec(await response.text())?.[1];
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'opted_out', receipt: `r_${receipt}` });
  });

  test('a body of 10 MB is cut off, and the opt-out counts', async () => {
    const { contact, oneClickUrl } = await someone();
    await post(oneClickUrl, 'x'.repeat(10_000_000), { 'content-type': 'text/plain' }).catch(() => undefined);
    expect(await hush.decide(contact)).toMatchObject({ allowed: false });
    expect((await hush.get('/readyz')).status).toBe(200);
  });

  test('a chunked body that trickles is not waited for', async () => {
    const { contact, oneClickUrl } = await someone();
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const sent = request(oneClickUrl, { method: 'POST', headers: { 'transfer-encoding': 'chunked' } }, (answer) => {
        resolve(answer.statusCode);
        sent.destroy();
      });
      sent.on('error', reject);
      sent.write('List-');
    });
    expect(status).toBe(200);
    expect(await hush.decide(contact)).toMatchObject({ allowed: false });
  });

  test('the same again is a new act and answers 200 too', async () => {
    const { contact, oneClickUrl } = await someone();
    const first = await (await post(oneClickUrl)).text();
    const back = {
      contact,
      type: 'opted_in',
      scope: { brand: 'jmf', channel: 'email', purpose: 'promotion' },
      source: { kind: 'form' },
    };
    expect(await hush.ask('/v1/events', { events: [back] })).toMatchObject({ rejected: [] });
    expect(await hush.decide(contact)).toMatchObject({ allowed: true });
    const second = await post(oneClickUrl);
    expect(second.status).toBe(200);
    expect(await second.text()).not.toBe(first);
    expect(await hush.decide(contact)).toMatchObject({ allowed: false });
  });

  test('300 at once: all acknowledged with a receipt of their own, none lost', async () => {
    const { contact, oneClickUrl } = await someone();
    const answers = await Promise.all(Array.from({ length: 300 }, async () => (await post(oneClickUrl)).text()));
    const receipts = new Set(answers.map((text) => /Receipt: (\S+)/.exec(text)?.[1]));
    expect(receipts.size).toBe(300);
    expect(receipts.has(undefined)).toBe(false);
    await hush.settle();
    for (const id of receipts) {
      expect(await hush.ask(`/v1/receipts/r_${id}`)).toMatchObject({ ledger: { status: 'recorded' } });
    }
    expect(await hush.decide(contact)).toMatchObject({ allowed: false });
  });
});

describe('what changes nothing', () => {
  test.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PATCH'])('%s on a one-click link', async (method) => {
    const { contact, oneClickUrl, preferencesUrl } = await someone();
    for (const url of [oneClickUrl, preferencesUrl, `${oneClickUrl}?act=stop-all`, `${preferencesUrl}?act=stop-all`]) {
      await fetch(url, { method });
    }
    expect(await hush.decide(contact)).toMatchObject({ allowed: true, reason: 'not_objected' });
  });

  test('a GET shows a page with one button that posts to the same URL', async () => {
    const { oneClickUrl } = await someone();
    const response = await fetch(oneClickUrl);
    const html = await response.text();
    expect(response.status).toBe(200);
    expect(response.headers.get('set-cookie')).toBeNull();
    expect(html.match(/<form/g)).toHaveLength(1);
    expect(html).toContain(`action="${new URL(oneClickUrl).pathname}`);
    expect(html).not.toMatch(/<script|person\d+@/);
  });
});

describe('tokens that are not ours', () => {
  const damaged = (token: string): string[] => [
    token.slice(0, -1),
    `${token}a`,
    `a${token}`,
    token.slice(1),
    `${token.slice(0, 10)}${token[10] === 'a' ? 'b' : 'a'}${token.slice(11)}`,
    `${token.slice(0, 10)}.${token.slice(11)}`,
    'AAAA',
    'x'.repeat(4000),
    '..%2f..%2fetc%2fpasswd',
  ];
  test('are a 404 that says what to do, alike for every damage, and change nothing', async () => {
    const { contact, oneClickUrl } = await someone();
    const token = oneClickUrl.split('/u/')[1] ?? '';
    const bodies = new Set<string>();
    for (const bad of damaged(token)) {
      for (const path of ['u', 'p', 'confirm']) {
        for (const method of ['GET', 'POST']) {
          const response = await fetch(`${hush.url}/${path}/${bad}`, { method });
          expect([bad.slice(0, 30), path, method, response.status]).toEqual([bad.slice(0, 30), path, method, 404]);
          bodies.add((await response.text()).replaceAll(encodeURI(bad), '').replaceAll(/href="[^"]*"/g, ''));
        }
      }
    }
    expect(bodies.size).toBe(1);
    expect([...bodies][0]).toMatch(/877-266-5042/);
    expect(await hush.decide(contact)).toMatchObject({ allowed: true });
  });

  test('of another installation are not ours', async () => {
    const other = await startHush({ env: { HUSH_SECRET: 'another secret that is long enough too' } });
    const { oneClickUrl } = await other.ask<MailLinks>('/v1/links', {
      contact: { email: 'ana@example.com' },
      brand: 'jmf',
      channel: 'email',
      purpose: 'promotion',
    });
    await other.stop();
    expect((await post(hush.url + new URL(oneClickUrl).pathname)).status).toBe(404);
  });

  test('are limited by network; a genuine one never is', async () => {
    const strict = await startHush({ limits: { badTokens: 5, forms: 100, badKeys: 100 } });
    try {
      const { oneClickUrl } = await strict.ask<MailLinks>('/v1/links', {
        contact: { email: 'ana@example.com' },
        brand: 'jmf',
        channel: 'email',
        purpose: 'promotion',
      });
      const genuine = strict.url + new URL(oneClickUrl).pathname;
      const statuses: number[] = [];
      for (let n = 0; n < 8; n++) statuses.push((await post(`${strict.url}/u/nonsense${n}`)).status);
      expect(statuses).toEqual([404, 404, 404, 404, 404, 429, 429, 429]);
      expect((await post(genuine)).status).toBe(200);
      expect((await fetch(genuine)).status).toBe(200);
    } finally {
      await strict.stop();
    }
  });
});

test('a link about a service message stops marketing, because service cannot be refused', async () => {
  const { contact, oneClickUrl } = await someone({ purpose: 'service' });
  await post(oneClickUrl);
  expect(await hush.decide(contact)).toMatchObject({ allowed: false });
  expect(await hush.decide(contact, 'service')).toMatchObject({ allowed: true });
});

test('the token holds no readable address and is at most 103 letters for an address of 40', async () => {
  const email = `${'a'.repeat(24)}@${'b'.repeat(11)}.com`;
  expect(email).toHaveLength(40);
  const { oneClickUrl } = await hush.ask<MailLinks>('/v1/links', {
    contact: { email },
    brand: 'jmf',
    channel: 'email',
    purpose: 'promotion',
  });
  const token = oneClickUrl.split('/u/')[1] ?? '';
  expect(token).toMatch(/^[0-9a-z]{40,103}$/);
  const bytes = decodeBase32(token, Math.floor((token.length * 5) / 8)) ?? [];
  expect(Buffer.from(bytes).toString('latin1')).not.toContain('aaaa');
});

describe('any contact that can be stored', () => {
  /** Chinese, as long as the API takes a postal address. */
  const line = '上海市浦东新区世纪大道'.repeat(14);
  const address = { line1: line, line2: line, city: '上海', postalCode: '200120', country: 'CN' };
  test.each<[string, object, string]>([
    ['a postal address in Chinese', { postal: { ...address, name: '王小明' } }, 'mail'],
    ['a long identifier', { id: `crm:${'𠮷'.repeat(200)}` }, 'email'],
    ['an address of 252 octets', { email: `${'l'.repeat(64)}@${`${'d'.repeat(59)}.`.repeat(3)}example` }, 'email'],
    ['a phone number', { phone: '+19205550100' }, 'sms'],
  ])('%s is opted out through its link, and its address reaches the lists', async (_what, contact, channel) => {
    const { oneClickUrl, headers } = await hush.ask<MailLinks>('/v1/links', {
      contact,
      brand: 'jmf',
      channel,
      purpose: 'promotion',
      campaign: 'c'.repeat(64),
    });
    expect(headers['List-Unsubscribe']).toContain(`<${oneClickUrl}>`);
    const url = hush.url + new URL(oneClickUrl).pathname;
    expect((await fetch(url)).status).toBe(200);
    expect((await post(url)).status).toBe(200);
    expect(await hush.decide(contact, 'promotion', { channel })).toMatchObject({ allowed: false, reason: 'opted_out' });
    await hush.settle();
    const suppressed = await hush.get(
      `/v1/suppressions?brand=jmf&channel=${channel}&purpose=promotion&include=standing`,
    );
    expect(await suppressed.text()).toContain(Object.values(contact)[0].line1 ?? Object.values(contact)[0]);
  });
});

describe('a genuine token of an address that today’s rules refuse', () => {
  const refused = [
    ['email', 'no address at all'],
    ['email', 'Jane@Doe@'],
    ['phone', '12'],
    ['id', 'WITHOUT A SYSTEM'],
    ['postal', '{"line1":""}'],
    ['postal', 'not JSON'],
    ['postal', 'null'],
  ] as const;
  test.each(refused)('%s %s opts out, opens every page, and ends nothing', async (type, given) => {
    const { links, decisions } = hush.hush;
    const scope = { brand: 'jmf', channel: '*', purpose: 'promotion', topic: '*' } as const;
    const token = links.seal('mailed', { type, given, normalised: given }, scope, '');
    for (const path of ['u', 'p']) expect((await fetch(`${hush.url}/${path}/${token}`)).status).toBe(200);
    expect((await post(`${hush.url}/p/${token}`, new URLSearchParams({ act: 'nothing' }))).status).toBeLessThan(400);
    for (let twice = 0; twice < 2; twice++) expect((await post(`${hush.url}/u/${token}`)).status).toBe(200);
    const key = links.read(token, 0)?.key ?? Buffer.alloc(0);
    const present = await decisions.present({ key });
    expect(present.state.atoms).toContainEqual(expect.objectContaining({ t: 'denial' }));
    await hush.settle();
    expect((await hush.get('/readyz')).status).toBe(200);
  });
});
