import { DAY_MS } from '../../core/calendar.js';
import { brandById, type Catalog, topicById } from '../../core/catalog.js';
import { countriesIn, partsOf, placeName } from '../../core/jurisdiction.js';
import type { Scope } from '../../core/scope.js';
import type { StaffPages } from './render.js';

/** A receipt as one reads it out: "r_7K2M-94QX-B1HT-0ZWD-6RPE". */
export const receiptOf = (event: string): string => `r_${event}`;

const SPOKEN: Readonly<Record<string, string>> = Object.fromEntries(
  'Alfa Bravo Charlie Delta Echo Foxtrot Golf Hotel India Juliett Kilo Lima Mike November Oscar Papa Quebec Romeo Sierra Tango Uniform Victor Whiskey X-ray Yankee Zulu'
    .split(' ')
    .map((word) => [word.charAt(0), word]),
);

/** Groups of four with each letter's word beside it, to read out on a bad line. */
export function spelled(event: string): { group: string; words: string }[] {
  return event.split('-').map((group) => ({
    group,
    words: [...group].map((letter) => SPOKEN[letter] ?? letter).join(' '),
  }));
}

/** "offers by email from JM Facets": a scope in words. */
export function scopeWords(pages: StaffPages, catalog: Catalog, scope: Scope): string {
  const purpose = pages.word('purpose', scope.purpose);
  const topic = scope.topic === '*' ? undefined : (topicById(catalog, scope.topic)?.name.en ?? scope.topic);
  const channel = scope.channel === '*' ? undefined : pages.word('channel', scope.channel).toLowerCase();
  const brand = scope.brand === '*' ? catalog.group.name : (brandById(catalog, scope.brand)?.name ?? scope.brand);
  return [topic ? `${purpose}, “${topic}”` : purpose, channel ? `by ${channel}` : 'by every channel', brand].join(
    ' · ',
  );
}

/** Brands a form offers, the whole group first. */
export function brandOptions(catalog: Catalog): { value: string; label: string }[] {
  return [
    { value: '*', label: `the whole group (${catalog.group.name})` },
    ...catalog.brands.filter(({ retired }) => !retired).map(({ id, name }) => ({ value: id, label: name })),
  ];
}

/** Places that a form offers: the group's own country and its neighbours in parts first, then every country. */
export function placeOptions(catalog: Catalog) {
  const own = catalog.group.defaultCountry;
  const countries = countriesIn('en');
  return {
    first: countries.filter(({ value }) => value === own),
    parts: [...new Set([own, 'US', 'CA'])].map((country) => ({
      label: `${placeName(country)}, by state or province`,
      items: partsOf(country),
    })),
    countries: countries.filter(({ value }) => value !== own),
  };
}

/** UTC midnight of the day that a text names as 2026-03-31; else undefined. */
export function dateIn(text: string): Date | undefined {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(time) ? undefined : new Date(time);
}

/** The day a query names, or today; UTC midnight in ms. */
export function dayFrom(text: string, now: number): number {
  const given = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(given) ? Math.floor(now / DAY_MS) * DAY_MS : given;
}
