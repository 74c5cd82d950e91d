import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { makeZip } from 'client-zip';
import { zipSync } from 'fflate';
import { API_KEY, type Hush, startHush } from '../../support/hush.js';
import { program } from '../../support/process.js';

let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ destinations: [] });
});
afterAll(() => hush?.stop());

interface Report {
  readonly rows: number;
  readonly accepted: number;
  readonly repeated: number;
  readonly rejected: number;
  readonly errors: readonly { row: number; field: string; message: string }[];
  readonly files: readonly { name: string; from: string; kind: string }[];
  readonly leftOut: readonly { status: string; rows: number }[];
}

const send = (body: string | Uint8Array, query: Record<string, string>, type = 'text/csv') =>
  fetch(`${hush.url}/v1/imports?${new URLSearchParams(query)}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${API_KEY}`, 'content-type': type },
    body: typeof body === 'string' ? body : Buffer.from(body),
  });
async function run(body: string | Uint8Array, query: Record<string, string>, type?: string): Promise<Report> {
  const answer = await send(body, query, type);
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${answer.status} ${text}`);
  return JSON.parse(text) as Report;
}
async function refusal(body: string | Uint8Array, query: Record<string, string>, type?: string): Promise<string> {
  const answer = await send(body, query, type);
  const problem = (await answer.json()) as { detail: string; remedy: string };
  expect(answer.status).toBe(400);
  return `${problem.detail}; ${problem.remedy}`;
}
const reasonOf = async (email: string, more: object = {}) => (await hush.decide({ email }, 'promotion', more)).reason;
const bytes = (text: string) => new TextEncoder().encode(text);

const UNSUBSCRIBED = `"Email Address","First Name",MEMBER_RATING,OPTIN_TIME,LEID,UNSUB_TIME,UNSUB_REASON,NOTES
gone@mc.example.com,Ana,2,2017-06-13 15:08:21,1,2019-08-20 10:11:12,,"said
no, on two lines"
spam@mc.example.com,Bo,2,2017-06-13 15:08:21,2,2019-08-20 10:11:12,The emails are spam and should be reported,
`;
const CLEANED =
  'Email Address,OPTIN_TIME,LEID,CLEAN_TIME\nbad@mc.example.com,2017-06-13 15:08:21,3,2019-08-20 10:11:12\n';
const SUBSCRIBED = 'Email Address,OPTIN_TIME,LEID,MEMBER_RATING\nin@mc.example.com,2017-06-13 15:08:21,4,5\n';

describe('an export of another product', () => {
  test('a zip of Mailchimp is read file by file, and its subscribed people are neither denied nor consenting', async () => {
    const zip = zipSync({
      'unsubscribed_members_export_1.csv': bytes(`\ufeff${UNSUBSCRIBED}`),
      'cleaned_members_export_1.csv': bytes(CLEANED),
      'subscribed_members_export_1.csv': bytes(SUBSCRIBED),
      'granular_activity/opens/1.csv': bytes('Timestamp,Email\nx,in@mc.example.com\n'),
      'notes.csv': bytes('about,text\nx,y\n'),
      'readme.pdf': bytes('x'),
    });
    const report = await run(zip, { from: 'mailchimp', list: 'mc' }, 'application/zip');
    expect(report).toMatchObject({ rows: 3, accepted: 3, rejected: 0 });
    expect(report.files).toEqual([
      { name: 'unsubscribed_members_export_1.csv', from: 'mailchimp', kind: 'unsubscribed contacts' },
      { name: 'cleaned_members_export_1.csv', from: 'mailchimp', kind: 'cleaned contacts' },
      { name: 'subscribed_members_export_1.csv', from: 'mailchimp', kind: 'subscribed or non-subscribed contacts' },
      { name: 'notes.csv', from: 'mailchimp', kind: 'not read' },
    ]);
    expect(report.leftOut).toEqual([{ status: 'subscribed or non-subscribed', rows: 1 }]);
    expect(await reasonOf('gone@mc.example.com')).toBe('opted_out');
    expect(await reasonOf('spam@mc.example.com')).toBe('complained');
    expect(await reasonOf('bad@mc.example.com')).toBe('undeliverable');
    expect(await reasonOf('in@mc.example.com')).toBe('not_objected');
    // Texts and mail about the account were never theirs to say.
    expect(await hush.decide({ email: 'gone@mc.example.com' }, 'service')).toMatchObject({ allowed: true });
    const { denials } = await hush.ask<{ denials: { type: string; at: string; scope: object }[] }>(
      '/v1/contacts/lookup',
      { contact: { email: 'gone@mc.example.com' } },
    );
    expect(denials).toMatchObject([
      {
        type: 'opted_out',
        at: '2019-08-20T10:11:12.000Z',
        scope: { brand: '*', channel: 'email', purpose: 'marketing' },
      },
    ]);
    expect(await run(zip, { from: 'mailchimp', list: 'mc' }, 'application/zip')).toMatchObject({
      accepted: 0,
      repeated: 3,
    });
  });

  test('a zip whose sizes stand behind its files, as services write them while they send', async () => {
    const files = [
      { name: 'export/cleaned_1.csv', input: CLEANED.replace('@mc.', '@stream.') },
      { name: 'export/subscribed_1.csv', input: SUBSCRIBED.repeat(500) },
      { name: 'export/unsubscribed_1.csv', input: UNSUBSCRIBED.replaceAll('@mc.', '@stream.') },
    ];
    const zip = new Uint8Array(await new Response(makeZip(files)).arrayBuffer());
    expect(await run(zip, { from: 'auto', list: 'stream' }, 'application/octet-stream')).toMatchObject({ accepted: 3 });
    expect(await reasonOf('gone@stream.example.com')).toBe('opted_out');
  });

  test('what the query says of brand and topic narrows it', async () => {
    await run(UNSUBSCRIBED.replaceAll('@mc.', '@narrow.'), { from: 'mailchimp', brand: 'jmf', topic: 'tips' });
    expect(await reasonOf('gone@narrow.example.com', { topic: 'tips' })).toBe('opted_out');
    expect(await reasonOf('gone@narrow.example.com', { topic: 'news' })).toBe('not_objected');
  });

  test.each(['utf-16le', 'utf-16be'] as const)(
    '%s with its mark, separated by tabs or semicolons',
    async (encoding) => {
      for (const [name, delimiter] of [
        ['tab', '\t'],
        ['semicolon', ';'],
      ] as const) {
        const email = `${name}@${encoding}.example.com`;
        const text = [
          'EmailAddress,SuppressionReason,Origin,CreatedAt',
          `${email},SpamComplaint,Recipient,2019-12-10T08:58:33-05:00`,
        ]
          .map((line) => line.replaceAll(',', delimiter))
          .join('\r\n');
        const little = Buffer.from(`\ufeff${text}`, 'utf16le');
        await run(encoding === 'utf-16le' ? little : little.swap16(), { from: 'postmark' });
        expect(await reasonOf(email)).toBe('complained');
      }
    },
  );

  test('JSON as the interface gives it: a document, a page a line, pages one behind the other', async () => {
    const page = (email: string, Reason: string) => ({
      SuppressedDestinationSummaries: [{ EmailAddress: email, Reason, LastUpdateTime: '2020-03-31T18:40:00Z' }],
    });
    const pages = [page('a@ses.example.com', 'BOUNCE'), page('b@ses.example.com', 'COMPLAINT')];
    const bodies = [
      JSON.stringify(pages),
      pages.map((one) => JSON.stringify(one)).join('\n'),
      pages.map((one) => JSON.stringify(one, undefined, 2)).join('\n'),
    ];
    const types = ['application/json', 'application/x-ndjson', 'application/octet-stream'];
    for (const [index, body] of bodies.entries()) {
      const report = await run(body, { from: 'ses', list: `ses-${index}` }, types[index]);
      expect(report).toMatchObject({ accepted: 2, files: [{ from: 'ses', kind: 'suppression list' }] });
    }
    expect(await reasonOf('a@ses.example.com')).toBe('undeliverable');
    expect(await reasonOf('b@ses.example.com')).toBe('complained');
    const lines =
      '{"email":"c@ses.example.com","eventName":"emailComplaint","createdAt":"2017-07-29 18:30:11 +00:00"}\n';
    await run(lines.repeat(2), { from: 'auto' }, 'application/x-ndjson');
    expect(await reasonOf('c@ses.example.com')).toBe('complained');
  });

  test('a file of another product, a workbook, a damaged file: each says what to do', async () => {
    expect(await refusal('name,city\nx,y\n', { from: 'mailchimp' })).toMatch(
      /no export of Mailchimp.*Email Address \+ UNSUB_TIME.*the file has: name, city.*docs\/migrating\/mailchimp\.md/,
    );
    expect(await refusal('EmailAddress,SuppressionReason,Origin\na,b,c\n', { from: 'mailchimp' })).toMatch(
      /from=postmark/,
    );
    const workbook = zipSync({ '[Content_Types].xml': bytes('x'), 'xl/workbook.xml': bytes('x') });
    expect(await refusal(workbook, { from: 'hubspot' }, 'application/zip')).toMatch(/Excel workbook.*CSV UTF-8/);
    const zip = zipSync({ 'notes.csv': bytes('about,text\nx,y\n') });
    expect(await refusal(zip, { from: 'mailchimp' }, 'application/zip')).toMatch(/no export of Mailchimp/);
    expect(await refusal(zipSync({ 'a.pdf': bytes('x') }), { from: 'mailchimp' }, 'application/zip')).toMatch(/no CSV/);
    const cut = zipSync({ 'unsubscribed_1.csv': bytes(UNSUBSCRIBED), 'cleaned_1.csv': bytes(CLEANED) });
    for (const length of [cut.length - 30, 200])
      expect(await refusal(cut.slice(0, length), { from: 'mailchimp', dry_run: 'true' }, 'application/zip')).toMatch(
        /damaged/,
      );
    expect(await refusal('{"Suppressions": [', { from: 'postmark' }, 'application/json')).toMatch(/to its end/);
    expect(await refusal('{}', { from: 'postmark' }, 'application/json')).toMatch(/no list of entries/);
    expect(await refusal('[]', {}, 'application/json')).toMatch(/text\/csv or application\/x-ndjson/);
    expect(await refusal('email\na@example.com\n', { from: 'mailchump' })).toMatch(/mailchimp/);
    expect(await refusal('name\nx\n', { from: 'ses' })).not.toContain('send the whole list again');
    const names = await refusal('ana@private.example.com,Ana\nb@example.com,Bo\n', { from: 'mailchimp' });
    expect(names).not.toContain('ana@private');
  });

  test('wrong rows are told by number and column, and the others are recorded', async () => {
    const text =
      'email,status,uuid,updated_at\nok@rows.example.com,blocklisted,1,2024-05-04T03:02:01Z\nx@rows.example.com,odd word,2,\nnot an address,blocklisted,3,\ny@rows.example.com,blocklisted,4,yesterday\nz@rows.example.com,blocklisted,5,2099-01-01T00:00:00Z\n';
    const report = await run(text, { from: 'listmonk' });
    expect(report).toMatchObject({ accepted: 1, rejected: 4 });
    expect(report.errors.map(({ row, field }) => [row, field])).toEqual([
      [3, 'status'],
      [4, 'email'],
      [5, 'updated_at'],
      [6, 'at'],
    ]);
    expect(JSON.stringify(report.errors)).not.toContain('@rows');
  });

  test('a dry run reads all of it and records nothing', async () => {
    const report = await run(CLEANED.replace('@mc.', '@dry.'), { from: 'mailchimp', dry_run: 'true' });
    expect(report).toMatchObject({ accepted: 1 });
    expect(await reasonOf('bad@dry.example.com')).toBe('not_objected');
  });
});

describe('hush import', () => {
  const root = path.resolve(import.meta.dirname, '../../..');
  async function cli(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const env = {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      HUSH_SECRET: 'a secret for tests that is long enough',
    };
    const command = [program('cli/hush'), 'import', '--url', hush.url, ...args];
    return promisify(execFile)(process.execPath, command, { cwd: root, env }).then(
      ({ stdout, stderr }) => ({ code: 0, out: stdout, err: stderr }),
      (error: { code: number; stdout: string; stderr: string }) => ({
        code: error.code,
        out: error.stdout,
        err: error.stderr,
      }),
    );
  }

  test('sends files as they are, says what was read and left out, and ends with 1 when rows were wrong', async () => {
    const zip = path.join(hush.dir, 'audience_export.zip');
    await writeFile(
      zip,
      zipSync({ 'cleaned_1.csv': bytes(CLEANED.replace('@mc.', '@cli.')), 'subscribed_1.csv': bytes(SUBSCRIBED) }),
    );
    const done = await cli('--from', 'mailchimp', '--key', API_KEY, zip);
    expect(done).toMatchObject({ code: 0 });
    expect(done.out).toMatch(/1 recorded, 0 known already, 0 wrong/);
    expect(done.out).toMatch(/left out: 1 subscribed or non-subscribed/);
    expect(await reasonOf('bad@cli.example.com')).toBe('undeliverable');
    const blocks = path.join(hush.dir, 'suppression_blocks.csv');
    await writeFile(blocks, 'status,reason,email,created\n5.1.1,x,blocked@cli.example.com,1443651141\n');
    expect((await cli('--from', 'auto', '--key', API_KEY, '--json', blocks)).out).toMatch(
      /"leftOut":\[\{"status":"blocked"/,
    );
    expect(await reasonOf('blocked@cli.example.com')).toBe('not_objected');
    const wrong = path.join(hush.dir, 'wrong.csv');
    await writeFile(wrong, 'uuid,email,status\n1,no address,blocklisted\n');
    const bad = await cli('--from', 'listmonk', '--key', API_KEY, wrong);
    expect([bad.code, bad.out]).toEqual([1, expect.stringMatching(/1 wrong[\s\S]*row 2/)]);
  });

  test.each([
    [['x.csv'], /Say which product .*--from mailchimp\|sendgrid/],
    [['--from', 'mailchump', 'x.csv'], /no product mailchump/],
    [['--from', 'mailchimp', '--key', API_KEY, 'not-there.csv'], /no file not-there\.csv/],
    [['--from', 'mailchimp', '--key', API_KEY, 'package.json'], /JSON has no list|no export of Mailchimp/],
  ])('%j ends with one line that says what to do, and no stack', async (args, words) => {
    const { code, err } = await cli(...args);
    expect(code).toBe(1);
    expect(err).toMatch(words);
    expect(err).not.toMatch(/\n\s+at /);
  });
});
