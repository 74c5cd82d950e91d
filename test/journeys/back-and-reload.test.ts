import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { mailsTo, statusTokenIn, tokenIn } from '../rights/setting.js';
import { type Hush, startHush } from '../support/hush.js';
import { inBrowser, launch, overflow } from '../web/staff/chromium.js';

const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };

/** Each act of a recipient's page in one window 320 px wide: pressed once, then reloaded, gone back from and forward to. */
inBrowser.describe('back and reload after every act', () => {
  let hush: Hush;
  let browser: Browser;
  let page: Page;
  let acts = 0;
  beforeAll(async () => {
    hush = await startHush();
    browser = await launch();
    const context = await browser.newContext({ viewport: { width: 320, height: 700 }, reducedMotion: 'reduce' });
    page = await context.newPage();
  });
  afterAll(async () => {
    await browser?.close();
    await hush?.stop();
  });

  async function linksOf(email: string) {
    const links = await hush.ask<{ oneClickUrl: string; preferencesUrl: string }>('/v1/links', {
      contact: { email },
      ...OFFERS,
    });
    const local = (url: string) => new URL(url).pathname;
    return { stop: local(links.oneClickUrl), choices: local(links.preferencesUrl) };
  }

  /** All that an act leaves behind: entries of the ledger, mails, requests and what happened to them. */
  async function counts() {
    await hush.settle();
    await hush.hush.outbox.settle();
    const { ledger, mailbox, requests } = hush.hush.stores;
    const all = await requests.list({}, 0, 100);
    return {
      entries: await ledger.count(),
      mails: (await mailbox.list(1000)).length,
      requests: all.length,
      steps: all.reduce((sum, { history }) => sum + history.length, 0),
    };
  }

  const open = (to: string) => page.goto(hush.url + to);
  const text = async () => ((await page.textContent('main')) ?? '').replace(/\s+/g, ' ');
  const loaded = async (act: () => Promise<unknown>) => {
    const load = page.waitForEvent('load');
    await act();
    await load;
  };

  async function fits(): Promise<void> {
    await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })");
    expect([page.url(), await overflow(page)]).toEqual([page.url(), 0]);
  }

  /**
   * Presses a button of the page that is open. Its result stays the same however often it is loaded, in German or French it
   * fits, and nothing is done again. Ends on the result.
   *
   * @param said words of the result
   * @param before what the page that was left must say when one comes back to it
   */
  async function act(button: string, said: string, before?: string): Promise<void> {
    await loaded(() => page.locator(button).first().click());
    const result = page.url();
    const shown = await text();
    expect(shown).toContain(said);
    const left = await counts();
    await page.reload();
    expect(await text()).toBe(shown);
    await page.goBack();
    await fits();
    if (before !== undefined) expect(await text()).toContain(before);
    await page.goForward();
    expect([page.url(), await text()]).toEqual([result, shown]);
    const language = acts++ % 2 === 0 ? 'de' : 'fr';
    await page.goto(result.replace('lang=en', `lang=${language}`));
    expect(await page.getAttribute('html', 'lang')).toBe(language);
    await fits();
    await page.goto(result);
    expect(await counts()).toEqual(left);
  }

  const button = (name: string) => `main button[value="${name}"]`;

  test('the link of one message: stop, why, undo, stop everything', async () => {
    const email = 'link@example.com';
    const { stop } = await linksOf(email);
    await open(`${stop}?lang=en`);
    await act('main form button', 'Done. No more', 'Already stopped since');
    await act('main button[name="why"]', 'Your answer was counted');
    await act(button('undo'), 'Everything is as it was before', 'Stop offers');
    await open(`${stop}?lang=en`);
    await loaded(() => page.locator('main form button').first().click());
    const stopped = page.url();
    await act(button('stop-all'), 'All marketing is stopped', 'No more offers');
    // Taken back in another window: the page of the act says that it no longer holds.
    const result = page.url();
    await act(button('undo'), 'This still stands', 'Your choices were changed again after this');
    await page.goto(result);
    expect(await text()).not.toContain('All marketing is stopped');
    await page.goto(stopped);
    expect(await text()).toContain('No more offers');
    expect(await hush.decide({ email })).toMatchObject({ reason: 'opted_out' });
    expect(await hush.decide({ email }, 'events')).toMatchObject({ allowed: true });
  });

  test('the preferences: save, undo, pause, resume, stop everything, a fresh link and what it switches on', async () => {
    const email = 'choices@example.com';
    const { choices } = await linksOf(email);
    const isOn = () => page.isChecked('#t-email-tips');
    const isOpen = async () => (await hush.decide({ email }, 'promotion', { topic: 'tips' })).allowed;
    await open(`${choices}?lang=en`);
    await page.uncheck('#t-email-tips');
    await page.selectOption('#c-email-news', 'monthly');
    await act(button('save'), 'Saved.');
    expect([await isOn(), await isOpen()]).toEqual([false, false]);
    await act(button('undo'), 'Everything is as it was before', 'Your choices were changed again after this');
    // The page from which it was switched off, as the window had left it.
    await open(`${choices}?lang=en`);
    await page.uncheck('#t-email-tips');
    await loaded(() => page.locator(button('save')).click());
    await loaded(() => page.locator(button('undo')).click());
    await page.goBack();
    await page.goBack();
    expect([await isOn(), await isOpen()]).toEqual([true, true]);
    await page.selectOption('#pz', '30');
    await act(button('save'), 'Paused until');
    await act(button('resume'), 'The pause has ended', 'Your choices were changed again after this');
    await act(button('stop-all'), 'All marketing is stopped', 'Your choices were changed again after this');
    await act(button('save'), 'Nothing was changed');
    await page.check('#t-email-tips');
    await act(button('save'), 'Not switched on');
    await act(button('fresh'), 'a link is on its way', 'Not switched on');
    const mail = (await mailsTo(hush, email)).at(-1) ?? '';
    await open(`/p/${/\/p\/([0-9a-z]+)/.exec(mail)?.[1]}?lang=en`);
    await act(button('open'), 'choices@example.com', 'This link was used already');
    await page.check('#t-email-tips');
    await act(button('save'), 'Saved.');
    expect([await isOn(), await isOpen()]).toEqual([true, true]);
  });

  test('without a link: send it, stop, undo by the notice, and a mistake', async () => {
    const email = 'lost@example.com';
    await open('/preferences?lang=en');
    await page.fill('#address', 'no address');
    await loaded(() => page.locator('main button').first().click());
    const none = await counts();
    await page.reload();
    expect(await counts()).toEqual(none);
    await open('/preferences?lang=en');
    await page.fill('#address', email);
    await act('main form button', 'your link is on its way');
    await open('/preferences?lang=en');
    await page.fill('#address', email);
    await act(button('stop'), 'is stopped now');
    const notice = (await mailsTo(hush, email)).find((raw) => raw.includes('undo') || raw.includes('Undo')) ?? '';
    const undo = `/p/${/\/p\/([0-9a-z]+)/.exec(notice)?.[1]}?lang=en`;
    await open(undo);
    await act('main form button', 'Everything is as it was before');
    const undone = page.url();
    expect(await hush.decide({ email }, 'events')).toMatchObject({ allowed: true });
    await open(`${(await linksOf(email)).choices}?lang=en`);
    await act(button('stop-all'), 'All marketing is stopped');
    await page.goto(undone);
    expect(await text()).toContain('Your choices were changed again after this');
  });

  test('a sign-up: confirm, and start again after a stop', async () => {
    const email = 'signup@example.com';
    await hush.ask('/v1/consents', {
      contact: { email },
      ...OFFERS,
      notice: { id: 'newsletter', version: '1', language: 'en' },
      mode: 'double_opt_in',
      evidence: { formUrl: 'https://www.jmf.example/newsletter' },
    });
    const mail = (await mailsTo(hush, email)).at(-1) ?? '';
    await open(`/confirm/${/\/confirm\/([0-9a-z]+)/.exec(mail)?.[1]}?lang=en`);
    await act('main form button', 'Confirmed. You will get');
    const confirmed = page.url();
    const { stop } = await linksOf(email);
    await open(`${stop}?lang=en`);
    await act('main form button', 'Done. No more');
    await page.goto(confirmed);
    expect(await text()).toContain('You stopped this on');
    await act(button('again'), 'a new email to confirm is on its way', 'You stopped this on');
  });

  test('a rights request: sent, asked for once more, confirmed, written to, withdrawn', async () => {
    const email = 'rights@example.com';
    await open('/rights?lang=en');
    await page.check('#kind-access');
    await page.fill('#address', email);
    await page.fill('#name', 'Ana Doe');
    await act('#send', 'We have received your request');
    await act(button('again'), 'sent');
    const [first = ''] = await mailsTo(hush, email);
    await open(`/rights/${tokenIn(first)}?lang=en`);
    await act(button('verify'), 'confirmed');
    await open(`/rights/${statusTokenIn(first)}?lang=en`);
    await page.fill('#words', 'The shop in Rome, please.');
    await act(button('message'), 'The shop in Rome, please.', 'The shop in Rome, please.');
    await act(button('withdraw'), 'You withdrew it', 'You withdrew it');
    expect(await hush.hush.stores.requests.count({})).toBe(1);
  });
});
