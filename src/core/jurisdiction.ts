import { iso31661, iso31662 } from 'iso-3166';
import { HushError } from './errors.js';

const COUNTRIES = iso31661.map(({ alpha2 }) => alpha2);
const CODES: ReadonlySet<string> = new Set([...COUNTRIES, ...iso31662.map(({ code }) => code)]);

/** A place with laws of its own, as a list offers it. */
export interface Place {
  /** ISO 3166 code. */
  readonly value: string;
  readonly label: string;
}

/** True for the code of a country (ISO 3166-1 alpha-2) or of a part of one (ISO 3166-2) that is in use. */
export const isJurisdiction = (code: string): boolean => CODES.has(code);

/**
 * The code that somebody chose, in either case; undefined for nothing. Throws HushError `invalid` for what is no code: taken
 * for "unknown" it would let the clock of another country run.
 */
export function readJurisdiction(text: string, field: string): string | undefined {
  const code = text.trim().toUpperCase();
  if (code === '') return undefined;
  if (!isJurisdiction(code)) {
    throw new HushError('invalid', `“${text.trim().slice(0, 40)}” is no country or state we know`, {
      field,
      remedy: 'choose one from the list',
    });
  }
  return code;
}

const names = (language: string) => new Intl.DisplayNames(language, { type: 'region' });

const countries = new Map<string, readonly Place[]>();

/** All countries by name in a language, sorted as its readers do. */
export function countriesIn(language: string): readonly Place[] {
  const known = countries.get(language);
  if (known) return known;
  const named = names(language);
  const sorted = COUNTRIES.map((value) => ({ value, label: named.of(value) ?? value })).sort((a, b) =>
    a.label.localeCompare(b.label, language),
  );
  countries.set(language, sorted);
  return sorted;
}

/** States, provinces and the like of a country, by name. */
export function partsOf(country: string): Place[] {
  return iso31662
    .filter(({ parent }) => parent === country)
    .map(({ code, name }) => ({ value: code, label: name }))
    .sort((a, b) => a.label.localeCompare(b.label, 'en'));
}

/** A country or a part of one in words, such as "Wisconsin, United States"; the code itself where it is none we know. */
export function placeName(code: string): string {
  const [country = code] = code.split('-');
  const countryName = isJurisdiction(country) ? (names('en').of(country) ?? country) : country;
  const part = iso31662.find((known) => known.code === code)?.name;
  return part ? `${part}, ${countryName}` : countryName;
}
