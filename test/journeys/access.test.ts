import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { contactKeyFromText } from '../../src/core/keys.js';
import { unzipped } from '../rights/access/unzip.js';
import { type Hush, startHush } from '../support/hush.js';
import { inBrowser, launch, overflow, violations } from '../web/staff/chromium.js';
import { makeCustomer } from '../web/staff/people.js';
import { takePicture } from './picture.js';

const time = { now: Date.now() };

inBrowser.describe('what is held, from the officer to the person', () => {
  let hush: Hush;
  let browser: Browser;
  let id: string;
  let letter: string;
  beforeAll(async () => {
    hush = await startHush({
      // Nobody answers there: what has not answered is shown too.
      changeCatalog(catalog) {
        catalog.accessSystems = [
          {
            name: 'policies',
            url: 'http://127.0.0.1:9/access',
            role: 'processor',
            about: { en: 'Policies and claims', es: 'Pólizas y reclamaciones' },
            secret: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
            answerDays: 1,
          },
        ];
      },
      machineTime: () => time.now,
      // No worker beside the test: each round is the test's own.
      env: { HUSH_ROLE: 'web' },
    });
    browser = await launch();
    const person = await makeCustomer(hush, 'Ana');
    await hush.settle();
    const keys = await Promise.all(
      [person.email, person.postal].map(
        async (contact) => contactKeyFromText(await person.keyOf(contact)) ?? Buffer.alloc(0),
      ),
    );
    const request = { id: 'q_journey', contacts: keys, language: 'es', brand: 'jmf' } as const;
    ({ id } = await hush.hush.accessPackages.prepare({ ...request, delivery: { way: 'download' } }, 'officer'));
    await hush.hush.accessPackages.work();
    time.now += 86_400_000;
    await hush.hush.accessPackages.work();
    ({ id: letter } = await hush.hush.letters.send(
      {
        kind: 'denial',
        request: 'q_journey',
        reference: '7K2M-94QX',
        requestKind: 'deletion',
        language: 'en',
        brand: 'jmf',
        to: { name: 'Ana Doe', postal: '12 Main Street\nNeenah, WI 54956' },
        receivedAt: Date.now(),
        due: Date.now(),
        reason: 'legal_obligation',
      },
      'privacy_officer',
    ));
  });
  afterAll(async () => {
    await browser?.close();
    await hush?.stop();
  });

  async function open(width: number): Promise<Page> {
    const context = await browser.newContext({
      viewport: { width, height: 900 },
      reducedMotion: 'reduce',
      acceptDownloads: true,
    });
    return context.newPage();
  }

  async function enter(page: Page, to: string): Promise<void> {
    await page.goto(`${hush.url}${to}`);
    await page.locator('button[value="privacy_officer"]').focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(`${hush.url}${to}`);
  }

  async function faultsOf(page: Page, name: string): Promise<string[]> {
    const wide = await overflow(page);
    return [
      ...(await violations(page)).map((fault) => `${name}: ${fault}`),
      ...(wide > 0 ? [`${name}: ${wide} px too wide`] : []),
    ];
  }

  test('the officer makes link and passphrase, the person opens them, by keyboard, in Spanish, at 320 and 1,280 px', async () => {
    const faults: string[] = [];
    const officer = await open(1280);
    await enter(officer, `/staff/access/${id}`);
    faults.push(...(await faultsOf(officer, 'package')));
    await officer.locator('button', { hasText: 'Make the link' }).focus();
    await officer.keyboard.press('Enter');
    await officer.waitForSelector('.readout');
    faults.push(...(await faultsOf(officer, 'passphrase told')));
    await takePicture(officer, 'staff-access', { fullPage: true });
    const passphrase = (await officer.locator('.readout span').allTextContents()).join(' ');
    // Told once: a look at the page again does not have it.
    await officer.goto(`${hush.url}/staff/access/${id}`);
    expect(await officer.locator('.readout').count()).toBe(0);

    await hush.hush.outbox.settle();
    const [line] = await hush.hush.stores.mailbox.list(1);
    const mail = await hush.hush.stores.mailbox.get(line?.id ?? '');
    const link =
      new RegExp(`${hush.url}/access/[\\w-]+\\?lang=es`).exec(
        (mail?.raw.toString() ?? '').replace(/=\r\n/g, '').replaceAll('=3D', '='),
      )?.[0] ?? '';
    expect(link).not.toBe('');

    const narrow = await open(320);
    await narrow.goto(link);
    expect(await narrow.getAttribute('html', 'lang')).toBe('es');
    faults.push(...(await faultsOf(narrow, 'link at 320')));
    await takePicture(narrow, 'access-320', { fullPage: true });
    await narrow.locator('#passphrase').focus();
    await narrow.keyboard.type('0000 0000 0000 0000');
    await narrow.keyboard.press('Enter');
    await narrow.waitForSelector('.errors');
    expect(await narrow.textContent('.errors')).toContain('Puede intentarlo 4 veces más');
    faults.push(...(await faultsOf(narrow, 'wrong passphrase')));

    const wide = await open(1280);
    await wide.goto(link.replace('lang=es', 'lang=en'));
    faults.push(...(await faultsOf(wide, 'link at 1280')));
    await takePicture(wide, 'access-1280', { fullPage: true });
    await wide.locator('#passphrase').focus();
    await wide.keyboard.type(passphrase.toLowerCase());
    const coming = wide.waitForEvent('download');
    await wide.keyboard.press('Enter');
    const download = await coming;
    expect(download.suggestedFilename()).toBe('access.zip');
    const archive = unzipped(await readFile(await download.path()));

    // What she reads is a page without faults of its own, on a telephone too.
    const html = archive.get('access.html')?.toString() ?? '';
    expect(html).toContain('Usted se dio de baja');
    expect(html).toContain('no había respondido hasta el');
    for (const width of [320, 1280]) {
      const reading = await open(width);
      await reading.setContent(html);
      faults.push(...(await faultsOf(reading, `access.html at ${width}`)));
      await takePicture(reading, `access-html-${width}`);
    }
    await narrow.goto(link);
    expect(await narrow.textContent('h1')).toContain('ya no funciona');
    faults.push(...(await faultsOf(narrow, 'used link')));
    await officer.goto(`${hush.url}/staff/access/${id}`);
    expect(await officer.textContent('main')).toContain('downloaded by the person');
    expect(faults).toEqual([]);
  });

  test('a letter for paper is listed, read, printed and taken off, by keyboard', async () => {
    const faults: string[] = [];
    for (const width of [320, 1280]) {
      const page = await open(width);
      await enter(page, '/staff/letters');
      faults.push(...(await faultsOf(page, `letters at ${width}`)));
      await page.goto(`${hush.url}/staff/letters/${letter}`);
      faults.push(...(await faultsOf(page, `letter at ${width}`)));
      await page.goto(`${hush.url}/staff/access`);
      faults.push(...(await faultsOf(page, `packages at ${width}`)));
      await page.goto(`${hush.url}/staff/access/${id}`);
      faults.push(...(await faultsOf(page, `package at ${width}`)));
    }
    const page = await open(1280);
    await enter(page, '/staff/letters');
    await page.locator('a', { hasText: 'Denial' }).focus();
    const loaded = page.waitForEvent('load');
    await page.keyboard.press('Enter');
    await loaded;
    expect(await page.textContent('main')).toContain('a law or a regulator orders us to keep the data');
    await takePicture(page, 'staff-letter', { fullPage: true });
    await page.locator('button', { hasText: 'Mark as printed' }).focus();
    await page.keyboard.press('Enter');
    await page.waitForURL(`${hush.url}/staff/letters`);
    expect(await page.textContent('main')).toContain('No letter to print');
    expect(faults).toEqual([]);
  });
});
