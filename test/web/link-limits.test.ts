import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Hush, startHush } from '../support/hush.js';

/** Acts a minute and link that do not deny. */
const ADMITTED = 30;
let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ destinations: [] });
});
afterAll(() => hush?.stop());

const SCOPE = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
async function pageOf(contact: object): Promise<{ page: string; oneClick: string }> {
  const links = await hush.ask<{ preferencesUrl: string; oneClickUrl: string }>('/v1/links', { contact, ...SCOPE });
  return {
    page: hush.url + new URL(links.preferencesUrl).pathname,
    oneClick: hush.url + new URL(links.oneClickUrl).pathname,
  };
}
async function press(url: string, fields: Record<string, string>): Promise<{ status: number; html: string }> {
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(fields) });
  return { status: response.status, html: await response.text() };
}

test('one link used over and over may do no more of what opens, and everything that denies', async () => {
  const contact = { email: 'pressed@example.com' };
  const other = { email: 'pressed-too@example.com' };
  await hush.ask('/v1/contacts/link', { contacts: [contact, other] });
  const { page, oneClick } = await pageOf(contact);
  const { html } = await press(page, { act: 'stop-all' });
  const undo = /name="undo" value="([^"]+)"/.exec(html)?.[1] ?? '';
  expect((await press(page, { act: 'undo', undo })).status).toBe(200);
  const statuses: number[] = [];
  for (let n = 0; n < ADMITTED; n++) statuses.push((await press(page, { act: 'undo', undo })).status);
  expect(statuses.filter((status) => status === 429)).toHaveLength(1);
  const refused = await press(page, { act: 'undo', undo });
  expect(refused.html).toContain('What you switched off is off');

  // Stop all, a pause, a single row and one-click: each counts, and says so.
  expect((await press(page, { act: 'stop-all' })).status).toBe(200);
  for (const each of [contact, other]) expect(await hush.decide(each)).toMatchObject({ reason: 'opted_out' });
  const paused = await press(page, { act: 'save', pause: '30' });
  expect(paused.html).toContain('Everything is paused until');
  expect((await press(oneClick, { 'List-Unsubscribe': 'One-Click' })).status).toBe(200);

  // Another link of the same person is not used up.
  const { page: next } = await pageOf(other);
  expect((await press(next, { act: 'undo', undo })).status).toBe(200);
});
