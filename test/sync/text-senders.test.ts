import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { twilioSignature } from '../../src/inbound/sms/twilio.js';
import { type Hush, startHush } from '../support/hush.js';
import { startTwilio } from '../support/stand-ins/twilio.js';
import { until } from '../support/until.js';
import { stateOf } from './reconciling.js';

const OFFERS = { brand: 'jmf', channel: 'sms', purpose: 'promotion' };
const AUTH_TOKEN = 'an-auth-token-of-this-test';
const OUR_NUMBER = '+19205550100';

describe('a STOP reaches the text sender', () => {
  let twilio: Awaited<ReturnType<typeof startTwilio>>;
  let hush: Hush;
  beforeAll(async () => {
    twilio = await startTwilio();
    hush = await startHush({
      env: { HUSH_SMS_AUTH_TOKEN: AUTH_TOKEN, HUSH_SMS_NUMBERS: `${OUR_NUMBER}=jmf` },
      destinations: [
        {
          name: 'texts',
          adapter: 'twilio',
          role: 'processor',
          settings: { keySid: twilio.keySid, keySecret: twilio.keySecret, baseUrl: twilio.url, callsPerSecond: 1000 },
          bindings: [{ name: 'texts', ...OFFERS, target: { sender: twilio.sender } }],
        },
      ],
    });
  });
  afterAll(async () => {
    await hush?.stop();
    await twilio?.close();
  });
  afterEach(() => twilio.consents.clear());

  const stopped = (phone: string) =>
    until(async () => {
      await hush.settle();
      return twilio.stopped().includes(phone);
    });
  async function say(...events: object[]): Promise<void> {
    const { rejected } = await hush.ask<{ rejected: unknown[] }>('/v1/events', { events });
    expect(rejected).toEqual([]);
  }
  /** Offers by text need a consent: with one a number is free until somebody says STOP. */
  async function consented(phone: string): Promise<void> {
    const at = new Date(Date.now() - 3_600_000).toISOString();
    await say({ contact: { phone }, type: 'consent_granted', scope: OFFERS, at, source: { kind: 'form' } });
    await until(async () => {
      await hush.settle();
      // At night the decision says no, and the sender is not told of the hour.
      const { reason } = await hush.decide({ phone }, 'promotion', { channel: 'sms' });
      return ['consented', 'quiet_hours'].includes(reason) && (await stateOf(hush, 'texts')).pending === 0;
    });
    expect(twilio.stopped()).not.toContain(phone);
  }

  test('that was pressed on a page', async () => {
    const phone = '+14155550101';
    await consented(phone);
    const { oneClickUrl } = await hush.ask<{ oneClickUrl: string }>('/v1/links', {
      contact: { phone },
      ...OFFERS,
    });
    expect((await fetch(hush.url + new URL(oneClickUrl).pathname, { method: 'POST' })).status).toBe(200);
    await stopped(phone);
  });

  test.each([
    ['phone', '+14155550201'],
    ['staff', '+14155550202'],
    ['form', '+14155550203'],
  ])('that came by %s, with the time it was said', async (kind, phone) => {
    await consented(phone);
    const at = new Date(Date.now() - 60_000).toISOString().replace(/\.\d+Z$/, 'Z');
    await say({ contact: { phone }, type: 'opted_out', scope: OFFERS, at, source: { kind } });
    await stopped(phone);
    expect(twilio.consents.get(`${twilio.sender} ${phone}`)?.at).toBe(at);
  });

  test('that was texted, and a later consent takes it off there', async () => {
    const From = '+14155550301';
    await consented(From);
    const fields = new URLSearchParams({ MessageSid: 'SM1', From, To: OUR_NUMBER, Body: 'STOP' });
    const signature = twilioSignature(AUTH_TOKEN, `${hush.hush.publicUrl()}/hooks/sms`, fields);
    const headers = { 'x-twilio-signature': signature };
    expect((await fetch(`${hush.url}/hooks/sms`, { method: 'POST', headers, body: fields })).status).toBe(200);
    await stopped(From);
    await say({
      contact: { phone: From },
      type: 'consent_granted',
      scope: OFFERS,
      lifts: 'any',
      source: { kind: 'form' },
    });
    await until(async () => {
      await hush.settle();
      return twilio.consents.get(`${twilio.sender} ${From}`)?.status === 'opt-in';
    });
  });

  test('that a person said for all their contacts, by an email of theirs', async () => {
    const [phone, email] = ['+14155550401', 'texts@example.com'];
    await consented(phone);
    await hush.ask('/v1/contacts/link', { contacts: [{ email }, { phone }] });
    const scope = { brand: '*', channel: '*', purpose: '*' };
    await say({ contact: { email }, type: 'opted_out', scope, reach: 'person', source: { kind: 'mailto' } });
    await stopped(phone);
    expect([...twilio.consents.values()].every(({ number }) => number.startsWith('+'))).toBe(true);
  });
});
