import { createHmac, timingSafeEqual } from 'node:crypto';
import { escapeXml } from '../../core/escape-xml.js';
import type { TextMessage } from './text-in.js';

/**
 * What Twilio signs a form post with: base64 HMAC-SHA1, under the account's auth token, of the URL and every parameter's
 * name and value, sorted by name. Of repeated names each different value counts once, sorted.
 *
 * @see https://www.twilio.com/docs/usage/webhooks/webhooks-security
 */
export function twilioSignature(authToken: string, url: string, form: URLSearchParams): string {
  // Grouped in one pass: a search for every name would take seconds for a form of many.
  const values = new Map<string, Set<string>>();
  for (const [name, value] of form) values.set(name, (values.get(name) ?? new Set()).add(value));
  const names = [...values.keys()].sort();
  const signed = names.flatMap((name) => [...(values.get(name) ?? [])].sort().map((value) => name + value));
  return createHmac('sha1', authToken)
    .update(url + signed.join(''), 'utf8')
    .digest('base64');
}

function sameText(a: string, b: string): boolean {
  const [first, second] = [Buffer.from(a), Buffer.from(b)];
  return first.length === second.length && timingSafeEqual(first, second);
}

/** The URL as given and with the port that Twilio may have put in or left out. */
function withAndWithoutPort(url: string): string[] {
  const [, scheme = '', host = '', rest = ''] = /^(https?):\/\/([^/?#]+)(.*)$/s.exec(url) ?? [];
  const standard = scheme === 'https' ? ':443' : ':80';
  if (host === '') return [url];
  if (/:\d+$/.test(host)) return [url, `${scheme}://${host.replace(/:\d+$/, '')}${rest}`];
  return [url, `${scheme}://${host}${standard}${rest}`];
}

/** True when one of the tokens signed it: two while a token is changed. Takes the same time wherever the texts differ. */
export function isSignedByTwilio(
  authTokens: readonly string[],
  url: string,
  form: URLSearchParams,
  signature: string,
): boolean {
  return authTokens.some((token) =>
    withAndWithoutPort(url).some((candidate) => sameText(twilioSignature(token, candidate, form), signature)),
  );
}

const HANDLED: Readonly<Record<string, TextMessage['handled']>> = { STOP: 'stop', START: 'start', HELP: 'help' };

/** Undefined for a post that is no incoming message, such as a status callback. */
export function textFromTwilio(form: URLSearchParams): TextMessage | undefined {
  const id = form.get('MessageSid') ?? form.get('SmsSid');
  const from = form.get('From');
  if (!id || !from || !form.has('Body')) return undefined;
  return {
    id: id.slice(0, 100),
    from,
    to: form.get('To') ?? '',
    body: form.get('Body') ?? '',
    handled: HANDLED[(form.get('OptOutType') ?? '').toUpperCase()],
  };
}

/** TwiML that answers with one message, or with none. @see https://www.twilio.com/docs/messaging/twiml */
export function twiml(reply: string | undefined): string {
  const message = reply === undefined ? '' : `<Message>${escapeXml(reply)}</Message>`;
  return `<?xml version="1.0" encoding="UTF-8"?><Response>${message}</Response>`;
}
