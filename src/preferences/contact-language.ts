import type { Catalog } from '../core/catalog.js';
import { HushError } from '../core/errors.js';
import { presentAt } from '../core/fold.js';
import { contactKeyBytes, type Keyring } from '../core/keys.js';
import { sealedContact } from '../core/sealed-contact.js';
import { factsAt } from '../core/view.js';
import type { DecisionSubject, Decisions } from './decisions.js';
import type { OutgoingMail, Post, QueuedMail } from './outgoing-mail.js';

/** The language to write to somebody in: their own where it is known, else the one that was asked for. Never throws. */
export type LanguageOf = (contacts: readonly DecisionSubject[], wanted: string) => Promise<string>;

/**
 * The language that a person chose is a fact of the contact (`profile`), and comes before that of the page, the key or the
 * mail through which something was asked. Of several contacts the first that has one counts.
 */
export function createLanguageOf(parts: {
  readonly decisions: Pick<Decisions, 'present'>;
  readonly catalog: Pick<Catalog, 'languages'>;
  readonly clock: { now(): number };
}): LanguageOf {
  const { decisions, catalog, clock } = parts;
  return async (contacts, wanted) => {
    try {
      for (const asked of contacts) {
        const { state } = await decisions.present(asked);
        const { language } = factsAt(state, presentAt(state, clock.now()));
        if (language !== undefined && catalog.languages.includes(language)) return language;
      }
    } catch (error) {
      // A mail in another language is better than none.
      if (!(error instanceof HushError)) throw error;
    }
    return wanted;
  };
}

/** Every mail goes out in the language of whom it goes to: the one place that decides it. */
export function inOwnLanguage(
  parts: { readonly languageOf: LanguageOf; readonly keyring: Keyring; readonly country: string },
  post: (letter: QueuedMail) => ReturnType<Post>,
): Post {
  return async (letter: OutgoingMail) => {
    const point = sealedContact('email', letter.to, parts.country);
    const language = await parts.languageOf([{ key: contactKeyBytes(parts.keyring, point), point }], letter.language);
    return post({ ...letter, language, values: letter.values(language) });
  };
}
