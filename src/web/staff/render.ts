import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Response } from 'express';
import i18next from 'i18next';
import { readWords } from '../../config/locale-file.js';
import { createRender, versionOf } from '../views.js';
import { createWords } from '../words.js';

const TIME = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' });
const DATE = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeZone: 'UTC' });

/** "3 Nov 2026, 09:14", in UTC as everything in the console. */
export const when = (time: number | Date): string => TIME.format(time);
/** "3 Nov 2026" */
export const day = (time: number | Date): string => DATE.format(time);

/** "2 h 5 min": as much as one wants to know of a duration. */
export function lasting(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 90) return `${seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 360) / 10} h`;
  return `${Math.round(seconds / 8640) / 10} days`;
}

const languageNames = new Intl.DisplayNames('en', { type: 'language' });

/** "German" for `de`; the code itself where it is none. */
function languageName(code: string): string {
  try {
    return languageNames.of(code) ?? code;
  } catch {
    return code;
  }
}

/** Renders the console's views: words of codes from `locales/staff.en.yaml`, running text in the views. English only. */
export async function createStaffPages(parts: {
  readonly views: string;
  readonly locales: string;
  readonly assets: string;
  /** Of the recipients' pages, whose tokens of colour and type the console uses. */
  readonly baseCss: string;
}) {
  const words = i18next.createInstance();
  await words.init({
    lng: 'en',
    interpolation: { escapeValue: false },
    resources: { en: { translation: readWords(path.join(parts.locales, 'staff.en.yaml'), 'en') } },
  });
  const t = createWords(words, 'en');
  const renderView = createRender(path.join(parts.views, 'staff'), t);
  const css = readFileSync(path.join(parts.assets, 'staff.css'), 'utf8');
  const cssPath = `/staff/assets/staff.${versionOf(css)}.css`;
  return {
    t,
    css: { path: cssPath, text: css },

    /** The word for a code; the code itself, spelled out, where nobody wrote one. */
    word(kind: string, code: string): string {
      const key = `${kind}.${code}`;
      return words.exists(key) ? t(key) : code.replaceAll('_', ' ');
    },

    render(view: string, values: Readonly<Record<string, unknown>>): string {
      return renderView(view, {
        word: this.word,
        when,
        day,
        lasting,
        languageName,
        css: [parts.baseCss, cssPath],
        user: undefined,
        navigation: [],
        flash: undefined,
        csrf: '',
        fault: undefined,
        ends: undefined,
        ...values,
      });
    },

    sendHtml(response: Response, status: number, html: string): void {
      response.status(status).type('html').set('Cache-Control', 'no-store').send(html);
    },

    send(response: Response, status: number, view: string, values: Readonly<Record<string, unknown>>): void {
      this.sendHtml(response, status, this.render(view, values));
    },
  };
}

export type StaffPages = Awaited<ReturnType<typeof createStaffPages>>;
