import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { API_KEY, type Hush, startHush } from '../support/hush.js';

const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ destinations: [] });
});
afterAll(() => hush?.stop());

const optOut = (contact: object, scope: object = OFFERS) =>
  hush.ask('/v1/events', { events: [{ contact, type: 'opted_out', scope, source: { kind: 'api' } }] });

async function scrubbed(address: string): Promise<string> {
  const response = await fetch(
    `${hush.url}/v1/scrub?${new URLSearchParams({ ...OFFERS, column: 'contact', output: 'annotated' })}`,
    {
      method: 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'text/csv' },
      body: `contact\n"${address.replaceAll('"', '""')}"\n`,
    },
  );
  return (await response.text()).split('\n')[1]?.split(',').at(-2) ?? '';
}

describe('an address that no RFC allows and mail reaches', () => {
  test.each([
    ['jane..doe@docomo.ne.jp', '"jane..doe"@docomo.ne.jp'],
    ['jane.@docomo.ne.jp', 'Jane.@DOCOMO.ne.jp'],
    ['.jane@ezweb.ne.jp', '".jane"@ezweb.ne.jp'],
    ['jane@sub_domain.example.com', 'Jane@Sub_Domain.example.com.'],
    [`${'verp-'.repeat(20)}x@example.com`, `${'VERP-'.repeat(20)}x@example.com`],
  ])('%s is stored, matched in each spelling and left by its link', async (email, other) => {
    const { oneClickUrl } = await hush.ask<{ oneClickUrl: string }>('/v1/links', {
      contact: { email },
      ...OFFERS,
      topic: 'news',
    });
    const clicked = await fetch(oneClickUrl, {
      method: 'POST',
      body: new URLSearchParams({ 'List-Unsubscribe': 'One-Click' }),
    });
    expect(clicked.status).toBe(200);
    expect(await hush.decide({ email: other }, 'promotion', { topic: 'news' })).toMatchObject({ reason: 'opted_out' });
    expect(await hush.decide({ email })).toMatchObject({ allowed: true });
    await optOut({ email: other });
    expect(await hush.decide({ email })).toMatchObject({ reason: 'opted_out' });
    expect([await scrubbed(email), await scrubbed(other)]).toEqual(['opted_out', 'opted_out']);
  });

  test('is stopped by the public form, and its neighbour without the dot is another person', async () => {
    const email = 'form..person@docomo.ne.jp';
    const answer = await fetch(`${hush.url}/preferences`, {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({ address: email, act: 'stop' }),
    });
    expect(answer.ok || answer.status === 303).toBe(true);
    expect(await hush.decide({ email })).toMatchObject({ reason: 'opted_out' });
    expect(await hush.decide({ email: 'form.person@docomo.ne.jp' })).toMatchObject({ allowed: true });
  });
});
