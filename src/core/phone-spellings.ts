interface SpellingRule {
  /** A whole number in E.164 that has another form under which the same telephone answers. */
  readonly other: RegExp;
  /** The form it is known by. */
  readonly known: string;
  /** From the form it is known by back to one that was stored under a key of its own before this rule was there. */
  readonly former?: { readonly from: RegExp; readonly to: string };
}

/**
 * Countries whose mobiles have two numbers in use at once: one that text and voice networks take, and one that WhatsApp
 * and older address books have.
 *
 * @see https://faq.whatsapp.com/1294841057948784 (Argentina, Mexico)
 */
const RULES: readonly SpellingRule[] = [
  // The 1 after the country code, and the trunk prefixes 01, 044 and 045, ended in August 2019.
  { other: /^\+52(?:1|01|044|045)(\d{10})$/, known: '+52$1' },
  // Mobiles took a ninth digit, a leading 9, from 2012 to 2016. Eight digits that begin with 2 to 5 are landlines.
  {
    other: /^\+55([1-9]\d)([6-9]\d{7})$/,
    known: '+55$19$2',
    former: { from: /^\+55([1-9]\d)9([6-9]\d{7})$/, to: '+55$1$2' },
  },
  // The 9 says "mobile" to callers from abroad; landlines and mobiles share one plan, so no two differ by it alone.
  {
    other: /^\+54([1-8]\d{9})$/,
    known: '+549$1',
    former: { from: /^\+549([1-8]\d{9})$/, to: '+54$1' },
  },
  // Benin put 01 before every number in November 2024.
  { other: /^\+229([2-9]\d{7})$/, known: '+22901$1' },
];

/** The one form in E.164 under which a number is known. */
export function knownNumber(number: string): string {
  const rule = RULES.find(({ other }) => other.test(number));
  return rule ? number.replace(rule.other, rule.known) : number;
}

/** Other forms of a known number that contacts may be stored under since before they were one; most numbers have none. */
export function formerNumbers(known: string): string[] {
  return RULES.flatMap(({ former }) => (former?.from.test(known) ? [known.replace(former.from, former.to)] : []));
}
