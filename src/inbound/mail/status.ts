/** Codes in what a server said: RFC 3463 enhanced status, RFC 5321 reply code, and the stage of the SMTP session. */

export type Stage = 'CONN' | 'EHLO' | 'STARTTLS' | 'AUTH' | 'MAIL' | 'RCPT' | 'DATA' | 'QUIT';

const ENHANCED = /(?<![\d.\w/-])([245])\.([0-7])\.(\d{1,3})(?![\d]|\.\d)/g;
const REPLY = /(?<![\d./:\w-])([245][0-5]\d)(?![\d./:])/g;

/** The most telling enhanced status in the text; x.0.0 and 4.4.7 say little and give way. */
export function findStatus(text: string, replyClass = ''): string | undefined {
  let best: string | undefined;
  for (const match of text.slice(0, 20_000).matchAll(ENHANCED)) {
    const code = match[0];
    if (replyClass !== '' && code[0] !== replyClass) continue;
    best = best === undefined ? code : preferStatus(best, code);
  }
  return best;
}

/** The first SMTP reply code in the text, of the class of `status` when there is one. */
export function findReply(text: string, status?: string): string | undefined {
  let first: string | undefined;
  for (const match of text.slice(0, 20_000).matchAll(REPLY)) {
    const code = match[0];
    if (status !== undefined && code[0] !== status[0]) continue;
    if (code[0] === '5') return code;
    first ??= code;
  }
  return first;
}

/** Of the status field and the one in the words, the one that says more; the reply code breaks a tie of classes. */
export function preferStatus(field: string | undefined, spoken: string, reply?: string): string {
  if (field === undefined || !/^[245]\.\d{1,3}\.\d{1,3}$/.test(field)) return spoken;
  if (field[0] !== spoken[0] && reply !== undefined) {
    if (reply[0] === field[0]) return field;
    if (reply[0] === spoken[0]) return spoken;
  }
  if (field.endsWith('.0.0')) return spoken;
  if (spoken.endsWith('.0.0')) return field;
  if (field.endsWith('.0') && !spoken.endsWith('.0')) return spoken;
  if (field === '4.4.7' || field === '4.7.0' || field.startsWith('5.3.') || /^.\.5\.[1245]/.test(field)) return spoken;
  if (field === '5.1.1') return spoken.endsWith('.0') || spoken.startsWith('5.5.') ? field : spoken;
  if (field === '5.1.3' && spoken.startsWith('5.7.')) return spoken;
  return field;
}

const STAGES: readonly (readonly [Stage, RegExp])[] = [
  ['QUIT', /(?<![A-Za-z0-9])QUIT(?![A-Za-z0-9])/],
  ['DATA', /(?<![A-Za-z0-9])DATA(?![A-Za-z0-9])/],
  ['RCPT', /(?<![A-Za-z0-9])RCPT(?![A-Za-z0-9])/],
  ['MAIL', /(?<![A-Za-z0-9])MAIL F/],
  ['AUTH', /(?<![A-Za-z0-9])AUTH (?:PLAIN|LOGIN|CRAM-|DIGEST-)/],
  ['STARTTLS', /(?<![A-Za-z0-9])STARTTLS(?![A-Za-z0-9])/],
  ['EHLO', /(?<![A-Za-z0-9])(?:EHLO|HELO)(?![A-Za-z0-9])/],
];

/** The latest SMTP command the text names; servers write them in capitals. */
export function findStage(text: string): Stage | undefined {
  const short = text.slice(0, 20_000);
  return STAGES.find(([, pattern]) => pattern.test(short))?.[0];
}

/** Names of hosts in the text, in lower case: dotted, with a letter in the last label. */
export function findHosts(text: string): string[] {
  const found = new Set<string>();
  for (const match of text
    .slice(0, 8000)
    .matchAll(/(?<![@\w.-])[A-Za-z0-9][A-Za-z0-9.-]{3,120}\.[A-Za-z]{2,24}(?![\w-])/g)) {
    found.add(match[0].toLowerCase());
  }
  return [...found];
}
