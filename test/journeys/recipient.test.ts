import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { simpleParser } from 'mailparser';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { type Hush, startHush } from '../support/hush.js';
import { until } from '../support/until.js';
import { inBrowser, launch, overflow, violations } from '../web/staff/chromium.js';
import { takePicture } from './picture.js';

const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
/** Bytes over the wire that a recipient page may take, its styles included. */
const LIGHT = 25_000;

inBrowser.describe('recipients in a browser', () => {
  let hush: Hush;
  let browser: Browser;
  beforeAll(async () => {
    hush = await startHush();
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    await hush?.stop();
  });

  /** A page without JavaScript, and whatever it loaded. */
  async function visit(to: string, options: BrowserContextOptions = {}) {
    const context = await browser.newContext({
      javaScriptEnabled: true,
      viewport: { width: 1280, height: 900 },
      reducedMotion: 'reduce',
      ...options,
    });
    const page = await context.newPage();
    const loaded: { url: string; bytes: number }[] = [];
    page.on('requestfinished', async (request) => {
      const sizes = await request.sizes().catch(() => undefined);
      loaded.push({
        url: request.url(),
        bytes: (sizes?.responseBodySize ?? 0) + (sizes?.responseHeadersSize ?? 0),
      });
    });
    await page.goto(to.startsWith('http') ? to : `${hush.url}${to}`);
    return { page, loaded, context };
  }

  async function linksOf(email: string, scope: object = {}) {
    const links = await hush.ask<{ oneClickUrl: string; preferencesUrl: string }>('/v1/links', {
      contact: { email },
      ...OFFERS,
      ...scope,
    });
    const local = (url: string) => new URL(url).pathname;
    return { oneClick: local(links.oneClickUrl), preferences: local(links.preferencesUrl) };
  }

  /** Tab until what is focused has this text or name, as somebody without a mouse does. */
  async function tabTo(page: Page, what: { text?: string; id?: string; value?: string }): Promise<void> {
    for (let at = 0; at < 80; at++) {
      await page.keyboard.press('Tab');
      const found = await page.evaluate((wanted) => {
        const element = (globalThis as unknown as { document: { activeElement: Record<string, string> } }).document
          .activeElement;
        return (
          (wanted.id === undefined || element.id === wanted.id) &&
          (wanted.value === undefined || element.value === wanted.value) &&
          (wanted.text === undefined || (element.textContent ?? '').trim() === wanted.text)
        );
      }, what);
      if (found) return;
    }
    throw new Error(`Tab never reached ${JSON.stringify(what)}`);
  }
  async function enter(page: Page): Promise<void> {
    const loaded = page.waitForEvent('load');
    await page.keyboard.press('Enter');
    await loaded;
  }

  /** What every page must be: accessible, narrow enough, light, and nobody else's business. */
  async function decent(to: string, language = 'en'): Promise<void> {
    const { loaded, context, page } = await visit(to, { viewport: { width: 320, height: 700 }, colorScheme: 'light' });
    await page.waitForLoadState('networkidle');
    expect(loaded.map(({ url }) => new URL(url).host)).toEqual(loaded.map(() => new URL(hush.url).host));
    expect([to, loaded.reduce((sum, { bytes }) => sum + bytes, 0) < LIGHT]).toEqual([to, true]);
    expect(await context.cookies()).toEqual([]);
    expect(await page.getAttribute('html', 'lang')).toBe(language);
    expect([to, await overflow(page)]).toEqual([to, 0]);
    expect([to, await violations(page)]).toEqual([to, []]);
    // Colours are those of the brand in every language, so the dark ones are looked at once.
    if (language === 'en') {
      await page.emulateMedia({ colorScheme: 'dark' });
      expect([to, await violations(page, ['color-contrast'])]).toEqual([to, []]);
    }
    await context.close();
  }

  const lastMail = async (to: string) => {
    const found = await until(async () => (await hush.hush.stores.mailbox.list()).find((line) => line.to === to)?.id);
    const message = await hush.hush.stores.mailbox.get(found);
    return simpleParser(message?.raw ?? Buffer.alloc(0));
  };
  const linkIn = (text: string | undefined, kind: string): string => {
    const found = new RegExp(`https?://\\S+(/${kind}/[^\\s?]+(?:\\?\\S*)?)`).exec(text ?? '')?.[1];
    if (!found) throw new Error(`no link to /${kind} in the mail`);
    return found;
  };

  test('the footer link: one button, a receipt, undo, and stop everything, without JavaScript and by keyboard', async () => {
    const email = 'footer@example.com';
    const { oneClick } = await linksOf(email);
    await decent(oneClick);
    await decent(`${oneClick}?lang=es`, 'es');
    const { page } = await visit(oneClick, { javaScriptEnabled: false });
    expect(await page.textContent('main')).toContain('f•••@example.com');
    expect(await page.textContent('body')).not.toContain(email);
    expect(await hush.decide({ email })).toMatchObject({ allowed: true });
    await page.getByRole('button', { name: 'Stop offers' }).press('Enter');
    await page.waitForSelector('.say');
    expect(await page.textContent('main')).toContain('You will get no more offers from JM Facets by email.');
    const receipt = (await page.textContent('.num'))?.trim() ?? '';
    // Read out by phone in groups of four.
    expect(receipt).toMatch(/^([0-9A-Z]{4}-){4}[0-9A-Z]{4}$/);
    expect(await hush.decide({ email })).toMatchObject({
      allowed: false,
      reason: 'opted_out',
      receipt: `r_${receipt}`,
    });
    expect(await hush.decide({ email }, 'events')).toMatchObject({ allowed: true });
    await page.getByRole('button', { name: 'Undo' }).press('Enter');
    await page.waitForSelector('text=Everything is as it was before');
    expect(await hush.decide({ email })).toMatchObject({ allowed: true });
    await page.goto(hush.url + oneClick);
    await page.getByRole('button', { name: 'Stop offers' }).press('Enter');
    await page.waitForSelector('.say');
    await takePicture(page, 'stopped');
    await page.getByRole('button', { name: 'Stop all marketing' }).press('Enter');
    await page.waitForSelector('text=All marketing is stopped');
    expect(await hush.decide({ email }, 'events', { brand: 'shipping' })).toMatchObject({ allowed: false });
    expect(await hush.decide({ email }, 'service')).toMatchObject({ allowed: true, reason: 'service' });
  });

  test('the preference page by keyboard: topics, cadence, advertising, a pause; saved with receipts and undone', async () => {
    const email = 'chooser@example.com';
    const { preferences } = await linksOf(email);
    await decent(preferences);
    await decent(`${preferences}?lang=es`, 'es');
    const { page } = await visit(preferences);
    await takePicture(page, 'preferences', { fullPage: true });
    await tabTo(page, { id: 't-email-tips' });
    await page.keyboard.press('Space');
    // What belongs to a switch comes after it.
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.id')).toBe('c-email-tips');
    await tabTo(page, { id: 'p-lookalike_seed' });
    await page.keyboard.press('Space');
    await page.selectOption('#c-email-news', 'monthly');
    await tabTo(page, { text: 'Save my choices' });
    await enter(page);
    expect(await page.textContent('.say')).toContain('Saved.');
    const saved = await page.locator('.say .num').allTextContents();
    expect(saved).toHaveLength(3);
    expect(await hush.decide({ email }, 'promotion', { topic: 'tips' })).toMatchObject({ allowed: false });
    expect(await hush.decide({ email }, 'promotion', { topic: 'news' })).toMatchObject({
      allowed: true,
      cadence: 'monthly',
    });
    expect(await hush.decide({ email }, 'lookalike_seed', { channel: 'ads' })).toMatchObject({ allowed: false });
    expect(await hush.decide({ email }, 'retargeting', { channel: 'ads' })).toMatchObject({ allowed: true });
    expect(await violations(page)).toEqual([]);

    // The other brands are folded; what is said there counts for them alone.
    await page.getByText('Other companies of the group').press('Enter');
    await page.locator('#t-shipping-email-news').press('Space');
    expect(await violations(page)).toEqual([]);
    await page.getByRole('button', { name: 'Save my choices' }).press('Enter');
    await page.waitForSelector('.say');
    const shipping = { brand: 'shipping', topic: 'news' };
    expect(await hush.decide({ email }, 'promotion', shipping)).toMatchObject({ allowed: false, reason: 'opted_out' });
    expect(await hush.decide({ email }, 'promotion', { topic: 'news' })).toMatchObject({ allowed: true });

    await page.selectOption('#pz', '30');
    await tabTo(page, { text: 'Save my choices' });
    await enter(page);
    expect(await page.textContent('main')).toContain('Everything is paused until');
    expect(await hush.decide({ email }, 'promotion', { topic: 'news' })).toMatchObject({
      allowed: false,
      reason: 'paused',
    });
    // An undo takes back the pause alone, and says what still stands.
    await page.getByRole('button', { name: 'Undo what I just changed' }).press('Enter');
    await page.waitForSelector('text=This still stands, because you asked for it another time');
    expect(await page.textContent('.say')).toContain('No “Tips for jewelers” by email');
    expect(await hush.decide({ email }, 'promotion', { topic: 'tips' })).toMatchObject({ reason: 'opted_out' });
    expect(await hush.decide({ email }, 'promotion', { topic: 'news' })).toMatchObject({ allowed: true });
  });

  test('a mailed link cannot lift what was denied elsewhere, and says so; a fresh link can, once', async () => {
    const email = 'again@example.com';
    await hush.ask('/v1/events', {
      events: [
        {
          contact: { email },
          type: 'opted_out',
          scope: { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: 'news' },
          source: { kind: 'phone' },
        },
      ],
    });
    const { preferences } = await linksOf(email);
    const { page } = await visit(preferences);
    await page.check('#t-email-news');
    await page.getByRole('button', { name: 'Save my choices' }).press('Enter');
    await page.waitForSelector('text=Not switched on');
    expect(await hush.decide({ email }, 'promotion', { topic: 'news' })).toMatchObject({ allowed: false });
    await page.getByRole('button', { name: 'Send me that link' }).press('Enter');
    await page.waitForSelector('text=a link is on its way');
    const fresh = linkIn((await lastMail(email)).text, 'p');
    // Opening it is not using it: a scanner that follows it leaves it whole.
    await (await fetch(hush.url + fresh)).text();
    await decent(fresh);
    const own = await visit(fresh);
    await own.page.getByRole('button', { name: 'Open my choices' }).press('Enter');
    await own.page.waitForSelector('h2');
    expect(await own.page.textContent('main')).toContain(email);
    await own.page.check('#t-email-news');
    await own.page.getByRole('button', { name: 'Save my choices' }).press('Enter');
    await own.page.waitForSelector('.say');
    expect(await hush.decide({ email }, 'promotion', { topic: 'news' })).toMatchObject({ allowed: true });
    const download = own.page.waitForEvent('download');
    await own.page.getByRole('button', { name: 'Download what you hold about me' }).press('Enter');
    const file = await (await download).createReadStream();
    let text = '';
    for await (const chunk of file) text += String(chunk);
    expect(JSON.parse(text)).toMatchObject({ contact: { type: 'email', address: email } });
    const second = await visit(fresh);
    expect(await second.page.textContent('main')).toContain('This link was used already');
    expect(await second.page.content()).not.toContain(email);
  });

  test('lost my link: the same answer whether or not the address is known; stop counts at once, with undo by mail', async () => {
    await decent('/preferences');
    await decent('/preferences?lang=es', 'es');
    const known = 'known@example.com';
    await linksOf(known);
    await hush.ask('/v1/events', {
      events: [{ contact: { email: known }, type: 'profile', relationship: 'customer', source: { kind: 'import' } }],
    });
    const answers: string[] = [];
    for (const email of [known, 'nobody-knows-me@example.com']) {
      const { page } = await visit('/preferences', { javaScriptEnabled: false });
      await page.fill('#address', email);
      await page.getByRole('button', { name: 'Send me my link' }).press('Enter');
      await page.waitForSelector('.say');
      answers.push((await page.content()).replaceAll(email, '').replaceAll(/did=[\w-]+/g, ''));
    }
    expect(answers[0]).toBe(answers[1]);
    const { page } = await visit('/preferences?lang=es');
    await page.fill('#address', known);
    await page.locator('button[value="stop"]').press('Enter');
    await page.waitForSelector('.say');
    expect(await hush.decide({ email: known }, 'events')).toMatchObject({ allowed: false, reason: 'opted_out' });
    const notice = await lastMail(known);
    const undo = linkIn(notice.text, 'p');
    await decent(`${undo.split('?')[0]}?lang=en`);
    const back = await visit(undo);
    const undone = back.page.waitForEvent('load');
    await back.page.locator('main button').press('Enter');
    await undone;
    expect(await hush.decide({ email: known }, 'events')).toMatchObject({ allowed: true });
    const wrong = await visit('/preferences', { javaScriptEnabled: false });
    await wrong.page.fill('#address', 'no address at all');
    await wrong.page.getByRole('button', { name: 'Send me my link' }).press('Enter');
    expect(await wrong.page.textContent('.errors')).toContain('There is a problem');
    expect(await violations((await visit('/preferences')).page)).toEqual([]);
  });

  test('signing up with double opt-in: never confirming is nothing, confirming once is a consent', async () => {
    const email = 'signup@example.com';
    const start = () =>
      hush.ask('/v1/consents', {
        contact: { email },
        ...OFFERS,
        notice: { id: 'newsletter', version: '1', language: 'en' },
        mode: 'double_opt_in',
        evidence: { formUrl: 'https://www.jmf.example/newsletter' },
      });
    await start();
    const question = () => hush.decide({ email }, 'promotion');
    expect(await question()).toMatchObject({ reason: 'not_objected' });
    const to = linkIn((await lastMail(email)).text, 'confirm');
    await decent(`${to.split('?')[0]}`);
    await decent(`${to.split('?')[0]}?lang=es`, 'es');
    expect(await question()).toMatchObject({ reason: 'not_objected' });
    const { page } = await visit(to);
    await page.locator('main button').press('Enter');
    await page.waitForSelector('.num');
    expect(await question()).toMatchObject({ allowed: true, reason: 'consented' });
  });

  test('Global Privacy Control is honoured when the page is opened, said, and only denies', async () => {
    const email = 'gpc@example.com';
    const { preferences } = await linksOf(email);
    const { page } = await visit(preferences, { extraHTTPHeaders: { 'sec-gpc': '1' } });
    expect(await page.textContent('main')).toContain('Opt-out signal honoured');
    expect(await hush.decide({ email }, 'retargeting', { channel: 'ads' })).toMatchObject({
      allowed: false,
      reason: 'gpc',
    });
    expect(await hush.decide({ email })).toMatchObject({ allowed: true });
    const { gpc } = (await (await fetch(`${hush.url}/.well-known/gpc.json`)).json()) as { gpc: boolean };
    expect(gpc).toBe(true);
  });

  test('a forged link is a 404 with other ways to say no, in both languages', async () => {
    const { oneClick } = await linksOf('forged@example.com');
    const forged = `${oneClick.slice(0, -3)}AAA`;
    await decent(forged);
    await decent(`${forged}?lang=es`, 'es');
    const { page } = await visit(forged);
    expect(await page.textContent('main')).toContain('877-266-5042');
    expect(await page.content()).not.toContain('forged@');
  });

  /** Pages of one person in every state, each by its path without a language. */
  async function everyPage(email: string): Promise<string[]> {
    const { oneClick, preferences } = await linksOf(email);
    const stopped = await linksOf(`stopped-${email}`);
    await fetch(hush.url + stopped.oneClick, { method: 'POST', body: new URLSearchParams({ from: 'page' }) });
    const { links } = hush.hush;
    const point = links.read(preferences.split('/').at(-1) ?? '', Date.now())?.point;
    if (!point) throw new Error('the link does not open');
    const over = links.fresh(point, 'jmf', Date.now() - 86_400_000);
    const confirm = links.confirm(point, { ...OFFERS, topic: '*' } as never, 'none', Date.now());
    return [
      oneClick,
      stopped.oneClick,
      preferences,
      `/p/${links.fresh(point, 'jmf', Date.now())}`,
      `/p/${over}`,
      `/confirm/${confirm}`,
      '/preferences',
      '/u/forged',
      '/rights',
    ];
  }

  test.each(['en', 'es', 'fr', 'de'])(
    'in %s every page fits 320 px, from either side, and is light',
    async (language) => {
      const { page, loaded } = await visit('/preferences', { viewport: { width: 320, height: 700 } });
      const styles = loaded.find(({ url }) => url.includes('.css'))?.bytes ?? 0;
      for (const to of await everyPage(`fits-${language}@example.com`)) {
        const answer = await page.goto(`${hush.url}${to}?lang=${language}`);
        expect([to, ((await answer?.body())?.length ?? 0) + styles < LIGHT]).toEqual([to, true]);
        await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })");
        expect([to, await overflow(page)]).toEqual([to, 0]);
        await page.evaluate("document.documentElement.dir = 'rtl'");
        expect([to, 'from the right', await overflow(page)]).toEqual([to, 'from the right', 0]);
        expect([to, await page.evaluate('document.documentElement.scrollLeft')]).toEqual([to, 0]);
      }
    },
  );

  test('a browser font of twice the size enlarges every text, and nothing is cut off', async () => {
    const { page, context } = await visit('/preferences', { viewport: { width: 640, height: 900 } });
    const session = await context.newCDPSession(page);
    const sizes = () =>
      page.evaluate(`[...document.querySelectorAll('body *')]
        .filter((one) => [...one.childNodes].some((child) => child.nodeType === 3 && child.data.trim()))
        .map((one) => parseFloat(getComputedStyle(one).fontSize))`) as Promise<number[]>;
    for (const to of await everyPage('twice@example.com')) {
      await session.send('Page.setFontSizes', { fontSizes: { standard: 16, fixed: 13 } });
      await page.goto(hush.url + to);
      const before = await sizes();
      await session.send('Page.setFontSizes', { fontSizes: { standard: 32, fixed: 26 } });
      await page.goto(hush.url + to);
      const after = await sizes();
      expect(after).toHaveLength(before.length);
      expect([to, after.filter((size, at) => size < 1.9 * (before[at] ?? 0))]).toEqual([to, []]);
      expect([to, await overflow(page)]).toEqual([to, 0]);
    }
  });

  test('print and forced colours show which switch is on', async () => {
    const { preferences } = await linksOf('seen@example.com');
    const { page } = await visit(preferences);
    const one = page.locator('#t-email-tips');
    for (const media of [{ media: 'print' }, { media: 'screen', forcedColors: 'active' }] as const) {
      await page.emulateMedia(media);
      await one.check();
      // The browser's own box: paper has no backgrounds, and forced colours replace them.
      expect(await page.evaluate("getComputedStyle(document.querySelector('#t-email-tips')).appearance")).toBe('auto');
      const [on, off] = [await one.screenshot(), await one.uncheck().then(() => one.screenshot())];
      expect([media, on.equals(off)]).toEqual([media, false]);
    }
  });

  test('a mistake is said in the title, in a summary that takes the focus, and at its field, in each language', async () => {
    for (const [language, prefix] of Object.entries({
      en: 'Error:',
      es: 'Error:',
      fr: 'Erreur\u00a0:',
      de: 'Fehler:',
    })) {
      const { page, context } = await visit(`/preferences?lang=${language}`);
      await page.fill('#address', 'no address at all');
      const loaded = page.waitForEvent('load');
      await page.press('#address', 'Enter');
      await loaded;
      await page.waitForFunction("document.activeElement.className === 'errors'");
      expect((await page.title()).startsWith(prefix)).toBe(true);
      const field = page.locator('#address');
      const said = (await page.textContent('.errors a')) ?? '';
      expect(await page.textContent(`#${await field.getAttribute('aria-describedby')}`)).toBe(said);
      expect(said.startsWith('Enter ')).toBe(language === 'en');
      expect(await field.inputValue()).toBe('no address at all');
      const [border, message] = (await page.evaluate(
        "[getComputedStyle(document.querySelector('#address')).borderTopColor, getComputedStyle(document.querySelector('#fault-address')).color]",
      )) as string[];
      expect(border).toBe(message);
      await page.press('.errors a', 'Enter');
      expect(await page.evaluate('document.activeElement.id')).toBe('address');
      await context.close();
    }
  });

  test('a scanner that opens and runs every page of the links, and never presses a button, changes nothing', async () => {
    const email = 'scanned@example.com';
    const { oneClick, preferences } = await linksOf(email);
    const before = await hush.ask('/v1/contacts/lookup', { contact: { email } }).catch(() => 'unknown');
    for (const to of [oneClick, preferences, `${oneClick}?lang=es`, '/preferences']) {
      await fetch(hush.url + to, { method: 'HEAD' });
      const { page, context } = await visit(to);
      await page.waitForLoadState('networkidle');
      const hrefs = await page
        .locator('a[href^="/"], a[href^="http"]')
        .evaluateAll((found) => found.map((one) => (one as unknown as { href: string }).href));
      for (const href of hrefs) {
        await page.goto(href);
        await page.waitForLoadState('networkidle');
      }
      await context.close();
    }
    expect(await hush.decide({ email })).toMatchObject({ allowed: true, reason: 'not_objected' });
    expect(await hush.ask('/v1/contacts/lookup', { contact: { email } }).catch(() => 'unknown')).toEqual(before);
    expect((await hush.ask<{ changes: unknown[] }>('/v1/changes')).changes).not.toContainEqual(
      expect.objectContaining({ email }),
    );
  });
});
