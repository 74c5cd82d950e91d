import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { API_KEY, databaseUri, type Hush, startHush } from '../../support/hush.js';
import { startProcess } from '../../support/process.js';
import { formsOf, traces } from '../../support/traces.js';
import { until } from '../../support/until.js';

const NOW = Date.parse('2026-06-15T15:00:00Z');
/** A second before: the first test lets it pass. */
const time = { now: NOW - 1000 };
let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ destinations: [], machineTime: () => time.now });
});
afterAll(() => hush?.stop());

interface Import {
  readonly id: string;
  readonly state: string;
  readonly rows: number;
  readonly accepted: number;
  readonly repeated: number;
  readonly rejected: number;
  readonly errors: readonly { row: number; field: string; code: string; message: string }[];
  readonly errorsLeftOut: number;
  readonly ignoredColumns?: readonly string[];
  readonly fault?: string;
}

const send = (body: string | Buffer, query: Record<string, string> = {}, headers: Record<string, string> = {}) =>
  fetch(`${hush.url}/v1/imports?${new URLSearchParams(query)}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'text/csv', ...headers },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });
async function run(
  body: string | Buffer,
  query: Record<string, string> = {},
  headers: Record<string, string> = {},
): Promise<Import> {
  const answer = await send(body, query, headers);
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${answer.status} ${text}`);
  return JSON.parse(text) as Import;
}
const ndjson = { 'content-type': 'application/x-ndjson' };
const lines = (...events: object[]) => events.map((event) => JSON.stringify(event)).join('\n');
const entries = () => hush.hush.stores.connection.collection('ledger').countDocuments();
const addresses = (name: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${name}${n}@example.com\n`).join('');
/** The ways in which rows are wrong, as [row, field]. */
const wrong = ({ errors }: Import) => errors.map(({ row, field }) => [row, field]);

// First, because it searches everything that is stored.
test('of a list nothing is left of somebody who is erased', async () => {
  const ADDRESS = 'Erna.Importiert@Beispiel-Laden.com';
  const contact = { email: ADDRESS };
  await run(`email,note\n${ADDRESS},wrote from ${ADDRESS}\n"${ADDRESS} x",\n${ADDRESS},,${ADDRESS}\n`, {
    list: 'erna',
  });
  await run(
    lines(
      { contact, [ADDRESS]: 1 },
      { contact, id: `crm ${ADDRESS}` },
      { contact, source: { evidence: { [ADDRESS]: 1 } } },
    ),
    { list: 'erna' },
    ndjson,
  );
  await send(`email,note\n${ADDRESS},"${ADDRESS}"x\n`, { list: 'erna' });
  await hush.settle();
  const places = { connection: hush.hush.stores.connection, dir: hush.dir, logged: hush.logged };
  expect(await hush.decide(contact)).toMatchObject({ allowed: false });
  time.now = NOW;
  await hush.ask('/v1/events', { events: [{ contact, type: 'erased', source: { kind: 'api' } }] });
  await until(async () => {
    await hush.settle();
    await hush.hush.sweeper.once();
    return (await traces(formsOf(ADDRESS), places)).traces.length === 0;
  });
  expect(await hush.decide(contact)).toMatchObject({ reason: 'erased' });
  // The same list again does not bring the address back, neither by its batches nor by its rows.
  await run(`email,note\n${ADDRESS},wrote from ${ADDRESS}\n`, { list: 'erna' });
  await run(`email,note\n${ADDRESS},another\n`, { list: 'erna2' });
  await hush.settle();
  await hush.hush.sweeper.once();
  const { traces: left, looked } = await traces(formsOf(ADDRESS), places);
  expect(left).toEqual([]);
  expect(looked.documents).toBeGreaterThan(30);
});

describe('an import', () => {
  test('of addresses alone opts them out of everything, from now on', async () => {
    const done = await run('email\nplain@example.com\n"Quoted@Example.com"\n\n');
    expect(done).toMatchObject({ state: 'done', rows: 2, accepted: 2, repeated: 0, rejected: 0, errors: [] });
    expect(await hush.decide({ email: 'quoted@example.com' })).toMatchObject({
      allowed: false,
      reason: 'opted_out',
      since: '2026-06-15T15:00:00.000Z',
      scope: { brand: '*', channel: '*', purpose: '*', topic: '*' },
    });
    expect(await hush.decide({ email: 'somebody.else@example.com' })).toMatchObject({ allowed: true });
  });

  test('takes what rows do not say from the question, and what they say from their cells', async () => {
    const list = [
      'Kundennr;E-Mail;type;at;purpose;until;note',
      '1;cells1@example.com;;2019-03-01T10:00:00+01:00;;;by letter',
      '2;cells2@example.com;objected;;;;',
      '3;cells3@example.com;paused;;;2026-06-20;',
      '4;cells4@example.com;;;service;;',
    ].join('\r\n');
    const scope = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
    const done = await run(list, { column: 'E-Mail', list: 'old-shop', at: '2018-01-31', ...scope });
    expect(done).toMatchObject({ rows: 4, accepted: 4, ignoredColumns: ['Kundennr'] });
    const first = await hush.decide({ email: 'cells1@example.com' });
    expect(first).toMatchObject({
      reason: 'opted_out',
      since: '2019-03-01T09:00:00.000Z',
      scope: { ...scope, topic: '*' },
    });
    // A day is over before what is denied on it counts.
    expect(await hush.decide({ email: 'cells2@example.com' })).toMatchObject({
      reason: 'objected',
      since: '2018-01-31T23:59:59.999Z',
    });
    expect(await hush.decide({ email: 'cells3@example.com' })).toMatchObject({ reason: 'paused' });
    expect(
      await hush.decide({ email: 'cells3@example.com' }, 'promotion', { at: '2026-06-21T00:00:00Z' }),
    ).toMatchObject({ allowed: true });
    // The cell counts, not the question.
    expect(await hush.decide({ email: 'cells4@example.com' })).toMatchObject({ allowed: true });
    const receipt = await hush.ask<{ source: object }>(`/v1/receipts/${first.receipt}`);
    expect(JSON.stringify(receipt)).toContain('"import"');
  });

  test('reads phones, identifiers and keys too', async () => {
    const { accepted } = await hush.ask<{ accepted: { contact: string }[] }>('/v1/events', {
      events: [{ contact: { email: 'by.key@example.com' }, type: 'profile', source: { kind: 'api' } }],
    });
    const key = accepted[0]?.contact ?? '';
    expect(await run(`contact\n"+1 (920) 555-0133"\ncrm:77\n${key}\n`)).toMatchObject({ accepted: 3 });
    for (const contact of [{ phone: '+19205550133' }, { id: 'crm:77' }, { key }, { email: 'by.key@example.com' }])
      expect(await hush.decide(contact)).toMatchObject({ allowed: false });
  });

  test('of NDJSON takes events as the API does', async () => {
    const done = await run(
      `\ufeff${lines(
        { contact: { email: 'line1@example.com' } },
        { contact: { phone: '+19205550134' }, type: 'unreachable', channel: 'sms', at: '2020-01-01T00:00:00Z' },
        {
          contact: { id: 'crm:78' },
          type: 'profile',
          relationship: 'recipient',
          source: { evidence: { shipper: 'S' } },
        },
        { contact: { email: 'line4@example.com' }, type: 'registry_listed', registry: 'us-national', id: 'record 4' },
      )}\n\n`,
      { purpose: 'marketing', at: '2020-05-05' },
      ndjson,
    );
    expect(done).toMatchObject({ rows: 4, accepted: 4, errors: [] });
    expect(await hush.decide({ email: 'line1@example.com' })).toMatchObject({
      since: '2020-05-05T23:59:59.999Z',
      scope: { purpose: 'marketing' },
    });
    expect(await hush.decide({ phone: '+19205550134' }, 'service', { channel: 'sms' })).toMatchObject({
      reason: 'undeliverable',
    });
    expect(await hush.decide({ id: 'crm:78' })).toMatchObject({ reason: 'indirect_source' });
  });

  test('in a dry run says the same and records nothing', async () => {
    const list = 'email,type\ndry@example.com,\nnobody,\ndry2@example.com,opted_in\n';
    await hush.settle();
    const before = await entries();
    const dry = await run(list, { dry_run: 'true' });
    await hush.settle();
    expect(dry).toMatchObject({ dryRun: true, rows: 3, accepted: 1, rejected: 2 });
    expect(await entries()).toBe(before);
    expect(await hush.decide({ email: 'dry@example.com' })).toMatchObject({ allowed: true });
    const real = await run(list);
    expect(real).toMatchObject({ dryRun: false, rows: 3, accepted: 1, rejected: 2, errors: dry.errors });
    expect(await hush.decide({ email: 'dry@example.com' })).toMatchObject({ allowed: false });
  });

  test('dated today counts now; of two things on one day the denial counts', async () => {
    const consent = {
      contact: { email: 'same.day@example.com' },
      type: 'consent_granted',
      at: '2026-03-01T18:00:00Z',
      scope: { brand: 'jmf', channel: 'email', purpose: 'promotion' },
      notice: { id: 'newsletter', version: '1' },
      source: { kind: 'api' },
    };
    await hush.ask('/v1/events', { events: [consent] });
    await run('email,at\ntoday@example.com,2026-06-15\nsame.day@example.com,2026-03-01\n');
    expect(await hush.decide({ email: 'today@example.com' })).toMatchObject({
      allowed: false,
      since: '2026-06-15T15:00:00.000Z',
    });
    expect(await hush.decide({ email: 'same.day@example.com' })).toMatchObject({ allowed: false });
  });
});

describe('rows that are wrong are told by number, field and remedy, and the others count', () => {
  test('in CSV, by the names of the columns', async () => {
    const done = await run(
      [
        'email,type,at,channel,brand,until,registry',
        'nobody,,,,,,',
        'ok1@example.com,,,,,,',
        'w3@example.com,vanished,,,,,',
        'w4@example.com,,03/01/2019,,,,',
        'w5@example.com,,2019-02-30,,,,',
        'w6@example.com,,2031-01-01,,,,',
        'w7@example.com,,,fax,,,',
        'w8@example.com,,,,acme,,',
        'w9@example.com,paused,,,,,',
        'w10@example.com,registry_listed,,,,,',
        'w11@example.com,,,,,2026-07-01,',
        'w12@example.com,,,,,,,more',
        ',,,,,,',
        'ok2@example.com,,,,,,',
      ].join('\n'),
    );
    expect(wrong(done)).toEqual([
      [2, 'email'],
      [4, 'type'],
      [5, 'at'],
      [6, 'at'],
      [7, 'at'],
      [8, 'channel'],
      [9, 'brand'],
      [10, 'until'],
      [11, 'registry'],
      [12, 'until'],
      [13, 'row'],
      [14, 'email'],
    ]);
    expect(done).toMatchObject({ rows: 14, accepted: 2, rejected: 12 });
    for (const { message } of done.errors) expect(message.length).toBeGreaterThan(10);
    expect(JSON.stringify(done)).not.toMatch(/\d@example|nobody|acme/);
    expect(await hush.decide({ email: 'ok2@example.com' })).toMatchObject({ allowed: false });
    expect(await hush.decide({ email: 'w7@example.com' })).toMatchObject({ allowed: true });
  });

  test('in NDJSON, by the names of the fields', async () => {
    const contact = { email: 'w@example.com' };
    const done = await run(
      [
        '{"contact":',
        '[]',
        '{"contact":{"email":"w@example.com"},"contact":{"email":"v@example.com"}}',
        lines(
          { contact: { email: 'nobody' } },
          { type: 'opted_out' },
          { contact, 'w@example.com': 1 },
          { contact, scope: { colour: 'red' } },
          { contact, scope: 'all' },
          { contact, source: { kind: 'phone' } },
          { contact, source: 'phone' },
          { contact, source: { evidence: { text: 'x'.repeat(890), more: 'y'.repeat(200) } } },
          { contact, until: '2026-07-01T00:00:00Z' },
          { contact: { key: 'c_00000000000000000000000000' } },
        ),
        `"${'x'.repeat(70_000)}"`,
      ].join('\n'),
      {},
      ndjson,
    );
    expect(wrong(done)).toEqual([
      [1, 'row'],
      [2, 'row'],
      [3, 'row'],
      [4, 'contact.email'],
      [5, 'contact'],
      [6, 'row'],
      [7, 'scope'],
      [8, 'scope'],
      [9, 'source.kind'],
      [10, 'source'],
      [11, 'source.evidence'],
      [12, 'until'],
      [13, 'contact.key'],
      [14, 'row'],
    ]);
    expect(JSON.stringify(done)).not.toMatch(/[wv]@example|colour/);
    expect(await hush.decide(contact)).toMatchObject({ allowed: true });
  });

  test('the first hundred of them; the others are counted', async () => {
    const done = await run(`email\n${'nobody\n'.repeat(260)}some@example.com\n`);
    expect([done.rejected, done.errors.length, done.errorsLeftOut, done.accepted]).toEqual([260, 100, 160, 1]);
    expect(done.errors.at(-1)?.row).toBe(101);
    expect(await hush.ask(`/v1/imports/${done.id}`)).toMatchObject({ rejected: 260, errorsLeftOut: 160 });
  });
});

describe('a list lifts nothing, but by a consent with notice, date and evidence', () => {
  const scope = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
  const optedOut = (email: string) => ({
    contact: { email },
    type: 'opted_out',
    scope,
    at: '2025-01-01T00:00:00Z',
    source: { kind: 'api' },
  });
  const consent = (email: string, change: object = {}) => ({
    contact: { email },
    type: 'consent_granted',
    at: '2025-06-01T00:00:00Z',
    notice: { id: 'newsletter', version: '1' },
    source: { evidence: { formUrl: 'https://example.com/form' } },
    ...change,
  });

  test('what else would open something is refused', async () => {
    const contact = { email: 'closed@example.com' };
    await hush.ask('/v1/events', { events: [optedOut('closed@example.com')] });
    const done = await run(
      lines(
        { contact, type: 'opted_in' },
        { contact, type: 'reachable', channel: 'email' },
        { contact, type: 'restriction_lifted' },
        { contact, type: 'registry_unlisted', registry: 'us-national' },
        { contact, type: 'erased' },
        { contact, type: 'profile', relationship: 'customer' },
        { contact, type: 'profile', implied: 'purchase' },
        { contact, type: 'profile', jurisdiction: 'US' },
        { contact, type: 'profile', minor: false },
        consent('closed@example.com', { at: undefined }),
        consent('closed@example.com', { notice: undefined }),
        consent('closed@example.com', { notice: { id: 'nothing', version: '1' } }),
        consent('closed@example.com', { source: undefined }),
        consent('closed@example.com', { source: { evidence: {} } }),
        consent('closed@example.com', { at: '2027-01-01T00:00:00Z' }),
      ),
      { ...scope, list: 'opening' },
      ndjson,
    );
    expect(done.errors.map(({ field }) => field)).toEqual([
      'type',
      'type',
      'type',
      'type',
      'type',
      'relationship',
      'implied',
      'jurisdiction',
      'minor',
      'at',
      'notice',
      'notice',
      'source.evidence',
      'source.evidence',
      'at',
    ]);
    expect(done.accepted).toBe(0);
    expect(await hush.decide(contact)).toMatchObject({ reason: 'opted_out' });
  });

  test('a consent after the denial lifts it, one before does not, and none of a key that may not lift', async () => {
    const emails = ['after@example.com', 'before@example.com', 'poor@example.com'];
    await hush.ask('/v1/events', { events: emails.map(optedOut) });
    const csv = (email: string, at: string) =>
      `email,type,at,notice,notice_version,wording\n${email},consent_granted,${at},newsletter,1,Yes please\n`;
    expect(await run(csv('after@example.com', '2025-06-01'), scope)).toMatchObject({ accepted: 1, errors: [] });
    await run(csv('before@example.com', '2024-06-01'), scope);
    const { key } = await hush.hush.stores.apiKeys.create('imports only', ['imports']);
    const poor = { authorization: `Bearer ${key}` };
    expect(await run(csv('poor@example.com', '2025-06-01'), scope, poor)).toMatchObject({ accepted: 1 });
    expect(await hush.decide({ email: 'after@example.com' })).toMatchObject({ allowed: true, reason: 'consented' });
    expect(await hush.decide({ email: 'before@example.com' })).toMatchObject({ allowed: false, reason: 'opted_out' });
    expect(await hush.decide({ email: 'poor@example.com' })).toMatchObject({ allowed: false, reason: 'opted_out' });
    // The same rows of a key that may lift are another thing to say.
    expect(await run(csv('poor@example.com', '2025-06-01'), scope)).toMatchObject({ accepted: 1, errors: [] });
    expect(await hush.decide({ email: 'poor@example.com' })).toMatchObject({ allowed: true, reason: 'consented' });
  });
});

describe('the same list twice', () => {
  const list = `email,at\n${Array.from({ length: 600 }, (_, n) => `twice${n}@example.com,2020-01-01\n`).join('')}`;

  test('does nothing, by its batches and by its rows', async () => {
    await run(list, { list: 'twice' });
    await hush.settle();
    const before = await entries();
    expect(await run(list, { list: 'twice' })).toMatchObject({ rows: 600, accepted: 0, repeated: 600 });
    // Batches are forgotten after a while, and do not match when a row was put on top. The rows' events are the same all the same.
    await hush.hush.stores.connection.collection('import_batches').deleteMany({});
    const moved = list.replace('\n', '\nontop@example.com,2020-01-01\n');
    expect(await run(moved, { list: 'twice' })).toMatchObject({ rows: 601, accepted: 601, repeated: 0 });
    await hush.settle();
    expect(await entries()).toBe(before + 1);
  });

  test('leaves what the person decided after it', async () => {
    const undated = 'email\nback@example.com\n';
    await run(undated, { list: 'undated' });
    time.now += 60_000;
    await hush.ask('/v1/events', {
      events: [{ contact: { email: 'back@example.com' }, type: 'opted_in', lifts: 'any', source: { kind: 'form' } }],
    });
    expect(await hush.decide({ email: 'back@example.com' })).toMatchObject({ allowed: true });
    time.now += 60_000;
    await run(undated, { list: 'undated' });
    await hush.hush.stores.connection.collection('import_batches').deleteMany({});
    await run('email\nBack@example.com\n', { list: 'undated' });
    await hush.settle();
    expect(await hush.decide({ email: 'back@example.com' })).toMatchObject({ allowed: true });
    // Another list says it anew.
    await run(undated, { list: 'another' });
    expect(await hush.decide({ email: 'back@example.com' })).toMatchObject({ allowed: false });
  });

  test('with another meaning is another list', async () => {
    const one = 'email\nmeaning@example.com\n';
    await run(one, { list: 'meaning', purpose: 'profiling' });
    expect(await hush.decide({ email: 'meaning@example.com' })).toMatchObject({ allowed: true });
    expect(await run(one, { list: 'meaning', purpose: 'promotion' })).toMatchObject({ accepted: 1, repeated: 0 });
    expect(await hush.decide({ email: 'meaning@example.com' })).toMatchObject({ allowed: false });
  });

  test('tells wrong rows again', async () => {
    const half = 'email\nhalf@example.com\nnobody\n';
    const first = await run(half, { list: 'half' });
    expect((await run(half, { list: 'half' })).errors).toEqual(first.errors);
  });
});

describe('an import that is under way or broke off', () => {
  test('shows how far it came while it runs', async () => {
    const sent = httpRequest(`${hush.url}/v1/imports?list=slow`, {
      method: 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'text/csv' },
    });
    const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
    sent.write('email\n');
    const latest = async () => (await hush.ask<{ imports: Import[] }>('/v1/imports?list=slow')).imports[0];
    let rows = 0;
    await until(async () => {
      sent.write(addresses(`slow${rows}.`, 250));
      rows += 250;
      // Progress is written when the clock has gone on.
      time.now += 1000;
      return ((await latest())?.rows ?? 0) > 0;
    });
    const running = await latest();
    expect(running).toMatchObject({ state: 'running', accepted: running?.rows });
    sent.end();
    const [response] = await answered;
    const done = JSON.parse(await textOf(response)) as Import;
    expect(done).toMatchObject({ id: running?.id, state: 'done', rows, accepted: rows });
    expect(await hush.ask(`/v1/imports/${done.id}`)).toMatchObject({ state: 'done', rows });
  });

  test('for a row that cannot be read says which, and goes on when it is sent again', async () => {
    // More than one piece of the stream: of the first, the rows are recorded.
    const rows = addresses('torn', 1000).replaceAll('\n', `,${'note '.repeat(30)}\n`);
    const answer = await send(`email,note\n${rows}torn@example.com,"${'x'.repeat(300_000)}"\nlast@example.com,\n`, {
      list: 'torn',
    });
    const problem = (await answer.json()) as { field: string; remedy: string; detail: string };
    expect([answer.status, problem.field]).toEqual([400, 'row 1002']);
    expect(problem.remedy).toMatch(/send the whole list again/);
    const id = /i_[0-9a-z]+/.exec(problem.remedy)?.[0];
    const told = await hush.ask<Import>(`/v1/imports/${id}`);
    expect(told).toMatchObject({ state: 'interrupted', fault: expect.stringMatching(/^row 1002/) });
    expect(told.rows).toBeGreaterThan(0);
    const again = await run(`email,note\n${rows}torn@example.com,\nlast@example.com,\n`, { list: 'torn' });
    expect(again).toMatchObject({ state: 'done', rows: 1002, repeated: told.rows });
    expect(await hush.decide({ email: 'last@example.com' })).toMatchObject({ allowed: false });
  });

  test('bears the record being away for a moment, and is a 503 when it stays away', async () => {
    const { accept } = hush.hush;
    const { acceptAll } = accept;
    const { HushError } = await import('../../../src/core/errors.js');
    const away = new HushError('unavailable', 'away', { retryAfter: 5 });
    let calls = 0;
    let mode: 'moment' | 'stays' = 'moment';
    Object.assign(accept, {
      async acceptAll(...args: Parameters<typeof acceptAll>) {
        calls++;
        if (mode === 'moment' && calls === 2) throw away;
        const results = await acceptAll(...args);
        // Some rows of a batch are recorded, some are not known to be.
        if (mode === 'moment' && calls === 3) return results.map((result, index) => (index % 3 === 0 ? away : result));
        if (mode === 'stays' && calls > 2) return results.map((result, index) => (index % 2 === 0 ? away : result));
        return results;
      },
    });
    try {
      const moment = await run(`email\n${addresses('moment', 700)}`, { list: 'moment' });
      expect(moment).toMatchObject({ state: 'done', rows: 700, accepted: 700, rejected: 0 });
      expect(calls).toBe(5);
      [calls, mode] = [0, 'stays'];
      const answer = await send(`email\n${addresses('stays', 1000)}`, { list: 'stays' });
      const problem = (await answer.json()) as { remedy: string };
      expect([answer.status, answer.headers.get('content-type')]).toEqual([
        503,
        'application/problem+json; charset=utf-8',
      ]);
      const id = /i_[0-9a-z]+/.exec(problem.remedy)?.[0];
      expect(await hush.ask(`/v1/imports/${id}`)).toMatchObject({ state: 'interrupted', rows: 500, accepted: 500 });
    } finally {
      Object.assign(accept, { acceptAll });
    }
    const again = await run(`email\n${addresses('stays', 1000)}`, { list: 'stays' });
    expect(again).toMatchObject({ state: 'done', rows: 1000, repeated: 500, accepted: 500 });
  });

  test('whose process was killed is interrupted, and sending the list again brings every row home once', async () => {
    const from = await startHush({ destinations: [] });
    await from.stop(true);
    const env = {
      MONGODB_URI: databaseUri(from.namespace),
      REDIS_URL: process.env.REDIS_URL,
      HUSH_SECRET: 'a secret for tests that is long enough',
      HUSH_API_KEY: API_KEY,
      HUSH_DATA_DIR: from.dir,
      HUSH_NAMESPACE: from.namespace,
    };
    const ROWS = 1600;
    const first = await startProcess(env);
    const sent = httpRequest(`${first.url}/v1/imports?list=killed`, {
      method: 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'text/csv' },
    });
    const broke = once(sent, 'error');
    sent.write(`email\n${addresses('killed', ROWS / 2)}`);
    const other = await startHush({ destinations: [], from });
    try {
      const latest = async () => (await other.ask<{ imports: Import[] }>('/v1/imports')).imports[0];
      const contacts = () => other.hush.stores.connection.collection('contacts').countDocuments();
      await until(async () => (await contacts()) > 400);
      await first.kill();
      await broke;
      expect(await latest()).toMatchObject({ state: 'running' });
      await other.hush.stores.connection
        .collection('imports')
        .updateOne({}, { $set: { updatedAt: new Date(Date.now() - 61_000) } });
      expect(await latest()).toMatchObject({ state: 'interrupted' });
      const answer = await fetch(`${other.url}/v1/imports?list=killed`, {
        method: 'POST',
        headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'text/csv' },
        body: `email\n${addresses('killed', ROWS)}`,
      });
      const done = (await answer.json()) as Import;
      expect(done).toMatchObject({ state: 'done', rows: ROWS, rejected: 0 });
      expect(done.repeated).toBeGreaterThan(0);
      await until(async () => {
        await other.settle();
        return (await other.hush.stores.connection.collection('ledger').countDocuments()) >= ROWS;
      });
      expect(await other.hush.stores.connection.collection('ledger').countDocuments()).toBe(ROWS);
      expect(await contacts()).toBe(ROWS);
    } finally {
      await other.stop();
    }
  });
});

describe('what is no list is a 400 that names the field and the remedy', () => {
  const good = 'email\na@example.com\n';
  test.each<[string, string | Buffer, Record<string, string>, string, RegExp]>([
    ['no column with a contact', 'mail\na@example.com\n', {}, 'column', /column=…; the file has: mail/],
    ['a list without a header', 'a@example.com\n', {}, 'column', /no header/],
    ['another column', good, { column: 'mail' }, 'column', /email/],
    ['two kinds of contact', 'email,phone\n', {}, 'column', /column=email/],
    ['a column that is there twice', 'email,at,at\n', {}, 'column', /name of its own/],
    ['nothing', '', {}, 'body', /header/],
    ['UTF-16', Buffer.from('\ufeffemail\n', 'utf16le'), {}, 'body', /UTF-8/],
    ['a name that could be an address', good, { list: 'a@example.com' }, 'list', /legacy-2019/],
    ['a type that opens', good, { type: 'opted_in' }, 'type', /opted_out/],
    ['a day that there is not', good, { at: '2019-02-30' }, 'at', /no such time/],
    ['no day', good, { at: '03/01/2019' }, 'at', /2019-03-01/],
    ['another brand', good, { brand: 'acme' }, 'brand', /jmf/],
    ['another topic', good, { topic: 'gossip' }, 'topic', /news/],
    ['another channel', good, { channel: 'fax' }, 'channel', /email/],
    ['a word for yes', good, { dry_run: 'yes' }, 'dry_run', /true/],
    ['a further field', good, { surprise: '1' }, 'surprise', /remove/],
  ])('%s', async (_name, file, query, field, remedy) => {
    const answer = await send(file, query);
    expect([answer.status, await answer.json()]).toMatchObject([400, { field, remedy: expect.stringMatching(remedy) }]);
  });

  test('another kind of body', async () => {
    const answer = await send('{}', {}, { 'content-type': 'application/json' });
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      { field: 'content-type', remedy: 'send Content-Type: text/csv or application/x-ndjson' },
    ]);
  });

  test('an import that there is not is a 404', async () => {
    const answer = await hush.get('/v1/imports/i_nothing');
    expect([answer.status, await answer.json()]).toMatchObject([404, { remedy: expect.stringMatching(/imports/) }]);
  });

  test('a key needs the scope imports', async () => {
    const { key } = await hush.hush.stores.apiKeys.create('all but imports', ['events', 'decisions', 'lift', 'export']);
    expect((await send(good, {}, { authorization: `Bearer ${key}` })).status).toBe(403);
    expect((await hush.get('/v1/imports', { authorization: `Bearer ${key}` })).status).toBe(403);
  });
});

describe('CSV as people and spreadsheets write it', () => {
  test('the column is found by its usual headers, under a first line sep= too', async () => {
    for (const [index, list] of [
      'E-Mail,n\nhead0@example.com,1\n',
      'Email Address,n\nhead1@example.com,1\n',
      'sep=;\nemail;n\nhead2@example.com;1\n',
      "Telefon,n\n'+12015550190,1\n",
    ].entries()) {
      expect(await run(list)).toMatchObject({ rows: 1, accepted: 1, rejected: 0 });
      const contact = index === 3 ? { phone: '+12015550190' } : { email: `head${index}@example.com` };
      expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'opted_out' });
    }
  });

  test('a wrong quote costs its row at most', async () => {
    const list =
      'email,name\nquote0@example.com,5" pipe\nquote1@example.com,"x\nquote2@example.com,y\n"Ann, quote3@example.com,z\n';
    const done = await run(list);
    expect(done).toMatchObject({ rows: 4, accepted: 3, rejected: 1, errors: [{ row: 5, field: 'row' }] });
    for (const n of [0, 1, 2]) expect((await hush.decide({ email: `quote${n}@example.com` })).allowed).toBe(false);
  });

  test('our own export for people neutralises formulas, and is read back in another installation', async () => {
    const given = [
      { phone: '+12015550191' },
      { email: '=cmd@example.com' },
      { email: '+plus@example.com' },
      { id: 'crm:77' },
    ];
    const postal = {
      postal: { line1: '1 Main, "St"', city: 'Neenah', region: 'WI', postalCode: '54956', country: 'US' },
    };
    const type = 'opted_out';
    const events = [...given, postal].map((contact) => ({ contact, type, source: { kind: 'api' } }));
    await hush.ask('/v1/events', { events });
    await hush.settle();
    const where = 'brand=jmf&channel=email&purpose=promotion&include=standing&format=csv';
    const exported = await (await hush.get(`/v1/suppressions?${where}&readers=people`)).text();
    for (const cell of ["'+12015550191", "'=cmd@example.com", "'+plus@example.com"])
      expect(exported).toContain(`,${cell},`);
    expect(await (await hush.get(`/v1/suppressions?${where}`)).text()).toContain(',+12015550191,');

    const other = await startHush({ destinations: [], env: { HUSH_SECRET: 'another secret for tests, long enough' } });
    try {
      const answer = await fetch(`${other.url}/v1/imports?list=moved`, {
        method: 'POST',
        headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'text/csv' },
        body: exported,
      });
      const done = (await answer.json()) as Import;
      expect(done).toMatchObject({ rejected: 0, accepted: exported.trim().split('\r\n').length - 1 });
      for (const contact of [...given, postal]) expect((await other.decide(contact)).allowed).toBe(false);
    } finally {
      await other.stop();
    }
  });

  test('a lift in a delta of ours denies nobody', async () => {
    const done = await run(
      'action,type,contact,reason,since,receipt\nlift,email,delta0@example.com,,,\nsuppress,email,delta1@example.com,opted_out,,\n',
    );
    expect(done).toMatchObject({ accepted: 1, rejected: 1 });
    expect((await hush.decide({ email: 'delta0@example.com' })).allowed).toBe(true);
    expect((await hush.decide({ email: 'delta1@example.com' })).allowed).toBe(false);
  });
});
