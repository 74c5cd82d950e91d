import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { verifyExport } from '../../../src/audit/verify-export.js';
import { neutralised } from '../../../src/core/spreadsheet-cell.js';
import { type Hush, startHush } from '../../support/hush.js';
import { until } from '../../support/until.js';
import { type Console, signIn } from './browser.js';
import { follow, keyOf, makeCustomer } from './people.js';

let hush: Hush;
let officer: Console;
let supervisor: Console;
let auditor: Console;
let admin: Console;
let person: Awaited<ReturnType<typeof makeCustomer>>;
let key: string;
beforeAll(async () => {
  hush = await startHush();
  officer = await signIn(hush, 'privacy_officer');
  supervisor = await signIn(hush, 'supervisor');
  auditor = await signIn(hush, 'auditor');
  admin = await signIn(hush, 'admin');
  person = await makeCustomer(hush, 'Ana');
  key = await keyOf(hush, person.email);
  await hush.settle();
});
afterAll(() => hush?.stop());

const last = async (user: string) => (await hush.hush.staff.trail.list({ user }, 0, 1))[0];

describe('a person’s page', () => {
  test('asks why first, the same whether or not there is such a person, and shows nothing until then', async () => {
    const nobody = `c_${'0'.repeat(26)}`;
    const [known, unknown] = [
      await supervisor.get(`/staff/contacts/${key}`),
      await supervisor.get(`/staff/contacts/${nobody}`),
    ];
    expect(known.text).toContain('Why do you need to see this person?');
    expect(known.text).not.toContain('a•••');
    // Each form's token says whose page it was on, under a seal of its own.
    const same = (text: string) =>
      text
        .replaceAll(key, 'KEY')
        .replaceAll(nobody, 'KEY')
        .replace(/name="_csrf" value="[^"]+"/g, 'TOKEN');
    expect(same(known.text)).toBe(same(unknown.text));
    expect(await last('supervisor')).toMatchObject({ kind: 'refusal', what: 'person_refused' });
  });

  test('a reason without words is none', async () => {
    expect((await supervisor.post(`/staff/contacts/${key}/look`, { reason: 'complaint', note: '' })).status).toBe(400);
    expect((await supervisor.post(`/staff/contacts/${key}/look`, { reason: 'curious', note: 'x' })).status).toBe(400);
    expect((await supervisor.get(`/staff/contacts/${key}`)).text).toContain('Why do you need to see this person?');
  });

  test('with a reason it opens, and who looked, when and why is written down', async () => {
    const page = await supervisor.post(`/staff/contacts/${key}/look`, { reason: 'complaint', note: 'ticket 4711' });
    expect(page.text).toContain('Permissions');
    expect(page.text).not.toContain('ana@example.com');
    const entry = await last('supervisor');
    expect(entry).toMatchObject({ kind: 'look', what: 'person', reason: 'complaint', note: 'ticket 4711' });
    // What was written is sealed at rest.
    const row = await hush.hush.stores.trail.models[0].collection.findOne({ what: 'person', reason: 'complaint' });
    expect(JSON.stringify(row)).not.toContain('ticket 4711');
  });

  test('shows decisions with reason and date, the history with sources, the wording agreed to and who knows', async () => {
    const { text } = await officer.get(`/staff/contacts/${key}`);
    for (const part of [
      '✕ opted out',
      '✕ browser signal (GPC)',
      '✕ no consent',
      '✓ service',
      'the email program’s button',
      'Yes, send me offers and news by email',
      'suppressed',
      'shipping portal',
      'customer:•••31',
    ]) {
      expect(text).toContain(part);
    }
  });

  test('a new shipper’s recipient may not be marketed to, and service goes through: the matrix says so', async () => {
    const contact = { email: 'recipient@example.com' };
    await hush.ask('/v1/events', {
      events: [{ contact, type: 'profile', relationship: 'recipient', source: { kind: 'import' } }],
    });
    await hush.settle();
    const { text } = await officer.get(`/staff/contacts/${await keyOf(hush, contact)}`);
    expect(text).toContain('Package recipient');
    const matrix = text.slice(text.indexOf('Permissions'), text.indexOf('What happened'));
    expect(matrix.match(/✓ (?!service)/g)).toBeNull();
    expect(matrix.match(/✕ address came from a shipper/g)?.length).toBeGreaterThan(20);
    expect(matrix.match(/✓ service/g)).toHaveLength(5);
  });

  test('an address is shown in full to whoever may, with a reason, and that is written down', async () => {
    expect((await officer.post(`/staff/contacts/${key}/address`, { reason: '' })).text).not.toContain(
      'ana@example.com',
    );
    const page = await officer.post(`/staff/contacts/${key}/address`, { reason: 'a letter by hand' });
    expect(page.text).toContain('ana@example.com');
    const looks = await hush.hush.staff.trail.list({ user: 'privacy_officer', kind: 'look' }, 0, 3);
    expect(looks.map(({ what, note }) => [what, note])).toContainEqual(['address', 'a letter by hand']);
    expect((await auditor.post(`/staff/contacts/${key}/address`, { reason: 'curious' })).status).toBe(403);
  });

  test('is found by what one knows, with a reason, and nothing of it is in an address', async () => {
    const page = await auditor.post('/staff/people', { find: 'ANA@example.com', reason: 'audit', note: 'sample 7' });
    expect(page.at).toBe(`/staff/contacts/${key}`);
    expect((await auditor.post('/staff/people', { find: 'ana@example.com', reason: '', note: '' })).status).toBe(400);
    expect(
      (await auditor.post('/staff/people', { find: 'nobody@example.com', reason: 'audit', note: 'x' })).text,
    ).toContain('We found nobody');
  });

  test('what somebody wrote cannot become part of the page', async () => {
    const contact = { email: 'markup@example.com' };
    await hush.ask('/v1/events', {
      events: [
        {
          contact,
          type: 'opted_out',
          source: { kind: 'form', evidence: { words: '<script>alert(1)</script><img src=x onerror=alert(2)>' } },
        },
      ],
    });
    await hush.settle();
    const answer = await officer.get(`/staff/contacts/${await keyOf(hush, contact)}`);
    expect(answer.text).not.toMatch(/<script|<img/);
    expect(answer.text).toContain('&lt;script&gt;');
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(answer.headers.get('content-security-policy')).not.toMatch(/script-src|unsafe/);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });
});

describe('erasure', () => {
  test('of what the console knows remain codes and times: notes, words and the way by name are gone', async () => {
    const eve = await makeCustomer(hush, 'Eve');
    const agent = await signIn(hush, 'agent');
    await follow(hush);
    expect((await agent.post('/staff/call', { find: 'eve doe, 54956' })).text).toContain('Customer');
    const postal = await keyOf(hush, eve.postal);
    await supervisor.post(`/staff/contacts/${postal}/look`, { reason: 'request', note: 'Eve wrote to us' });
    await hush.ask('/v1/events', { events: [{ contact: { key: postal }, type: 'erased', source: { kind: 'staff' } }] });
    await hush.settle();
    await follow(hush);
    expect((await agent.post('/staff/call', { find: 'eve doe, 54956' })).text).not.toContain('Customer');
    const rows = await hush.hush.staff.trail.list({ search: 'person' }, 0, 1000);
    expect(rows.some(({ reason }) => reason === 'request')).toBe(true);
    expect(rows.some(({ note }) => note === 'Eve wrote to us')).toBe(false);
  });
});

describe('the audit trail', () => {
  test('is filtered by who, kind, contact and day', async () => {
    const page = async (query: string) => (await auditor.get(`/staff/audit?${query}`)).text;
    expect(await page('user=supervisor&kind=refusal')).toContain('asked for a person without a reason');
    expect(await page(`contact=${key}`)).toContain('Sam Okafor');
    expect(await page('from=2020-01-01&to=2020-01-02')).toContain('Nothing found');
    const today = new Date().toISOString().slice(0, 10);
    expect(await page(`from=${today}&to=${today}&q=complain`)).toContain('0 entries');
  });

  test('an operator in a filter is only a text', async () => {
    for (const query of ['user[$ne]=x', 'q=.*', 'q=%24where', 'kind=%7B%22%24ne%22%3A1%7D', 'page=-1', 'page=9e99']) {
      expect((await auditor.get(`/staff/audit?${query}`)).status).toBe(200);
    }
    expect((await auditor.get('/staff/audit?q=.*')).text).toContain('Nothing found');
  });

  test('as CSV its cells cannot be formulas, and the download is written down itself', async () => {
    await supervisor.post(`/staff/contacts/${key}/look`, {
      reason: 'complaint',
      note: '=HYPERLINK("http://evil.example")',
    });
    const answer = await auditor.get('/staff/audit?format=csv&user=supervisor');
    expect(answer.headers.get('content-type')).toContain('text/csv');
    expect(answer.text).toContain('A complaint: =HYPERLINK');
    expect(answer.text.split('\r\n').every((line) => !/(^|,)"?[=+@-]/.test(line))).toBe(true);
    expect(await last('auditor')).toMatchObject({ kind: 'export', what: 'list' });
  });

  test.each([
    ['=1+1', "'=1+1"],
    ['+1 920', "'+1 920"],
    ['-5', "'-5"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\tx', "'\tx"],
    ['\rx', "'\rx"],
    ['plain', 'plain'],
    ['', ''],
  ])('the cell %j is written %j', (given, written) => {
    expect(neutralised(given)).toBe(written);
  });

  test('a period of the ledger is written in the background, with proofs that hold and without an address', async () => {
    const today = new Date().toISOString().slice(0, 10);
    await follow(hush);
    const asked = await auditor.post('/staff/audit/exports', { from: today, to: today });
    expect(asked.at).toBe('/staff/audit/exports');
    expect(await last('auditor')).toMatchObject({ kind: 'export', what: 'ledger' });
    // By this process or a chore of the worker, whichever took it.
    await until(async () => {
      await hush.hush.exportJobs.work();
      return (await hush.hush.exportJobs.list(0, 1)).rows[0]?.state === 'ready';
    });
    const list = await auditor.get('/staff/audit/exports');
    const [, link = ''] = /href="(\/staff\/audit\/exports\/[0-9a-z]{16}\/file)"/.exec(list.text) ?? [];
    const answer = await fetch(hush.url + link, {
      headers: { cookie: [...auditor.cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    });
    expect(answer.headers.get('content-disposition')).toBe(
      `attachment; filename="ledger-${today}-to-${today}.ndjson.gz"`,
    );
    expect(await last('auditor')).toMatchObject({ kind: 'export', what: 'ledger_fetched' });
    const bytes = Buffer.from(await answer.arrayBuffer());
    const text = gunzipSync(bytes).toString('utf8');
    expect(text).not.toContain('example.com');
    expect(text.trim().split('\n').length).toBeGreaterThan(5);
    const file = path.join(hush.dir, 'ledger.ndjson.gz');
    await writeFile(file, bytes);
    expect(await verifyExport(file, { verifiers: hush.hush.signer.verifiers })).toMatchObject({
      ok: true,
      selfSigned: false,
    });
    expect((await supervisor.post('/staff/audit/exports', { from: today, to: today })).status).toBe(403);
    expect((await supervisor.get(link)).status).toBe(403);
    expect((await auditor.post('/staff/audit/exports', { from: today, to: '2020-01-01' })).status).toBe(400);
    expect((await auditor.get('/staff/audit/exports/0000000000000000/file')).status).toBe(404);
  });
});

describe('a list with readable addresses', () => {
  test('needs a second person, and is fetched once by whoever asked', async () => {
    const wanted = { brand: 'jmf', channel: 'email', purpose: 'promotion', reason: 'a letter of apology' };
    const id = (await officer.post('/staff/exports', wanted)).at.split('/').at(-1) ?? '';
    expect((await officer.post(`/staff/exports/${id}/fetch`, {})).status).toBe(404);
    expect((await officer.post(`/staff/exports/${id}/decide`, { decision: 'confirm' })).status).toBe(403);
    expect((await supervisor.post(`/staff/exports/${id}/decide`, { decision: 'confirm' })).status).toBe(200);
    const second = await signIn(hush, 'privacy_officer-2');
    expect((await second.post(`/staff/exports/${id}/fetch`, {})).status).toBe(404);
    const file = await officer.post(`/staff/exports/${id}/fetch`, {});
    expect(file.text).toContain('ana@example.com');
    expect((await officer.post(`/staff/exports/${id}/fetch`, {})).status).toBe(404);
    expect((await hush.hush.staff.trail.list({ kind: 'export', user: 'privacy_officer' }, 0, 1))[0]).toMatchObject({
      what: 'addresses',
    });
  });

  test('an approval of one kind is not decided as the other', async () => {
    const wanted = { brand: 'jmf', channel: 'email', purpose: 'promotion', reason: 'x' };
    const id = (await officer.post('/staff/exports', wanted)).at.split('/').at(-1) ?? '';
    expect((await supervisor.post(`/staff/lifts/${id}/decide`, { decision: 'confirm' })).status).toBe(404);
  });
});

describe('receipts', () => {
  test('a number read out in any way leads to what happened and to its proof', async () => {
    const contact = { email: 'receipt@example.com' };
    const { accepted } = await hush.ask<{ accepted: { receipt: string }[] }>('/v1/events', {
      events: [{ contact, type: 'opted_out', source: { kind: 'form' } }],
    });
    await follow(hush);
    const receipt = accepted[0]?.receipt ?? '';
    const page = await auditor.post('/staff/receipts', {
      receipt: receipt.slice(2).replaceAll('-', ' ').toLowerCase(),
    });
    expect(page.at).toBe(`/staff/receipts/${receipt}`);
    expect(page.text).toContain('r•••@example.com');
    const proof = await auditor.get(`/staff/receipts/${receipt}/proof`);
    expect(proof.text).toContain('c2sp.org/tlog-proof');
    expect((await auditor.get(`/staff/receipts/${receipt}/entry`)).status).toBe(200);
  });

  test('a number nobody has shows nothing', async () => {
    expect((await auditor.post('/staff/receipts', { receipt: 'r_0000-0000-0000-0000-0000' })).status).toBe(404);
    expect((await auditor.get('/staff/receipts/r_0000-0000-0000-0000-0000')).status).toBe(404);
  });
});

describe('destinations', () => {
  test('an admin pauses one: nothing is told, what is to be told is counted, and resuming catches up', async () => {
    expect((await admin.post('/staff/destinations/file/pause', {})).text).toContain('Nothing is sent to file for now');
    const contact = { email: 'paused@example.com' };
    await hush.ask('/v1/events', { events: [{ contact, type: 'opted_out', source: { kind: 'form' } }] });
    await hush.settle();
    expect((await admin.get('/staff/destinations')).text).toMatch(/paused[\s\S]*class="n"><span>1</);
    await admin.post('/staff/destinations/file/resume', {});
    await hush.settle();
    expect((await admin.get('/staff/destinations')).text).toContain('synced');
    expect((await admin.post('/staff/destinations/../../x/pause', {})).status).not.toBe(200);
    expect((await admin.post('/staff/destinations/nowhere/pause', {})).status).toBe(404);
  });
});

describe('statistics', () => {
  test('count every entry once, hide groups under ten, and give nothing away by a difference', async () => {
    const many = (count: number, kind: string) =>
      Array.from({ length: count }, (_, at) => ({
        contact: { email: `${kind}${at}@statistics.example` },
        type: 'opted_out',
        source: { kind },
      }));
    await hush.ask('/v1/events', { events: [...many(12, 'link'), ...many(3, 'mailto')] });
    await follow(hush);
    const today = new Date().toISOString().slice(0, 10);
    const [counted] = await hush.hush.stores.statistics.since(today);
    expect(counted?.denials).toMatchObject({ link: 12, mailto: 3 });
    const { text } = await officer.get('/staff?csv=Opt-outs+by+day+and+source');
    expect(text).toContain('a link in a message');
    expect(text).not.toContain('a mail to us');
    // Run again: no entry is counted twice.
    await hush.hush.staff.follower.once();
    expect((await hush.hush.stores.statistics.since(today))[0]?.denials).toMatchObject({ link: 12, mailto: 3 });
  });

  test('say why people stopped, by brand and channel, and hide what few said', async () => {
    const { statistics } = hush.hush.stores;
    const today = new Date().toISOString().slice(0, 10);
    const times = (count: number, ...where: [brand: string, channel: string, reason: string]) =>
      Promise.all(Array.from({ length: count }, () => statistics.stopReason(today, ...where)));
    await times(11, 'jmf', 'email', 'too-many');
    await times(4, 'shipping', '*', 'too-many');
    await times(3, 'jmf', 'email', 'never-asked');
    const { text } = await officer.get('/staff?csv=Why+people+stopped');
    expect(text).toMatch(/Too many messages,11,"?JM Facets, Email 11"?\r?\n/);
    expect(text).not.toMatch(/never asked|Shipping|15/);
    expect((await officer.get('/staff')).text).toContain('Why people stopped');
  });
});
