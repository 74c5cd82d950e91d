import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Download, Page } from 'playwright-core';
import { verifyFile } from '../../src/cli/verify.js';
import { run, why } from '../audit/logcheck.js';
import { type Hush, startHush } from '../support/hush.js';
import { until } from '../support/until.js';
import { inBrowser, launch, overflow, violations } from '../web/staff/chromium.js';
import { follow, makeCustomer } from '../web/staff/people.js';
import { takePicture } from './picture.js';

/** What `hush verify FILE --vkey KEY` does; test/cli/verify.test.ts runs it in a process of its own. */
async function hushVerify(file: string, vkey: string): Promise<{ code: number; out: string }> {
  const lines: string[] = [];
  const well = await verifyFile(file, { vkey: [vkey] }, (line) => void lines.push(line));
  return { code: well ? 0 : 1, out: lines.join('\n') };
}

/** Resolves when the newest export is written, by whichever process took it. */
async function exported(hush: Hush): Promise<void> {
  await until(async () => {
    await hush.hush.exportJobs.work();
    return (await hush.hush.exportJobs.list(0, 1)).rows[0]?.state === 'ready';
  });
}

inBrowser.describe('the auditor', () => {
  let hush: Hush;
  let browser: Browser;
  let folder: string;
  const faults: string[] = [];
  beforeAll(async () => {
    hush = await startHush();
    browser = await launch();
    folder = await mkdtemp(path.join(tmpdir(), 'hush-auditor-'));
    await makeCustomer(hush, 'Ana');
    await follow(hush);
  });
  afterAll(async () => {
    await browser?.close();
    await hush?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  async function look(page: Page, name: string): Promise<void> {
    faults.push(...(await violations(page)).map((fault) => `${name}: ${fault}`));
    const wide = await overflow(page);
    if (wide > 0) faults.push(`${name}: ${wide} px too wide`);
  }

  /** Goes to the link or button by keyboard alone: Tab until it has the focus. */
  async function reach(page: Page, text: string): Promise<void> {
    for (let tabs = 0; tabs < 150; tabs++) {
      await page.keyboard.press('Tab');
      const focused = await page.evaluate('(document.activeElement?.textContent ?? "").trim()');
      if (String(focused).startsWith(text)) return;
    }
    throw new Error(`${text} cannot be reached by Tab`);
  }
  async function follows(page: Page, text: string): Promise<void> {
    await reach(page, text);
    const loaded = page.waitForEvent('load');
    await page.keyboard.press('Enter');
    await loaded;
  }
  async function fetched(page: Page, text: string): Promise<string> {
    await reach(page, text);
    const coming = page.waitForEvent('download');
    await page.keyboard.press('Enter');
    const download: Download = await coming;
    const file = path.join(folder, download.suggestedFilename());
    await download.saveAs(file);
    return file;
  }

  test.each([1280, 320])(
    'picks a person, sees the whole history, checks a proof with a public tool and exports a period, by keyboard, at %i px',
    async (width) => {
      const context = await browser.newContext({
        viewport: { width, height: 900 },
        reducedMotion: 'reduce',
        acceptDownloads: true,
      });
      const page = await context.newPage();
      await page.goto(`${hush.url}/staff/people`);
      await page.locator('button[value="auditor"]').focus();
      await page.keyboard.press('Enter');
      await page.waitForURL(`${hush.url}/staff/people`);
      await look(page, 'people');

      // A person, with the reason the role has to give.
      await page.locator('[name="find"]').focus();
      await page.keyboard.type('ana@example.com');
      await page.locator('[name="reason"]').focus();
      await page.keyboard.press('End');
      await page.locator('[name="note"]').focus();
      await page.keyboard.type('yearly audit');
      await page.keyboard.press('Enter');
      await page.waitForURL(/\/staff\/contacts\/c_/);
      const history = (await page.textContent('main')) ?? '';
      for (const words of ['Opted out', 'Gave consent', 'Browser sent the opt-out signal', 'shipping portal'])
        expect(history).toContain(words);
      expect(history).not.toContain('ana@example.com');
      await look(page, 'person');

      // A receipt of the history, and its proof.
      await follows(page, 'r_');
      expect(await page.textContent('h1')).toBe('Receipt');
      expect(await page.textContent('#proof ~ p >> nth=1')).toContain('Signed by');
      await look(page, 'receipt');
      const proof = await fetched(page, 'Proof');
      const entry = await fetched(page, 'Entry');
      const vkey = ((await (await fetch(`${hush.url}/log/vkey`)).text()).split('\n')[0] ?? '').trim();
      if (why === undefined) {
        const args = ['-url', `${hush.url}/log`, '-vkey', vkey];
        const good = await run([...args, '-proof', proof, '-entry', entry]);
        expect(good).toMatchObject({ code: 0 });
        const other = path.join(folder, 'other.entry');
        const bytes = await readFile(entry);
        bytes[40] = (bytes[40] ?? 0) ^ 1;
        await writeFile(other, bytes);
        expect((await run([...args, '-proof', proof, '-entry', other])).code).not.toBe(0);
      }

      // A period, from the console.
      if (width === 1280) await follows(page, 'System');
      else {
        await reach(page, 'Menu');
        await page.keyboard.press('Enter');
      }
      await follows(page, 'Audit');
      await look(page, 'audit');
      expect(await page.textContent('#log ~ dl')).toContain('no witness yet');
      const today = new Date();
      const typed = `${String(today.getUTCMonth() + 1).padStart(2, '0')}${String(today.getUTCDate()).padStart(2, '0')}${today.getUTCFullYear()}`;
      await page.locator('form[action="/staff/audit/exports"] [name="from"]').focus();
      await page.keyboard.type(typed);
      await page.locator('form[action="/staff/audit/exports"] [name="to"]').focus();
      await page.keyboard.type(typed);
      await follows(page, 'Export (logged)');
      expect(await page.textContent('main')).toContain('Exports of the ledger');
      await exported(hush);
      await page.reload();
      await look(page, 'exports');
      if (width === 1280) await takePicture(page, 'staff-ledger-exports', { fullPage: true });
      const day = today.toISOString().slice(0, 10);
      const file = await fetched(page, `${day} to ${day}`);

      // What `hush verify` says of it, and of one byte changed.
      const whole = await hushVerify(file, vkey);
      expect(whole.out).toContain('The export is whole.');
      expect(whole.code).toBe(0);
      const lines = gunzipSync(await readFile(file)).toString('utf8');
      const [, id = ''] = /"id":"([0-9A-Z-]{24})","type":"opted_out"/.exec(lines) ?? [];
      const changed = path.join(folder, 'changed.ndjson.gz');
      await writeFile(changed, gzipSync(lines.replace(/"kind":"one_click"/, '"kind":"one_clicj"')));
      const damaged = await hushVerify(changed, vkey);
      expect(damaged.code).toBe(1);
      expect(damaged.out).toMatch(/changed: entry e_[0-9A-Z-]{24} was changed after it was sealed in leaf \d+/);
      expect(damaged.out).toContain(id);
      expect(damaged.out).toContain('The export is NOT whole.');

      // All of it is written down.
      const trail = await hush.hush.staff.trail.list({ user: 'auditor' }, 0, 20);
      expect(trail.map(({ what }) => what)).toEqual(
        expect.arrayContaining(['caller_found', 'person', 'receipt', 'proof', 'ledger', 'ledger_fetched']),
      );
      await context.close();
      expect(faults).toEqual([]);
    },
    240_000,
  );
});
