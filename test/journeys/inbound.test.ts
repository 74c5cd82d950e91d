import { spawn } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTransport } from 'nodemailer';
import { twilioSignature } from '../../src/inbound/sms/twilio.js';
import { bounce, original } from '../inbound/letters.js';
import { API_KEY, databaseUri, type Hush, startHush } from '../support/hush.js';
import { program } from '../support/process.js';
import { signIn } from '../web/staff/browser.js';

const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
const AUTH_TOKEN = 'a twilio auth token of this test';
const OUR_NUMBER = '+19205550100';

let hush: Hush;
beforeAll(async () => {
  hush = await startHush({
    env: {
      INBOUND_SMTP_PORT: '0',
      HUSH_SMS_AUTH_TOKEN: AUTH_TOKEN,
      HUSH_SMS_NUMBERS: `${OUR_NUMBER}=jmf`,
    },
  });
});
afterAll(() => hush?.stop());

async function headersFor(email: string) {
  const { headers } = await hush.ask<{ headers: Record<string, string> }>('/v1/links', {
    contact: { email },
    ...OFFERS,
  });
  const unsubscribe = headers['List-Unsubscribe'] ?? '';
  return { unsubscribe, mailto: /<mailto:([^>?]+)/.exec(unsubscribe)?.[1] ?? '' };
}

/** What would come back of a mail of ours with these headers. */
const returned = (email: string, unsubscribe: string) => `${original(email)}\nList-Unsubscribe: ${unsubscribe}`;

test('a mail program’s mailto: unsubscribe arrives by SMTP and counts at once', async () => {
  const email = 'by-mail@example.com';
  const { mailto } = await headersFor(email);
  const transport = createTransport({ host: '127.0.0.1', port: hush.hush.inbound.port() ?? 0, ignoreTLS: true });
  await transport.sendMail({ from: email, to: mailto.toUpperCase().replace('UNSUBSCRIBE', 'unsubscribe'), text: '' });
  transport.close();
  expect(await hush.decide({ email })).toMatchObject({ allowed: false, reason: 'opted_out' });
});

test('a bounce with proof counts by POST /hooks/mail; one without waits for a person, who records it at the console', async () => {
  const proven = 'proven@example.com';
  const { unsubscribe } = await headersFor(proven);
  const post = async (raw: Buffer, query = '') => {
    const response = await fetch(`${hush.url}/hooks/mail${query}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'message/rfc822' },
      body: new Uint8Array(raw),
    });
    expect(response.status).toBe(200);
    return (await response.json()) as { recognised: { outcome: string; review?: string }[] };
  };
  const raw = bounce({ recipient: proven, to: 'bounces@jmf.example', returned: returned(proven, unsubscribe) });
  expect(await post(raw, '?dryRun=1')).toMatchObject({ recognised: [{ outcome: 'would_record' }] });
  expect(await hush.decide({ email: proven })).toMatchObject({ allowed: true });
  expect(await post(raw)).toMatchObject({ recognised: [{ outcome: 'recorded' }] });
  expect(await hush.decide({ email: proven })).toMatchObject({ allowed: false, reason: 'undeliverable' });

  const claimed = 'claimed@example.com';
  const { recognised } = await post(bounce({ recipient: claimed, to: 'bounces@jmf.example' }));
  expect(recognised).toMatchObject([{ outcome: 'review' }]);
  expect(await hush.decide({ email: claimed })).toMatchObject({ allowed: true });
  const id = recognised[0]?.review ?? '';
  const agent = await signIn(hush, 'agent');
  expect((await agent.get('/staff/review')).status).toBe(403);
  const supervisor = await signIn(hush, 'supervisor');
  const list = await supervisor.get('/staff/review');
  expect(list.text).toContain('c•••@example.com');
  expect(list.text).not.toContain(claimed);
  expect((await supervisor.get(`/staff/review/${id}`)).text).toContain('no proof that we sent the mail');
  const done = await supervisor.post(`/staff/review/${id}/decide`, { decision: 'address' });
  expect(done.text).toContain('Recorded.');
  expect(await hush.decide({ email: claimed })).toMatchObject({ allowed: false, reason: 'undeliverable' });
  expect((await supervisor.get('/staff/review')).text).toContain('Nothing is waiting');
  const officer = await signIn(hush, 'privacy_officer');
  expect((await officer.get('/staff/audit')).text).toContain('recorded what returned mail reported');
});

test('STOP by text silences every text and marketing calls, with one confirmation; a forged one does nothing', async () => {
  const phone = '+19205550142';
  const form = (body: string, sid: string) =>
    new URLSearchParams({ MessageSid: sid, From: phone, To: OUR_NUMBER, Body: body });
  const post = (fields: URLSearchParams, token: string) =>
    fetch(`${hush.url}/hooks/sms`, {
      method: 'POST',
      headers: { 'x-twilio-signature': twilioSignature(token, `${hush.hush.publicUrl()}/hooks/sms`, fields) },
      body: fields,
    });
  expect((await post(form('STOP', 'SM1'), 'another token')).status).toBe(401);
  expect((await hush.decide({ phone }, 'service', { channel: 'sms' })).reason).toBe('service');
  const answer = await post(form('Stop please!!', 'SM2'), AUTH_TOKEN);
  expect(answer.status).toBe(200);
  expect(await answer.text()).toMatch(/<Message>JM Facets.*877-266-5042/);
  expect(await hush.decide({ phone }, 'service', { channel: 'sms' })).toMatchObject({ allowed: false });
  expect(await hush.decide({ phone }, 'promotion', { channel: 'voice' })).toMatchObject({ reason: 'opted_out' });
  expect(await (await post(form('STOP', 'SM3'), AUTH_TOKEN)).text()).not.toContain('<Message>');
});

test('hush inbound takes a message from standard input, and a dry run records nothing', async () => {
  const email = 'by-pipe@example.com';
  const { unsubscribe } = await headersFor(email);
  const raw = bounce({ recipient: email, to: 'bounces@jmf.example', returned: returned(email, unsubscribe) });
  const run = (...args: string[]) =>
    new Promise<{ code: number | null; out: string }>((resolve) => {
      const root = path.resolve(import.meta.dirname, '../..');
      const child = spawn(process.execPath, [program('cli/hush'), 'inbound', ...args], {
        cwd: root,
        env: {
          PATH: process.env.PATH,
          HOME: process.env.HOME,
          MONGODB_URI: databaseUri(hush.namespace),
          REDIS_URL: process.env.REDIS_URL,
          HUSH_SECRET: 'a secret for tests that is long enough',
          HUSH_NAMESPACE: hush.namespace,
          HUSH_CONFIG_DIR: path.join(hush.dir, 'config'),
          HUSH_DATA_DIR: hush.dir,
        },
      });
      let out = '';
      child.stdout.on('data', (chunk: Buffer) => {
        out += chunk.toString();
      });
      child.stderr.on('data', (chunk: Buffer) => {
        out += chunk.toString();
      });
      child.once('exit', (code) => resolve({ code, out }));
      child.stdin.end(raw);
    });
  const dry = await run('--dry-run');
  expect(dry).toMatchObject({ code: 0 });
  expect(dry.out).toContain('would_record');
  expect(await hush.decide({ email })).toMatchObject({ allowed: true });
  const real = await run();
  expect(real).toMatchObject({ code: 0 });
  expect(real.out).toContain('"recorded"');
  expect(await hush.decide({ email })).toMatchObject({ allowed: false, reason: 'undeliverable' });
});
