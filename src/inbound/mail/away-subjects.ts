/** Subjects of absence notices, in the languages of config/bounce-rules.yaml. */

/** Written without blanks between words, so that a word has no ends to look for. */
const WITHOUT_BLANKS = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}]/u;
/** Subjects are cut here: RFC 5322 §2.1.1 has lines of 998 characters. */
const MAX_SUBJECT = 998;

/** Lower case, no accents, blanks for all but letters and digits. */
function plain(text: string): string {
  return folded(text)
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

function folded(text: string): string {
  return text
    .slice(0, MAX_SUBJECT)
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}]/gu, '')
    .toLowerCase();
}

/**
 * @returns whether a subject is one that a vacation program or a mail server puts before ours
 * @example compileAwaySubjects({ subjects: ['out of office'], subjectStarts: ['abwesend'] })('Abwesend: Urlaub') // true
 */
export function compileAwaySubjects(lists: {
  readonly subjects: readonly string[];
  readonly subjectStarts: readonly string[];
}): (subject: string) => boolean {
  const anywhere = lists.subjects.map((phrase) => {
    const words = plain(phrase);
    return WITHOUT_BLANKS.test(phrase) ? words : ` ${words} `;
  });
  const starts = lists.subjectStarts.map((phrase) => ({
    words: plain(phrase),
    // One word may begin a subject of ours or of a person's; two or more say who speaks.
    isFree: WITHOUT_BLANKS.test(phrase) || plain(phrase).includes(' '),
  }));
  return (subject) => {
    const words = plain(subject);
    if (anywhere.some((phrase) => ` ${words} `.includes(phrase))) return true;
    // Whether something other than a word follows the first word: "Abwesend: …", "Urlaub 24.12.", "Vacation".
    const isAlone = /^[^\p{L}\p{N}]*\p{L}+\s*(?:$|[^\p{L}\s])/u.test(folded(subject));
    return starts.some((start) =>
      start.isFree
        ? words === start.words || words.startsWith(start.words + (WITHOUT_BLANKS.test(start.words) ? '' : ' '))
        : isAlone && words.split(' ', 1)[0] === start.words,
    );
  };
}
