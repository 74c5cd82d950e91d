import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { API_KEY, databaseUri, type Hush, startHush } from '../../support/hush.js';
import { program } from '../../support/process.js';
import { until } from '../../support/until.js';

const run = promisify(execFile);
const ROOT = path.resolve(import.meta.dirname, '../../..');
const time = { now: Date.parse('2026-06-15T15:00:00Z') };
let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ machineTime: () => time.now });
});
afterAll(() => hush?.stop());

interface OpenApi {
  readonly openapi: string;
  readonly paths: Record<
    string,
    Record<
      string,
      { operationId: string; tags: string[]; security: { key: string[] }[]; responses: Record<string, unknown> }
    >
  >;
  readonly components: { schemas: Record<string, unknown> };
}
const description = async (): Promise<OpenApi> =>
  (await fetch(`${hush.url}/v1/openapi.json`)).json() as Promise<OpenApi>;
const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
const contact = { email: 'ana@example.com' };

describe('the description of the API', () => {
  test('is OpenAPI 3.1 in which every reference leads somewhere', async () => {
    const document = await description();
    expect(document.openapi).toMatch(/^3\.1\./);
    const references = JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g);
    for (const [, name] of references) expect(Object.keys(document.components.schemas)).toContain(name);
    for (const methods of Object.values(document.paths))
      for (const { responses } of Object.values(methods))
        expect(Object.keys(responses)).toEqual(expect.arrayContaining(['200', '400', '401', '403', '503']));
  });

  test('gives each operation a name of its own that a program can use, and a group', async () => {
    const { paths } = await description();
    const operations = Object.values(paths).flatMap((methods) => Object.values(methods));
    const names = operations.map(({ operationId }) => operationId);
    for (const name of names) expect(name).toMatch(/^[a-z][A-Za-z]+$/);
    expect(new Set(names).size).toBe(names.length);
    for (const { tags } of operations) expect(tags).toEqual([expect.stringMatching(/^[A-Z]/)]);
  });

  test('every other method of a path is answered 405 with those that are allowed', async () => {
    const { paths } = await description();
    for (const [to, operations] of Object.entries(paths)) {
      const url = hush.url + to.replaceAll(/\{\w+\}/g, 'x');
      const known = Object.keys(operations).map((method) => method.toUpperCase());
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((one) => !known.includes(one))) {
        const answer = await fetch(url, { method });
        expect([method, to, answer.status, await answer.json()]).toEqual([
          method,
          to,
          405,
          expect.objectContaining({ code: 'method_not_allowed', remedy: expect.stringMatching(/^use /) }),
        ]);
        const allowed = answer.headers.get('allow')?.split(', ') ?? [];
        expect(allowed).toEqual(expect.arrayContaining(known));
        expect(allowed).not.toContain(method);
      }
      const options = await fetch(url, { method: 'OPTIONS' });
      expect([options.status, options.headers.get('allow')]).toEqual([204, expect.stringContaining(known[0] ?? '')]);
    }
  });

  test('names every route, each behind a key, and /docs shows them all', async () => {
    const { paths } = await description();
    const routes = Object.entries(paths).flatMap(([to, methods]) =>
      Object.keys(methods).map((method) => `${method} ${to}`),
    );
    expect(routes).toEqual(
      expect.arrayContaining([
        'post /v1/decisions',
        'post /v1/decisions/batch',
        'post /v1/scrub',
        'post /v1/imports',
        'get /v1/imports',
        'get /v1/imports/{id}',
        'post /v1/events',
        'post /v1/links',
        'post /v1/contacts/lookup',
        'post /v1/contacts/link',
        'post /v1/contacts/replace',
        'post /v1/consents',
        'get /v1/receipts/{id}',
        'get /v1/receipts/{id}/proof',
        'get /v1/receipts/{id}/entry',
        'get /v1/suppressions',
        'get /v1/changes',
        'get /v1/destinations',
        'post /v1/destinations/{name}/reconcile',
      ]),
    );
    const page = await (await fetch(`${hush.url}/docs`)).text();
    const { key } = await hush.hush.stores.apiKeys.create('may nothing', []);
    for (const route of routes) {
      const [method = '', to = ''] = route.split(' ');
      expect(page).toContain(to);
      const send = (headers: Record<string, string>) =>
        fetch(hush.url + to.replaceAll(/\{\w+\}/g, 'x'), { method: method.toUpperCase(), headers });
      const [stranger, poor] = await Promise.all([send({}), send({ authorization: `Bearer ${key}` })]);
      for (const [answer, status] of [
        [stranger, 401],
        [poor, 403],
      ] as const) {
        expect([route, answer.status, answer.headers.get('content-type')]).toEqual([
          route,
          status,
          'application/problem+json; charset=utf-8',
        ]);
        expect(await answer.json()).toMatchObject({ remedy: expect.stringMatching(/hush keys create/) });
      }
    }
  });
});

/** A whole request of each kind, with every field there is. */
const whole: Record<string, object> = {
  '/v1/decisions': { contact, ...OFFERS, topic: 'news', at: '2026-06-15T15:00:00Z' },
  '/v1/decisions/batch': {
    ...OFFERS,
    topic: 'news',
    at: '2026-06-15T15:00:00Z',
    contacts: [contact, { phone: '+19205550100' }],
  },
  '/v1/links': { contact, ...OFFERS, topic: 'news', campaign: 'spring' },
  '/v1/contacts/lookup': {
    contact: { postal: { line1: '1 Main St', city: 'Neenah', postalCode: '54956', country: 'US' } },
  },
  '/v1/contacts/link': { contacts: [contact, { id: 'crm:1' }] },
  '/v1/contacts/replace': { from: contact, to: { id: 'crm:2' } },
  '/v1/consents': {
    contact,
    ...OFFERS,
    topic: 'news',
    mode: 'record',
    notice: { id: 'newsletter', version: '1', language: 'en' },
    at: '2026-06-15T15:00:00Z',
    until: '2028-06-15T15:00:00Z',
    lifts: 'any',
    evidence: { wording: 'Yes', formUrl: 'https://example.com', ip: '192.0.2.1', userAgent: 'x' },
  },
};

/** Every place in a value, with the value put wrong there. */
function* wrongs(
  value: unknown,
  put: (wrong: unknown) => unknown,
  at: string[] = [],
): Generator<{ at: string[]; body: unknown }> {
  if (at.length > 0)
    for (const wrong of [{ $ne: null }, [[]], 1e9, false])
      if (typeof wrong !== typeof value || Array.isArray(wrong) !== Array.isArray(value))
        yield { at, body: put(wrong) };
  if (value === null || typeof value !== 'object') return;
  for (const [name, item] of Object.entries(value)) {
    const inside = (wrong: unknown) =>
      put(
        Array.isArray(value)
          ? value.map((old, index) => (String(index) === name ? wrong : old))
          : { ...value, [name]: wrong },
      );
    yield* wrongs(item, inside, [...at, name]);
  }
  if (!Array.isArray(value)) yield { at: [...at, 'surprise'], body: put({ ...value, surprise: 1 }) };
}

/** A remedy says what to write in the words of the API, not what a schema received. */
const ZODS_WORDS = /^(Invalid|Too|Unrecognized)|expected|received|undefined/;

describe('every field wrong once is a 400 that names the field and the remedy', () => {
  test.each(Object.entries(whole))('%s', async (to, body) => {
    const fine = await hush.post(to, body);
    expect([to, fine.status, fine.status === 200 ? '' : await fine.text()]).toEqual([to, 200, '']);
    let walked = 0;
    for (const { at, body: wrong } of wrongs(body, (value) => value)) {
      walked++;
      const answer = await hush.post(to, wrong);
      const problem = (await answer.json()) as { field?: string; remedy?: string };
      const where = at.join('.');
      expect([where, JSON.stringify(wrong), answer.status]).toEqual([where, JSON.stringify(wrong), 400]);
      // A wrong member of a choice may be a fault of the choice: `contact` for `contact.email`, never another field.
      expect([where, problem.field, where === problem.field || where.startsWith(`${problem.field}.`)]).toEqual([
        where,
        problem.field,
        true,
      ]);
      expect((problem.remedy ?? '').length).toBeGreaterThan(5);
      expect([where, problem.remedy]).toEqual([where, expect.not.stringMatching(ZODS_WORDS)]);
    }
    expect(walked).toBeGreaterThan(5);
  });

  test.each([
    ['brand=acme', 'brand'],
    ['channel=fax', 'channel'],
    ['purpose=spam', 'purpose'],
    ['topic=gossip', 'topic'],
    ['include=some', 'include'],
    ['format=xml', 'format'],
    ['hash=crc', 'hash'],
    ['after=c_0', 'after'],
    ['surprise=1', 'surprise'],
  ])('/v1/suppressions?%s', async (change, field) => {
    const query = new URLSearchParams({ ...OFFERS, ...Object.fromEntries([change.split('=')]) });
    const answer = await hush.get(`/v1/suppressions?${query}`);
    expect([answer.status, await answer.json()]).toMatchObject([400, { field, remedy: expect.stringMatching(/./) }]);
  });
});

test('a body that is not marked as JSON, one given twice and one in half characters say so', async () => {
  const send = async (body: string | Buffer, type: string) => {
    const answer = await fetch(`${hush.url}/v1/decisions`, {
      method: 'POST',
      headers: { authorization: `Bearer hk_test_key_with_every_scope_0123456789`, 'content-type': type },
      body: new Uint8Array(Buffer.from(body)),
    });
    return [answer.status, ((await answer.json()) as { field?: string }).field];
  };
  const body = JSON.stringify({ contact, ...OFFERS });
  expect(await send(body, 'application/x-www-form-urlencoded')).toEqual([400, 'content-type']);
  expect(await send(`{"contact":{"email":"eve@example.com"},${body.slice(1)}`, 'application/json')).toEqual([
    400,
    'contact',
  ]);
  expect(await send(body.replace('ana', '\\ud800'), 'application/json')).toEqual([400, 'body']);
  expect(await send(Buffer.from(body.replace('ana', '\xff'), 'latin1'), 'application/json')).toEqual([400, 'body']);
});

test('an NDJSON stream keeps to its lines: wrong ones are answered in place', async () => {
  const good = JSON.stringify({ contact, ...OFFERS });
  const lines = [
    good,
    '{"contact":',
    good.replace('ana@', '\u2028@'),
    `"${'x'.repeat(70_000)}"`,
    good.replace('{', '{"brand":"jmf",'),
    good,
  ];
  const answer = await hush.post('/v1/decisions/batch', lines.join('\n'), { 'content-type': 'application/x-ndjson' });
  const answers = (await answer.text())
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(answers.map((item) => item.problem?.field ?? item.allowed)).toEqual([
    true,
    'body',
    'contact.email',
    'line',
    'brand',
    true,
  ]);
});

describe('links', () => {
  test('for one and for many are the same, within the limits of mail headers', async () => {
    const email = `${'a'.repeat(24)}@${'b'.repeat(11)}.com`;
    type Links = { oneClickUrl: string; preferencesUrl: string; headers: Record<string, string> };
    const one = await hush.ask<Links>('/v1/links', { contact: { email }, ...OFFERS });
    const { links } = await hush.ask<{ links: Links[] }>('/v1/links', {
      links: [
        { contact: { email }, ...OFFERS },
        { contact, ...OFFERS },
      ],
    });
    expect(links[0]).toEqual(one);
    expect(links).toHaveLength(2);
    expect(one.headers['List-Unsubscribe-Post']).toBe('List-Unsubscribe=One-Click');
    const [, url, mailto] = /^<(\S+)>, <mailto:(\S+)>$/.exec(one.headers['List-Unsubscribe'] ?? '') ?? [];
    expect(url).toBe(one.oneClickUrl);
    // RFC 5321: 64 octets of local part; RFC 5322: 998 of a line.
    expect((mailto?.split('@')[0] ?? '').length).toBeLessThanOrEqual(64);
    expect(`List-Unsubscribe: ${one.headers['List-Unsubscribe']}`.length).toBeLessThan(998);
    expect(one.headers['List-Unsubscribe']).not.toMatch(/[^\x21-\x7e ]/);
  });
});

describe('a person', () => {
  const state = async (email: string) => (await hush.decide({ email })).allowed;
  const out = (email: string) => ({
    contact: { email },
    type: 'opted_out',
    scope: OFFERS,
    reach: 'person',
    source: { kind: 'api' },
  });
  const link = (...emails: string[]) => hush.ask('/v1/contacts/link', { contacts: emails.map((email) => ({ email })) });
  test('is reached whole, whether linked before or after', async () => {
    await link('p1@example.com', 'p2@example.com');
    await hush.ask('/v1/events', { events: [out('p1@example.com')] });
    expect([await state('p1@example.com'), await state('p2@example.com')]).toEqual([false, false]);
    await hush.ask('/v1/events', { events: [out('p3@example.com')] });
    await link('p4@example.com', 'p3@example.com');
    await link('p4@example.com', 'p5@example.com');
    expect([await state('p4@example.com'), await state('p5@example.com')]).toEqual([false, false]);
  });
  test('made by two events at once is one person, and a later link misses neither', async () => {
    const twice = [
      { ...out('p6@example.com'), scope: { brand: 'jmf' } },
      { ...out('p6@example.com'), scope: { brand: 'shipping' } },
    ];
    await hush.ask('/v1/events', { events: twice });
    await link('p7@example.com', 'p6@example.com');
    for (const brand of ['jmf', 'shipping'])
      expect(await hush.ask('/v1/decisions', { contact: { email: 'p7@example.com' }, ...OFFERS, brand })).toMatchObject(
        { allowed: false },
      );
  });
  test('joined from several sides at once is one person', async () => {
    for (let round = 0; round < 20; round++) {
      const name = (n: number) => `chain${round}-${n}@example.com`;
      await Promise.all([
        link(name(0), name(1)),
        link(name(1), name(2)),
        link(name(3), name(2)),
        link(name(4), name(3)),
      ]);
      await hush.ask('/v1/events', { events: [out(name(round % 5))] });
      expect(await Promise.all([0, 1, 2, 3, 4].map((n) => state(name(n))))).toEqual(Array(5).fill(false));
    }
  });
  test('whose join broke off half-way is whole after the join was asked for again', async () => {
    await link('half1@example.com', 'half2@example.com');
    await link('half3@example.com', 'half4@example.com');
    await hush.ask('/v1/events', { events: [out('half3@example.com')] });
    const { persons } = hush.hush.stores;
    const { addMembers } = persons;
    let calls = 0;
    // The process dies after it said which person goes into which, and before it moved anything.
    Object.assign(persons, {
      addMembers: async (...args: Parameters<typeof addMembers>) => {
        if (++calls === 2) throw new Error('died');
        return addMembers(...args);
      },
    });
    const asked = { contacts: [{ email: 'half2@example.com' }, { email: 'half3@example.com' }] };
    expect((await hush.post('/v1/contacts/link', asked)).status).toBe(500);
    Object.assign(persons, { addMembers });
    await hush.ask('/v1/contacts/link', asked);
    expect(await Promise.all([1, 2, 3, 4].map((n) => state(`half${n}@example.com`)))).toEqual(Array(4).fill(false));
    await hush.ask('/v1/events', { events: [{ ...out('half1@example.com'), scope: { brand: 'shipping' } }] });
    for (const n of [1, 2, 3, 4]) {
      expect(await hush.decide({ email: `half${n}@example.com` }, 'promotion', { brand: 'shipping' })).toMatchObject({
        allowed: false,
      });
    }
  });
  test('of whom a crash left a contact out is finished by the sweeper', async () => {
    await link('p8@example.com', 'p9@example.com');
    const { persons, contacts } = hush.hush.stores;
    const { person } = await hush.ask<{ person: string }>('/v1/contacts/lookup', {
      contact: { email: 'p8@example.com' },
    });
    const [member] = (await persons.get(person))?.members ?? [];
    expect(member && (await contacts.get(member.key))).toBeDefined();
    await persons.append(person, {
      id: 'X',
      type: 'opted_out',
      at: time.now,
      recorded: hush.hush.clock.recorded(),
      source: { kind: 'api' },
      scope: { brand: 'jmf', channel: '*', purpose: '*', topic: '*' },
    });
    await hush.hush.stores.connection
      .collection('person_events')
      .updateOne({ person, 'event.id': 'X' }, { $set: { open: new Date(0) } });
    expect(await hush.hush.accept.finishPersons()).toBe(1);
    expect([await state('p8@example.com'), await state('p9@example.com')]).toEqual([false, false]);
  });
});

describe('double opt-in', () => {
  const begin = (email: string, more: object = {}) =>
    hush.ask<{ status: string; expires: string }>('/v1/consents', {
      contact: { email },
      ...OFFERS,
      mode: 'double_opt_in',
      notice: { id: 'newsletter', version: '1' },
      ...more,
    });
  async function linkIn(email: string): Promise<string> {
    const { mailbox } = hush.hush.stores;
    const token = await until(async () => {
      const line = (await mailbox.list()).find(({ to }) => to.includes(email));
      const raw = line && (await mailbox.get(line.id))?.raw.toString();
      return raw?.replace(/=\r?\n/g, '').match(/\/confirm\/([A-Za-z0-9_-]+)/)?.[1];
    });
    return `${hush.url}/confirm/${token}`;
  }
  const consented = async (email: string) => (await hush.decide({ email })).reason;

  test('counts when the button is pressed, once, and not before; long evidence does not lose it', async () => {
    const email = 'signup@example.com';
    await begin(email, {
      evidence: {
        formUrl: `https://example.com/${'f'.repeat(270)}`,
        userAgent: 'ü'.repeat(290),
        wording: 'w'.repeat(600),
      },
    });
    const url = await linkIn(email);
    expect(await consented(email)).toBe('not_objected');
    expect((await fetch(url)).status).toBe(200);
    expect(await consented(email)).toBe('not_objected');
    const press = async () => (await fetch(url, { method: 'POST', headers: { 'user-agent': 'x'.repeat(300) } })).text();
    const first = await press();
    expect(await consented(email)).toBe('consented');
    const receipt = /[0-9A-Z]{4}(-[0-9A-Z]{4}){4}/.exec(first)?.[0];
    expect(receipt).toBeDefined();
    expect(await press()).toContain(receipt);
    expect(await hush.ask(`/v1/receipts/${receipt}`)).toMatchObject({
      type: 'consent_granted',
      notice: { id: 'newsletter', version: '1' },
    });
  });
  test('is not confirmed once the person has said no since, and is when they sign up again', async () => {
    const email = 'since@example.com';
    await begin(email);
    const url = await linkIn(email);
    time.now += 1000;
    await hush.ask('/v1/events', {
      events: [{ contact: { email }, type: 'opted_out', scope: { brand: 'jmf' }, source: { kind: 'one_click' } }],
    });
    time.now += 1000;
    const answer = await fetch(url, { method: 'POST' });
    expect(answer.status).toBe(409);
    expect(await answer.text()).toContain('You stopped this on');
    expect(await consented(email)).toBe('opted_out');
    const { links } = hush.hush;
    const link = links.read(url.split('/').at(-1) ?? '', time.now);
    if (!link) throw new Error('no link');
    // As the link of a sign-up that began after the opt-out has it.
    await begin(email);
    const later = await hush.hush.stores.connection
      .collection('confirmations')
      .findOne({ contact: link.key as never }, { sort: { until: -1 } });
    const token = links.confirm(link.point, link.scope, String(later?._id), later?.until.getTime());
    expect((await fetch(`${hush.url}/confirm/${token}`, { method: 'POST' })).status).toBe(200);
    expect(await consented(email)).toBe('consented');
  });
  test('that is never confirmed never was, and expires', async () => {
    const email = 'never@example.com';
    const { expires } = await begin(email);
    const url = await linkIn(email);
    const before = time.now;
    time.now = Date.parse(expires) + 1;
    try {
      expect((await fetch(url, { method: 'POST' })).status).toBe(410);
      expect(await consented(email)).toBe('not_objected');
    } finally {
      time.now = before;
    }
  });
});

describe('the export of suppressions', () => {
  const query = (more: object = {}) => `/v1/suppressions?${new URLSearchParams({ ...OFFERS, ...more })}`;
  const rows = async (more: object = {}) =>
    (await (await hush.get(query(more))).text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, string>);
  beforeAll(async () => {
    const event = (n: number, more: object) => ({
      contact: { email: `Sup${n}@example.com` },
      source: { kind: 'api' },
      ...more,
    });
    await hush.ask('/v1/events', {
      events: [
        event(1, { type: 'opted_out', scope: OFFERS }),
        event(2, { type: 'complained' }),
        event(3, { type: 'profile', jurisdiction: 'DE' }),
        event(4, { type: 'profile', relationship: 'customer' }),
        event(5, { type: 'opted_out', scope: { brand: 'shipping' } }),
      ],
    });
    await hush.settle();
  });
  test('has all whom the decision denies, or standing denials only', async () => {
    const all = new Map((await rows()).map(({ address, reason }) => [address, reason]));
    expect([1, 2, 3, 4, 5].map((n) => all.get(`Sup${n}@example.com`))).toEqual([
      'opted_out',
      'complained',
      'consent_missing',
      undefined,
      undefined,
    ]);
    const standing = (await rows({ include: 'standing' })).map(({ address }) => address);
    expect(standing).toEqual(expect.arrayContaining(['Sup1@example.com', 'Sup2@example.com']));
    expect(standing).not.toContain('Sup3@example.com');
  });
  test('is resumed after any row without loss, and as CSV has the same', async () => {
    const all = await rows();
    const at = Math.floor(all.length / 2);
    expect(await rows({ after: all[at]?.contact })).toEqual(all.slice(at + 1));
    const csv = (await (await hush.get(query({ format: 'csv' }))).text()).trim().split('\r\n');
    expect(csv[0]).toBe('contact,type,address,reason,since');
    expect(csv.slice(1).map((line) => line.split(',')[0])).toEqual(all.map((row) => row.contact));
  });
  test('gives hashes to whom addresses are not given', async () => {
    const { createHash } = await import('node:crypto');
    const { key } = await hush.hush.stores.apiKeys.create('may not see', ['suppressions']);
    const headers = { authorization: `Bearer ${key}` };
    const refused = await hush.get(query(), headers);
    expect([refused.status, await refused.json()]).toMatchObject([
      403,
      { remedy: expect.stringMatching(/hash=sha256/) },
    ]);
    for (const hash of ['sha256', 'md5'] as const) {
      const text = await (await hush.get(query({ hash }), headers)).text();
      expect(text).toContain(createHash(hash).update('sup1@example.com').digest('hex'));
      expect(text).not.toContain('@');
    }
  });
  test('is refused to HTTP/1.0, which cannot say that it broke off; HEAD says that it is there', async () => {
    const { port } = new URL(hush.url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(`GET ${query()} HTTP/1.0\r\nAuthorization: Bearer ${API_KEY}\r\n\r\n`);
    let said = '';
    for await (const chunk of socket) said += String(chunk);
    expect(said).toMatch(/^HTTP\/1\.1 400 /);
    expect(said).toContain('proxy_http_version 1.1');
    const head = await fetch(hush.url + query(), { method: 'HEAD', headers: { authorization: `Bearer ${API_KEY}` } });
    expect([head.status, head.headers.get('content-type')]).toEqual([200, expect.stringContaining('ndjson')]);
  });
  test('goes on with the change feed at its cursor', async () => {
    const answer = await hush.get(query());
    await answer.text();
    const cursor = answer.headers.get('hush-cursor') ?? '';
    const { accepted } = await hush.ask<{ accepted: { contact: string }[] }>('/v1/events', {
      events: [{ contact: { email: 'late@example.com' }, type: 'opted_out', source: { kind: 'api' } }],
    });
    await hush.settle();
    // The changes that the export held already may come first: the feed tells at least once.
    const told = new Set<string | undefined>();
    for (let after = cursor; !told.has(accepted[0]?.contact); ) {
      const page = await hush.ask<{ changes: { contact: string }[]; cursor: string }>(
        `/v1/changes?after=${after}&wait=20`,
      );
      for (const { contact } of page.changes) told.add(contact);
      if (page.cursor === after) break;
      after = page.cursor;
    }
    expect(told).toContain(accepted[0]?.contact);
  });
});

test('keys are made, listed and revoked by the command line, and only their hashes are kept', async () => {
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    MONGODB_URI: databaseUri(hush.namespace),
    HUSH_NAMESPACE: hush.namespace,
    HUSH_SECRET: 'a secret for tests that is long enough',
  };
  const cli = (...args: string[]) => run(process.execPath, [program('cli/hush'), 'keys', ...args], { cwd: ROOT, env });
  const { stdout, stderr } = await cli('create', '--name', 'sender', '--scopes', 'decisions');
  const key = stdout.trim();
  expect(key).toMatch(/^hk_[A-Za-z0-9_-]{43}$/);
  const headers = { authorization: `Bearer ${key}` };
  expect((await hush.post('/v1/decisions', { contact, ...OFFERS }, headers)).status).toBe(200);
  const id = /id (\S+):/.exec(stderr)?.[1] ?? '';
  const listed = (await cli('list')).stdout;
  expect(listed).toMatch(new RegExp(`${id}.*valid.*sender.*decisions`));
  expect(listed).not.toContain(key);
  const stored = JSON.stringify(await hush.hush.stores.connection.collection('api_keys').find().toArray());
  expect(stored).not.toContain(key.slice(3, 20));
  await cli('revoke', id);
  await until(async () => (await hush.post('/v1/decisions', { contact, ...OFFERS }, headers)).status === 401);
  await expect(cli('create', '--name', 'x', '--scopes', 'everything')).rejects.toThrow(
    /There is no scope everything. Use all, or some of/,
  );
});

describe('what is known of a contact', () => {
  test('are the facts that decisions go by, and which denials stand', async () => {
    const contact = { email: 'looked-up@example.com' };
    const put = (...events: object[]) =>
      hush.ask('/v1/events', { events: events.map((event) => ({ contact, source: { kind: 'api' }, ...event })) });
    const known = () =>
      hush.ask<{ facts: object; denials: { type: string; standing: boolean }[] }>('/v1/contacts/lookup', { contact });
    await put(
      { type: 'profile', relationship: 'customer', at: '2026-01-01T00:00:00Z' },
      { type: 'profile', relationship: 'recipient', at: '2026-02-01T00:00:00Z' },
      // Once a recipient, only a customer again.
      { type: 'profile', relationship: 'former', jurisdiction: 'US-WI', minor: true, at: '2026-03-01T00:00:00Z' },
      { type: 'profile', implied: 'purchase', at: '2026-03-02T00:00:00Z' },
      { type: 'opted_out', scope: OFFERS, at: '2026-03-03T00:00:00Z' },
      { type: 'objected', at: '2026-03-03T00:00:00Z' },
      { type: 'opted_in', scope: OFFERS, at: '2026-03-04T00:00:00Z' },
    );
    expect(await known()).toMatchObject({
      facts: {
        relationship: 'recipient',
        jurisdiction: 'US-WI',
        minor: true,
        implied: { purchase: '2026-03-02T00:00:00.000Z' },
      },
      denials: expect.arrayContaining([
        expect.objectContaining({ type: 'opted_out', standing: false }),
        expect.objectContaining({ type: 'objected', standing: true }),
      ]),
    });
    await put({ type: 'erased', at: '2026-04-01T00:00:00Z' });
    expect((await known()).facts).toEqual({ relationship: 'prospect', minor: true });
  });
});
