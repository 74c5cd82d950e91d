import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Page, PageScreenshotOptions } from 'playwright-core';

const PICTURES = path.resolve(import.meta.dirname, '../../docs/pictures');

/** Takes a picture of a page; it goes into `docs/pictures` with `UPDATE_DOCS=1` only, so that a test run changes no file. */
export async function takePicture(page: Page, name: string, options: PageScreenshotOptions = {}): Promise<void> {
  const picture = await page.screenshot(options);
  if (process.env.UPDATE_DOCS !== '1') return;
  await mkdir(PICTURES, { recursive: true });
  await writeFile(path.join(PICTURES, `${name}.png`), picture);
}
