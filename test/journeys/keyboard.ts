import type { Page } from 'playwright-core';
import type { Hush } from '../support/hush.js';

/** Signs in by keyboard at the development provider and lands on `to`. */
export async function enter(page: Page, hush: Hush, user: string, to: string): Promise<void> {
  await page.goto(`${hush.url}${to}`);
  await page.locator(`button[value="${user}"]`).focus();
  await page.keyboard.press('Enter');
  await page.waitForURL(`${hush.url}${to}`);
}

/** Presses Tab until the element has the focus: whoever cannot be reached that way is not there for the keyboard. */
export async function tabTo(page: Page, selector: string): Promise<void> {
  for (let presses = 0; presses < 150; presses++) {
    await page.keyboard.press('Tab');
    const there = await page.evaluate(
      `document.activeElement !== null && document.activeElement.matches(${JSON.stringify(selector)})`,
    );
    if (there) return;
  }
  throw new Error(`no Tab leads to ${selector}`);
}

/** Goes to a field by Tab and types. */
export async function typeInto(page: Page, selector: string, text: string): Promise<void> {
  await tabTo(page, selector);
  await page.keyboard.type(text);
}

/** An Enter that leads to another page. */
export async function enterTo(page: Page, selector: string): Promise<void> {
  await tabTo(page, selector);
  const loaded = page.waitForEvent('load');
  await page.keyboard.press('Enter');
  await loaded;
}
