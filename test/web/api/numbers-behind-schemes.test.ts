import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { API_KEY, type Hush, startHush } from '../../support/hush.js';

const OFFERS = 'brand=jmf&channel=voice&purpose=promotion';
let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ destinations: [] });
});
afterAll(() => hush?.stop());

const sendCsv = async (path: string, body: string) =>
  (
    await fetch(hush.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'text/csv' },
      body,
    })
  ).text();
const voice = (contact: object) => hush.decide(contact, 'promotion', { channel: 'voice' });

test('an import of numbers behind schemes denies the numbers', async () => {
  const cells = ['whatsapp:+12015550101', 'SIP:+12015550102@example.com', "'+12015550103", 'mobile:(201) 555-0104'];
  expect(await sendCsv('/v1/imports', `contact\n${cells.join('\n')}\n`)).toContain('"accepted":4');
  for (const phone of ['+12015550101', '+12015550102', '+12015550103', '+12015550104'])
    expect(await voice({ phone })).toMatchObject({ allowed: false, reason: 'opted_out' });
});

test('a scrub finds the number, and so does every request that gives it as an identifier', async () => {
  const contact = { phone: '+12015550105' };
  await hush.ask('/v1/events', { events: [{ contact, type: 'opted_out', source: { kind: 'api' } }] });
  const cells = ['whatsapp:+12015550105', 'callto:+12015550105', 'phone:+12015550105', "'+12015550105"];
  expect(await sendCsv(`/v1/scrub?${OFFERS}&column=n`, `n\n${cells.join('\n')}\n`)).toBe('n\n');
  for (const id of cells.slice(0, 3)) {
    expect(await voice({ id })).toMatchObject({ allowed: false, reason: 'opted_out' });
    expect(await voice({ phone: id })).toMatchObject({ allowed: false, reason: 'opted_out' });
  }
  const { decisions } = await hush.ask<{ decisions: { reason: string }[] }>('/v1/decisions/batch', {
    contacts: [{ id: 'sip:+12015550105' }],
    brand: 'jmf',
    channel: 'voice',
    purpose: 'promotion',
  });
  expect(decisions[0]?.reason).toBe('opted_out');
});

test('an opt-out of an identifier that is a number denies the number', async () => {
  await hush.ask('/v1/events', {
    events: [{ contact: { id: 'whatsapp:+12015550106' }, type: 'opted_out', source: { kind: 'api' } }],
  });
  expect(await voice({ phone: '+12015550106' })).toMatchObject({ allowed: false, reason: 'opted_out' });
});
