import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { type Hush, startHush } from '../support/hush.js';
import { signIn } from '../web/staff/browser.js';
import { inBrowser, launch, layoutFaults, overflow, violations } from '../web/staff/chromium.js';
import { keyOf, makeCustomer } from '../web/staff/people.js';
import { enter } from './keyboard.js';
import { takePicture } from './picture.js';

/** A keyboard that counts what it is made to do. */
function keyboardOf(page: Page) {
  let strokes = 0;
  return {
    strokes: () => strokes,
    async type(text: string) {
      strokes += text.length;
      await page.keyboard.type(text);
    },
    async press(key: string, times = 1) {
      for (let at = 0; at < times; at++) {
        strokes++;
        await page.keyboard.press(key);
      }
    },
    /** An Enter that leads to another page. */
    async enter() {
      strokes++;
      const loaded = page.waitForEvent('load');
      await page.keyboard.press('Enter');
      await loaded;
    },
  };
}

inBrowser.describe('the staff console in a browser', () => {
  let hush: Hush;
  let browser: Browser;
  let person: Awaited<ReturnType<typeof makeCustomer>>;
  let other: typeof person;
  beforeAll(async () => {
    hush = await startHush();
    browser = await launch();
    person = await makeCustomer(hush, 'Ana');
    other = await makeCustomer(hush, 'Bea');
    await hush.settle();
  });
  afterAll(async () => {
    await browser?.close();
    await hush?.stop();
  });

  async function open(user: string, to: string, width = 1280): Promise<Page> {
    const context = await browser.newContext({ viewport: { width, height: 900 }, reducedMotion: 'reduce' });
    const page = await context.newPage();
    await enter(page, hush, user, to);
    return page;
  }

  describe('an opt-out by phone, by keyboard only', () => {
    test('somebody we know says no to all: the number, and 2 keystrokes beside the address', async () => {
      const page = await open('agent', '/staff/call');
      const keys = keyboardOf(page);
      const address = 'ana@example.com';
      await page.waitForFunction('document.activeElement.id === "find"');
      await keys.type(address);
      await keys.enter();
      expect(await page.textContent('aside h2')).toBe(address);
      await keys.enter();
      await page.waitForURL(/\/staff\/calls\/[0-9a-z]{16}$/);
      expect(await page.textContent('.readout')).toMatch(/^[0-9A-Z]{20}$/);
      expect(keys.strokes() - address.length).toBe(2);
      for (const contact of [person.email, person.phone, person.postal]) {
        expect(await hush.decide(contact, 'promotion', { channel: 'mail' })).toMatchObject({
          allowed: false,
          reason: 'opted_out',
        });
      }
      // The next caller can be typed at once.
      expect(await page.evaluate('document.activeElement.id')).toBe('find');
    });

    test('an address never seen, no calls from one brand, in words, unverified: 25 keystrokes beside what is typed', async () => {
      const page = await open('agent', '/staff/call');
      const keys = keyboardOf(page);
      const typed = ['(920) 555-0177', 'stop ringing me'];
      await keys.type(typed[0] ?? '');
      await keys.enter();
      expect(await page.textContent('aside')).toContain('never seen');
      await keys.press('ArrowDown', 2);
      await keys.press('Tab');
      await keys.press('ArrowDown');
      await keys.press('Tab');
      await keys.type(typed[1] ?? '');
      await keys.enter();
      await page.waitForURL(/\/staff\/calls\/[0-9a-z]{16}$/);
      expect(keys.strokes() - typed.join('').length).toBeLessThanOrEqual(25);
      const contact = { phone: '+19205550177' };
      expect(await hush.decide(contact, 'promotion', { channel: 'voice' })).toMatchObject({
        allowed: false,
        reason: 'opted_out',
      });
      expect(await hush.decide(contact, 'promotion', { channel: 'voice', brand: 'shipping' })).not.toMatchObject({
        reason: 'opted_out',
      });
      expect(await page.textContent('main')).toContain('“stop ringing me”');
    });
  });

  test('every page is free of axe violations and fits at 320 px and at 1,280 px', async () => {
    await seedCharts(hush);
    const key = await person.keyOf(person.email);
    const agent = await signIn(hush, 'agent');
    const lift = await askForLift(hush, agent, key);
    const [call] = await hush.hush.stores.staffCalls.list({}, 0, 1);
    const receipt = `r_${call?.events[0]}`;
    const officer = await signIn(hush, 'privacy_officer');
    const list = await officer.post('/staff/exports', {
      brand: 'jmf',
      channel: 'email',
      purpose: 'promotion',
      reason: 'a letter to those we wrote to by mistake',
    });
    const tour: [user: string, path: string, picture?: string][] = [
      ['agent', '/staff/call', 'call'],
      ['agent', `/staff/calls/${call?.id}`, 'recorded'],
      ['agent', '/staff/people'],
      ['agent', `/staff/contacts/${await keyOf(hush, person.phone)}`],
      ['supervisor', '/staff/calls', 'calls'],
      ['supervisor', `/staff/calls/${call?.id}`],
      ['supervisor', '/staff/approvals'],
      ['supervisor', lift, 'approval'],
      ['privacy_officer', '/staff', 'overview'],
      ['privacy_officer', `/staff/contacts/${await keyOf(hush, other.email)}`, 'person'],
      ['privacy_officer', `/staff/contacts/${key}`],
      ['privacy_officer', `/staff/contacts/${key}/lift`],
      ['privacy_officer', '/staff/exports'],
      ['privacy_officer', list.at],
      ['admin', '/staff/destinations', 'destinations'],
      ['auditor', '/staff/receipts'],
      ['auditor', `/staff/receipts/${receipt}`, 'receipt'],
      ['auditor', '/staff/audit', 'audit'],
      ['auditor', '/staff/calls?day=2020-01-01'],
      ['auditor', '/staff/nowhere'],
      ['admin', '/staff/audit'],
      ['admin', '/docs'],
    ];
    const faults: string[] = [];
    async function look(page: Page, what: string, picture?: string): Promise<void> {
      for (const width of [1280, 320]) {
        await page.setViewportSize({ width, height: 900 });
        for (const fault of [...(await violations(page)), ...(await layoutFaults(page))])
          faults.push(`${what} at ${width}: ${fault}`);
        const wide = await overflow(page);
        if (wide > 0) faults.push(`${what} at ${width}: ${wide} px too wide`);
        if (picture && width === 1280) await takePicture(page, `staff-${picture}`, { fullPage: true });
        if (picture === 'person' && width === 320) await takePicture(page, 'staff-person-320');
      }
    }
    for (const user of [...new Set(tour.map(([name]) => name))]) {
      const page = await open(user, '/staff');
      for (const [, to, picture] of tour.filter(([name]) => name === user)) {
        await page.goto(`${hush.url}${to}`);
        await look(page, `${user} ${to}`, picture);
      }
      if (user === 'agent') {
        await page.goto(`${hush.url}/staff/call`);
        await page.keyboard.type('bea@example.com');
        await page.keyboard.press('Enter');
        await page.waitForSelector('aside h2');
        await look(page, 'found caller', 'call-found');
      }
      await page.context().close();
    }
    const page = await (await browser.newContext({ viewport: { width: 320, height: 900 } })).newPage();
    await page.goto(`${hush.url}/staff`);
    faults.push(...(await violations(page)).map((fault) => `choosing a user: ${fault}`));
    expect(faults).toEqual([]);
  });

  test('the queue board opens for an admin, and shows work by name, to look at only', async () => {
    const page = await open('admin', '/staff');
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(`${hush.url}/staff/queues`);
    expect(await violations(page)).toEqual([]);
    expect(await page.textContent('main h1')).toBe('Queues');
    await page.click('text=Open the queue board');
    await page.waitForSelector('text=sync-file');
    expect(errors).toEqual([]);
  });
});

/** What two weeks bring: counters as the worker keeps them. */
async function seedCharts(hush: Hush): Promise<void> {
  const [days] = hush.hush.stores.statistics.models;
  const today = Math.floor(Date.now() / 86_400_000);
  await days.collection.insertMany(
    Array.from({ length: 13 }, (_, at) => {
      const date = new Date((today - 13 + at) * 86_400_000);
      const wave = 1 + Math.sin(at * 0.9) * 0.4 + (at === 8 ? 1.6 : 0);
      return {
        _id: date.toISOString().slice(0, 10) as never,
        at: date,
        denials: {
          one_click: Math.round(120 * wave),
          link: Math.round(46 * wave),
          phone: Math.round(14 * wave),
          webhook: Math.round(22 * wave),
          sms: at % 5,
        },
        told: { file: { b6: 80, b9: 60, b12: 24, b16: 5, b20: 1 } },
      };
    }),
  );
}

/** Asks for a lift and returns where it waits. */
async function askForLift(hush: Hush, agent: Awaited<ReturnType<typeof signIn>>, key: string): Promise<string> {
  await agent.get('/staff/call');
  await agent.post('/staff/call', { find: 'ana@example.com' });
  await agent.get(`/staff/contacts/${key}/lift`);
  const asked = await agent.post(`/staff/contacts/${key}/lift`, {
    scope: '*/*/marketing/*',
    caller: 'self',
    callerName: 'Ana Doe',
    verification: 'called_back',
    words: 'I want the newsletter again after all',
  });
  expect(asked.status).toBe(200);
  expect(hush.logged.join('')).not.toContain('Ana Doe');
  return asked.at;
}
