import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Page, PageScreenshotOptions } from 'playwright-core';

const PICTURES = path.resolve(import.meta.dirname, '../../docs/pictures');

/** Takes a picture of a page; for `docs/pictures`, with `UPDATE_DOCS=1` only: a test run changes no file. */
export async function takePicture(page: Page, name: string, options: PageScreenshotOptions = {}): Promise<void> {
  if (process.env.UPDATE_DOCS !== '1') return;
  const picture = await page.screenshot(options);
  await mkdir(PICTURES, { recursive: true });
  await writeFile(path.join(PICTURES, `${name}.png`), picture);
}
