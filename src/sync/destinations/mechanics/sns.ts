import { createPublicKey, createVerify, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { HushError } from '../../../core/errors.js';
import { abortAfter, type Machine } from '../../../core/machine.js';
import type { HttpClient } from '../../http.js';
import { checkClock, forged } from './incoming.js';

export const snsMessage = z.object({
  Type: z.string(),
  MessageId: z.string().min(1),
  TopicArn: z.string(),
  Message: z.string(),
  Timestamp: z.string(),
  SignatureVersion: z.enum(['1', '2']),
  Signature: z.string(),
  SigningCertURL: z.string(),
  Subject: z.string().optional(),
  SubscribeURL: z.string().optional(),
  Token: z.string().optional(),
});
export type SnsMessage = z.infer<typeof snsMessage>;

const HOST = /^sns\.[a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?$/;
const SIGNED = {
  Notification: ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'],
  handshake: ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'],
} as const;

/** Only Amazon's own hosts: whoever chooses the certificate chooses who signed. */
function amazonUrl(text: string, ending: RegExp): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    url?.protocol !== 'https:' ||
    url.port !== '' ||
    url.username !== '' ||
    !HOST.test(url.hostname) ||
    !ending.test(url.pathname)
  ) {
    throw forged('the message names a host that is not of Amazon SNS');
  }
  return url.href;
}

export interface SnsReader {
  /** Throws HushError `unauthorized` unless Amazon signed it for one of `topics` within the window. */
  check(message: SnsMessage, topics: readonly string[], now: number, windowSeconds: number): Promise<void>;
  /** Answers the handshake of a new subscription. */
  confirm(message: SnsMessage): Promise<void>;
}

/**
 * Amazon SNS messages to an HTTPS endpoint. A genuine signature proves Amazon, not us: anybody can subscribe our URL to a
 * topic of theirs, so the topic counts too.
 * @see https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
 */
export function createSnsReader(machine: Pick<Machine, 'after'>, http: HttpClient): SnsReader {
  const keys = new Map<string, KeyObject>();
  const get = (url: string) => http.request({ method: 'GET', url, signal: abortAfter(machine, 10_000) });

  async function keyAt(url: string): Promise<KeyObject> {
    const known = keys.get(url);
    if (known) return known;
    const { text } = await get(url);
    let key: KeyObject;
    try {
      key = createPublicKey(text);
    } catch (error) {
      throw new HushError('unauthorized', 'the signing certificate cannot be read', {}, { cause: error });
    }
    if (keys.size >= 20) keys.clear();
    keys.set(url, key);
    return key;
  }

  return {
    async check(message, topics, now, windowSeconds) {
      if (!topics.includes(message.TopicArn)) throw forged('the message comes from a topic that is not in the catalog');
      checkClock(Date.parse(message.Timestamp), now, windowSeconds);
      const key = await keyAt(amazonUrl(message.SigningCertURL, /\.pem$/));
      const names = message.Type === 'Notification' ? SIGNED.Notification : SIGNED.handshake;
      const text = names
        .flatMap((name) => (message[name] === undefined ? [] : [`${name}\n${message[name]}\n`]))
        .join('');
      const verifier = createVerify(message.SignatureVersion === '1' ? 'RSA-SHA1' : 'RSA-SHA256').update(text);
      if (!verifier.verify(key, message.Signature, 'base64')) throw forged('the signature does not fit the message');
    },
    async confirm(message) {
      await get(amazonUrl(message.SubscribeURL ?? '', /^\/$/));
    },
  };
}
