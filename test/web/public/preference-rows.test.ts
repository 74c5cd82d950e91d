import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MARKETING_PURPOSES } from '../../../src/core/scope.js';
import { type Hush, startHush } from '../../support/hush.js';

const NOON = '2030-06-15T18:00:00Z';
let hush: Hush;
beforeAll(async () => {
  hush = await startHush();
});
afterAll(() => hush?.stop());

let count = 0;
async function someone(scope: object = {}) {
  const contact = { email: `rows${count++}@example.com` };
  const about = { brand: 'jmf', channel: 'email', purpose: 'promotion', ...scope };
  const { preferencesUrl } = await hush.ask<{ preferencesUrl: string }>('/v1/links', { contact, ...about });
  const page = new URL(preferencesUrl).pathname;
  const { point } = hush.hush.links.read(page.split('/').at(-1) ?? '', Date.now()) ?? {};
  if (!point) throw new Error('the link does not open');
  const fresh = `/p/${hush.hush.links.fresh(point, 'jmf', hush.hush.clock.now())}`;
  return { contact, page, fresh };
}
async function press(to: string, fields: Record<string, string>) {
  return (await fetch(hush.url + to, { method: 'POST', body: new URLSearchParams(fields) })).text();
}
const look = async (to: string) => (await fetch(hush.url + to)).text();
/** The switches of a page, and whether they are on. */
const switches = (html: string) =>
  new Map(
    [...html.matchAll(/role="switch" id="[^"]+" name="([^"]+)" value="1"( checked)?/g)].map(([, name = '', on]) => [
      name,
      on !== undefined,
    ]),
  );
const allows = async (contact: object, purpose: string, more: object) =>
  (await hush.decide(contact, purpose, { at: NOON, ...more })).allowed;

test('each brand, channel and purpose that the catalog sends has a switch, and says what the decision says', async () => {
  const { contact, page } = await someone();
  const { brands, purposes } = hush.hush.catalog;
  const sent = brands.flatMap((brand) =>
    MARKETING_PURPOSES.flatMap((purpose) => purposes[purpose].channels.map((channel) => ({ brand, channel, purpose }))),
  );
  expect(sent.length).toBeGreaterThan(10);
  const shown = switches(await look(page));
  for (const { brand, channel, purpose } of sent) {
    const name = `m.${brand.id === 'jmf' ? '' : `${brand.id}.`}${channel}.${purpose}`;
    const scope = { brand: brand.id, channel };
    expect([name, shown.get(name)]).toEqual([name, await allows(contact, purpose, scope)]);
    if (!shown.get(name)) continue;
    await press(page, { act: 'save', [`was.${name}`]: '1' });
    expect([name, await allows(contact, purpose, scope)]).toEqual([name, false]);
    expect(switches(await look(page)).get(name)).toBe(false);
  }
});

test('a link about something the catalog does not list has a switch for it, and its channel is open', async () => {
  const { page } = await someone({ channel: 'push', purpose: 'events' });
  const html = await look(page);
  expect(switches(html).has('m.push.events')).toBe(true);
  expect(html).toContain('<section class="card" aria-labelledby="by-push">');
  expect(html).not.toContain('<section class="card" aria-labelledby="by-email">');
});

test('“Stop offers” is turned on again by one switch; a topic that was refused by itself stays off', async () => {
  const { contact, page, fresh } = await someone();
  await press(page, { act: 'save', 'was.t.email.tips': '1' });
  await press(page.replace('/p/', '/u/'), { from: 'page' });
  const opened = await press(fresh, { act: 'open' });
  expect(switches(opened).get('m.email.promotion')).toBe(false);
  const session = /name="session" value="([^"]+)"/.exec(opened)?.[1] ?? '';
  const on = { act: 'save', session, 'was.m.email.promotion': '0', 'm.email.promotion': '1', 'was.t.email.tips': '0' };
  const shown = switches(await press(fresh, on));
  expect([shown.get('m.email.promotion'), shown.get('t.email.news'), shown.get('t.email.tips')]).toEqual([
    true,
    true,
    false,
  ]);
  expect(await allows(contact, 'promotion', {})).toBe(true);
  expect(await allows(contact, 'promotion', { topic: 'tips' })).toBe(false);
});
