import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { needing } from '../../support/needs.js';

/**
 * What `CHROMIUM` names, or Debian's headless shell, or its Chromium; undefined where there is none. The shell has no window to
 * draw and takes half the processor.
 */
function findChromium(): string | undefined {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const names = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'];
  const candidates = [
    process.env.CHROMIUM ?? '',
    ...names.flatMap((name) => folders.map((dir) => path.join(dir, name))),
  ];
  return candidates.find((file) => {
    if (file === '') return false;
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** `describe` and `test` for what is walked in a real browser. */
export const inBrowser = needing(findChromium() ? undefined : 'no Chromium found: install it, or name it in CHROMIUM');

/** Time (ms) that a page may take for what it is asked: no machine is that slow. */
const PATIENT_MS = 120_000;

/** A browser whose pages are waited for on a slow machine too. */
export async function launch(): Promise<Browser> {
  const browser = await chromium.launch({ executablePath: findChromium() ?? '', args: ['--no-sandbox'] });
  const newContext = browser.newContext.bind(browser);
  return Object.assign(browser, {
    async newContext(...options: Parameters<Browser['newContext']>) {
      const context = await newContext(...options);
      context.setDefaultTimeout(PATIENT_MS);
      return context;
    },
  });
}

/** WCAG 2.2 AA and what axe holds for good practice. */
const EVERYTHING = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/**
 * What axe finds wrong, with the element, in one line each: everything, or by the rules named. It runs in the page itself; a
 * wrapper that asks for every finding, passes included, takes three times as long.
 */
export async function violations(page: Page, runOnly: readonly string[] = EVERYTHING): Promise<string[]> {
  if (!(await page.evaluate("typeof axe === 'object'"))) await page.evaluate(axe.source);
  return (await page.evaluate(`
    axe.run({ runOnly: ${JSON.stringify(runOnly)}, resultTypes: ['violations'] }).then(({ violations }) =>
      violations.flatMap(({ id, nodes }) => nodes.map((node) => id + ': ' + node.html.slice(0, 160))))
  `)) as string[];
}

/** Pixels by which a page is wider than its window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate(
    'document.documentElement.scrollWidth - document.documentElement.clientWidth',
  ) as Promise<number>;
}

/** What the console promises of its layout: a bar of one line, cards instead of columns on a phone, labels with air around them. */
export function layoutFaults(page: Page): Promise<string[]> {
  return page.evaluate(`(() => {
    const faults = [];
    const box = (element) => element.getBoundingClientRect();
    const bar = document.querySelector('.bar');
    if (bar && box(bar).height > 56) faults.push('the bar has more than one line');
    for (const region of document.querySelectorAll('.scroll'))
      if (innerWidth < 400 && region.scrollWidth > region.clientWidth) faults.push('scrolls sideways: ' + region.getAttribute('aria-label'));
    for (const label of document.querySelectorAll('main label.f, main legend.f')) {
      const before = label.previousElementSibling ?? label.parentElement.previousElementSibling;
      if (!before || box(label).height === 0 || box(before).height === 0) continue;
      const gap = box(label).top - box(before).bottom;
      if (gap >= 0 && gap < 8) faults.push('too near what is above it: ' + label.textContent);
    }
    return faults;
  })()`) as Promise<string[]>;
}
