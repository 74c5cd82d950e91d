import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { referenceOf } from '../../src/rights/requests/reference.js';
import { ask, mailsTo, statusTokenIn, tokenIn } from '../rights/setting.js';
import { type Hush, startHush } from '../support/hush.js';
import { inBrowser, launch, overflow, violations } from '../web/staff/chromium.js';
import { enter, enterTo, tabTo, typeInto } from './keyboard.js';
import { takePicture } from './picture.js';

inBrowser.describe('rights requests in a browser', () => {
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

  /** A page without scripts of its own and with the language of the browser. */
  async function open(to: string, locale = 'en-US', width = 1280): Promise<Page> {
    const context = await browser.newContext({ locale, viewport: { width, height: 900 }, reducedMotion: 'reduce' });
    const page = await context.newPage();
    if (to !== '') await page.goto(`${hush.url}${to}`);
    return page;
  }

  /** Nothing axe finds, and nothing wider than the window. */
  async function fine(page: Page, what: string): Promise<void> {
    const wide = await overflow(page);
    expect([what, ...(await violations(page)), ...(wide > 0 ? [`${wide} px too wide`] : [])]).toEqual([what]);
  }

  async function mailed(address: string, subject: RegExp): Promise<string> {
    return `/rights/${tokenIn((await mailsTo(hush, address)).filter((raw) => subject.test(raw)).at(-1))}`;
  }

  const requestOf = async (address: string) => {
    const key = await hush.ask<{ contact: string }>('/v1/contacts/lookup', { contact: { email: address } });
    const all = await hush.hush.stores.requests.list({}, 0, 100);
    const { contactKeyText } = await import('../../src/core/keys.js');
    const found = all.filter(({ contacts }) => contacts.some((contact) => contactKeyText(contact.key) === key.contact));
    const [last] = found.sort((a, b) => b.receivedAt.getTime() - a.receivedAt.getTime());
    if (!last) throw new Error(`no request of ${address}`);
    return last;
  };

  /** Fills in the form by keyboard, sends it, and has the person press the button of the mail. */
  async function askByForm(page: Page, kind: string, address: string, name: string, words: string): Promise<void> {
    await tabTo(page, 'input[name=kind]');
    // The first of the radios has the focus: the arrow keys choose.
    for (let down = 0; down < 9; down++) {
      await page.keyboard.press('ArrowDown');
      if (await page.evaluate(`document.activeElement.value === '${kind}'`)) break;
    }
    await typeInto(page, '#address', address);
    await typeInto(page, '#name', name);
    await typeInto(page, '#words', words);
    await enterTo(page, 'form.rights button');
  }

  test('the form in English and Spanish, at 1,280 and 320 px, before and after a fault: no axe violation', async () => {
    for (const [locale, heading] of [
      ['en-US', 'Your data, your rights'],
      ['es-MX', 'Sus datos, sus derechos'],
    ] as const) {
      for (const width of [1280, 320]) {
        const page = await open('/rights', locale, width);
        expect(await page.textContent('h1')).toBe(heading);
        await fine(page, `form ${locale} ${width}`);
        await takePicture(page, `rights-${locale.slice(0, 2)}-${width}`, { fullPage: true });
        // Nothing filled in: the summary leads to what is wrong.
        await enterTo(page, 'form.rights button');
        await fine(page, `faults ${locale} ${width}`);
        await tabTo(page, '.errors a');
        await page.keyboard.press('Enter');
        expect(await page.evaluate("document.activeElement.name === 'kind' || location.hash.startsWith('#kind')")).toBe(
          true,
        );
        await page.context().close();
      }
    }
  });

  test('journey 10: from the form to the letter, by keyboard: verified, extended once, corrected, answered', async () => {
    const address = 'journey10@example.com';
    const page = await open('/rights');
    await askByForm(page, 'correction', address, 'Ana Doe', 'My name is spelled wrong');
    expect(await page.textContent('h1')).toBe('We have received your request');
    const reference = await page.textContent('.num');
    await fine(page, 'received');
    // The mail's button.
    await page.goto(hush.url + (await mailed(address, /confirm that it is you/i)));
    expect(await page.textContent('h1')).toBe('Did you ask us?');
    await fine(page, 'confirm');
    await enterTo(page, 'main form button');
    expect(await page.textContent('h1')).toContain('confirmed');
    // Its own page, with a message.
    const status = `/rights/${statusTokenIn((await mailsTo(hush, address))[0])}`;
    await page.goto(hush.url + status);
    expect(await page.textContent('main')).toContain('We are working on it');
    await typeInto(page, '#words', 'It is Ana, not Anna.');
    await enterTo(page, 'button[value=message]');
    expect(await page.textContent('main')).toContain('It is Ana, not Anna.');
    await fine(page, 'status');
    await takePicture(page, 'rights-status', { fullPage: true });

    const desk = await open('');
    await enter(desk, hush, 'privacy_officer', '/staff/requests');
    await fine(desk, 'work list');
    expect(await desk.textContent('main table')).toContain(reference);
    await enterTo(desk, `a[href="/staff/requests/${(await requestOf(address)).id}"]`);
    expect(await desk.textContent('main')).toContain('It is Ana, not Anna.');
    await fine(desk, 'request');
    // More time: the letter is seen before it goes.
    await tabTo(desk, 'details summary');
    while (!(await desk.evaluate("document.activeElement.textContent.includes('Extend the deadline')")))
      await desk.keyboard.press('Tab');
    await desk.keyboard.press('Enter');
    await typeInto(desk, '#extend-words', 'Another company has to correct it too.');
    await enterTo(desk, 'button');
    expect(await desk.textContent('main')).toContain('We need more time');
    await fine(desk, 'preview');
    await takePicture(desk, 'staff-request-preview', { fullPage: true });
    expect(await desk.evaluate('document.activeElement.textContent')).toBe('Send it');
    const sent = desk.waitForEvent('load');
    await desk.keyboard.press('Enter');
    await sent;
    expect(await desk.textContent('main')).toContain('extended on');
    expect(await desk.locator('summary:has-text("Extend the deadline")').count()).toBe(0);
    await fine(desk, 'extended');
    await takePicture(desk, 'staff-request', { fullPage: true });
    await typeInto(desk, '#corrected', 'Your name is Ana Doe in all our systems now.');
    await enterTo(desk, 'button');
    expect(await desk.textContent('main')).toContain('done');
    const mails = await mailsTo(hush, address);
    expect(mails.some((raw) => raw.includes('We need more time'))).toBe(true);
    expect(mails.at(-1)).toContain('Your name is Ana Doe in all our systems now.');
    await page.goto(hush.url + status);
    expect(await page.textContent('main')).toContain('We have done what you asked.');
  });

  test('journey 10, the officer’s view: what is late stands first, in red and counted', async () => {
    const late = await ask(hush, 'access', 'late10@example.com', { receivedAt: Date.now() - 50 * 86_400_000 });
    for (let n = 0; n < 24; n++) {
      await ask(hush, (['access', 'deletion', 'correction'] as const)[n % 3] ?? 'access', `many${n}@example.com`, {
        receivedAt: Date.now() - (n % 2 === 0 ? 2 : 35) * 86_400_000,
      });
    }
    await hush.hush.rights.watch.once();
    await hush.hush.rights.watch.once();
    for (const width of [1280, 320]) {
      const desk = await open('', 'en-US', width);
      await enter(desk, hush, 'privacy_officer', '/staff/requests');
      const first = desk.locator('main .list tbody tr').first();
      expect(await first.textContent()).toContain(referenceOf(late.id));
      expect(await first.locator('.tag.no').textContent()).toContain('days late');
      expect(await desk.textContent('.figures .alarm')).toContain('1');
      expect(await desk.textContent('nav')).toMatch(/Requests 1/);
      await fine(desk, `late at ${width}`);
      await takePicture(desk, `staff-requests${width === 320 ? '-320' : ''}`, { fullPage: true });
      await desk.goto(`${hush.url}/staff/requests/${late.id}`);
      expect(await desk.textContent('main')).toContain('raised');
      await fine(desk, `a late one at ${width}`);
      await desk.goto(`${hush.url}/staff/requests/new`);
      await fine(desk, `taking one at ${width}`);
      await desk.context().close();
    }
  });

  test('journey 11: an agent asks in Spanish for somebody else; document and the person’s word, then it is worked on', async () => {
    const address = 'journey11@example.com';
    const page = await open('/rights', 'es-ES');
    await tabTo(page, 'input[name=kind]');
    for (let down = 0; down < 9; down++) {
      await page.keyboard.press('ArrowDown');
      if (await page.evaluate("document.activeElement.value === 'deletion'")) break;
    }
    await typeInto(page, '#address', address);
    await typeInto(page, '#name', 'Ana Doe');
    await tabTo(page, 'input[name=who]');
    await page.keyboard.press('ArrowDown');
    await tabTo(page, 'summary');
    await page.keyboard.press('Enter');
    await typeInto(page, '#agentName', 'Lee Abogado');
    await typeInto(page, '#agentEmail', 'lee@law.example');
    await fine(page, 'agent form');
    await page.setInputFiles('#file', {
      name: 'poder.pdf',
      mimeType: 'application/pdf',
      buffer: Buffer.from('%PDF-1.7\npoder\n%%EOF'),
    });
    await enterTo(page, 'form.rights button');
    expect(await page.textContent('main')).toContain('Le preguntamos a la persona por la que actúa');
    const request = await requestOf(address);
    const desk = await open('');
    await enter(desk, hush, 'privacy_officer', `/staff/requests/${request.id}`);
    expect(await desk.textContent('main')).toContain('has not said yes');
    await fine(desk, 'agent at the desk');
    await tabTo(desk, '#authority');
    await enterTo(desk, 'button');
    expect(await desk.textContent('main')).toContain('The person has not said yes yet');
    expect(await desk.locator('button:has-text("Erase")').count()).toBe(0);
    // The person, from her own mail, in Spanish.
    await page.goto(hush.url + (await mailed(address, /actuar por usted|act.a por usted|en su nombre/i)));
    expect(await page.textContent('h1')).toBe('¿Puede alguien actuar por usted?');
    await fine(page, 'the person is asked');
    await enterTo(page, 'main form button');
    expect(await page.textContent('h1')).toContain('confirmado');
    await desk.reload();
    expect(await desk.textContent('main')).toContain('agent with authority, and the person said yes');
    expect(await desk.locator('button:has-text("Erase")').count()).toBe(1);
  });

  test('journey 16: erasure; in a purchased list still suppressed; by their own sign-up welcome', async () => {
    const contact = { email: 'journey16@example.com' };
    await hush.ask('/v1/events', {
      events: [{ contact, type: 'profile', relationship: 'customer', jurisdiction: 'US-WI', source: { kind: 'api' } }],
    });
    const page = await open('/rights');
    await askByForm(page, 'deletion', contact.email, 'Ana Doe', 'all of it');
    await page.goto(hush.url + (await mailed(contact.email, /confirm that it is you/i)));
    await enterTo(page, 'main form button');
    const request = await requestOf(contact.email);
    const desk = await open('');
    await enter(desk, hush, 'privacy_officer', `/staff/requests/${request.id}`);
    while (!(await desk.evaluate("document.activeElement.textContent === 'Erase'"))) await desk.keyboard.press('Tab');
    const begun = desk.waitForEvent('load');
    await desk.keyboard.press('Enter');
    await begun;
    expect(await desk.textContent('main')).toContain('The erasure has started');
    for (let round = 0; round < 60; round++) {
      await hush.settle();
      await hush.hush.sweeper.once();
      await hush.hush.rights.watch.once();
      if ((await hush.hush.rights.records.get(request.id)).dataKey === undefined) break;
    }
    await desk.reload();
    expect(await desk.textContent('main')).toContain('The person was erased');
    await fine(desk, 'erased');
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'erased' });
    await hush.ask('/v1/events', {
      events: [
        {
          contact,
          type: 'profile',
          relationship: 'prospect',
          source: { kind: 'import', evidence: { list: 'bought' } },
        },
      ],
    });
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'erased' });
    await hush.ask('/v1/consents', {
      contact,
      brand: 'jmf',
      purpose: 'promotion',
      mode: 'double_opt_in',
      notice: { id: 'newsletter', version: '1' },
    });
    const mail = (await mailsTo(hush, contact.email)).at(-1) ?? '';
    const confirm = /\/confirm\/[A-Za-z0-9_-]{40,}/.exec(mail)?.[0] ?? '';
    await page.goto(hush.url + confirm);
    await enterTo(page, 'main form button');
    expect(await hush.decide(contact)).toMatchObject({ allowed: true, reason: 'consented' });
  });
});
