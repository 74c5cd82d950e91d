import nodemailer from 'nodemailer';
import { ConfigError } from '../config/yaml-file.js';
import { abortAfter, type Machine } from '../core/machine.js';
import type { MailboxStore } from '../store/mailbox.js';
import type { ComposedMail } from './compose.js';
import { encryptedMessage } from './encrypted.js';

/**
 * Why a mail was not taken. `code` is safe to log: a reply code and enhanced status (`smtp_550_5.1.1`) or a connection
 * fault (`etimedout`), never the server's words, which repeat the address.
 */
export class MailFault extends Error {
  override name = 'MailFault';
  constructor(
    /** `refused`: this mail will never be taken. `later`: it may be. `away`: the server takes none right now. */
    readonly kind: 'refused' | 'later' | 'away',
    readonly code: string,
  ) {
    super(`mail not taken: ${code}`);
  }
}

export interface MailTransport {
  /** Resolves when the mail was taken. Throws MailFault. */
  send(mail: ComposedMail): Promise<void>;
  close(): Promise<void>;
}

/** RFC 5321 §4.5.3.2 allows minutes; a server this slow is tried again instead of holding a lane. */
const CONNECT_MS = 10_000;
const SILENCE_MS = 30_000;
/** Everything together; shorter than the outbox's lease. */
export const SEND_MS = 60_000;

/** Replies that say our own login or setup is wrong (RFC 4954 §6): no fault of the mail. */
const OUR_LOGIN = new Set([530, 534, 535, 538]);

/** Reads what nodemailer throws. */
export function mailFault(error: unknown): MailFault {
  const field = (name: string): unknown =>
    error instanceof Error && name in error ? Reflect.get(error, name) : undefined;
  const code = field('code');
  const reply = field('responseCode');
  const response = field('response');
  const name = typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code) ? code : 'unknown';
  if (typeof reply !== 'number') return new MailFault('away', name.toLowerCase());
  const status = typeof response === 'string' ? /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})\b/.exec(response)?.[1] : undefined;
  const coded = `smtp_${reply}${status === undefined ? '' : `_${status}`}`;
  // Only replies to the envelope or the message are about this mail; the others are about the connection. A 421 closes it.
  if ((name !== 'EENVELOPE' && name !== 'EMESSAGE') || reply === 421 || OUR_LOGIN.has(reply))
    return new MailFault('away', coded);
  return new MailFault(reply >= 500 ? 'refused' : 'later', coded);
}

function messageOf(mail: ComposedMail) {
  const { 'Message-ID': messageId, ...headers } = mail.headers;
  return {
    from: { name: mail.from.name, address: mail.from.address },
    to: { name: '', address: mail.to },
    envelope: { from: mail.from.address, to: [mail.to] },
    subject: mail.subject,
    text: mail.text,
    html: mail.html,
    headers: { ...headers },
    ...(messageId === undefined ? {} : { messageId }),
    // A template cannot make this process read a file or fetch a page.
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

/** What nodemailer is given: fields, or the finished message where it is encrypted. */
async function mailOf(machine: Machine, mail: ComposedMail) {
  const message = messageOf(mail);
  if (mail.encrypted === undefined) return message;
  const outer = { ...message, text: '', html: undefined };
  return { envelope: message.envelope, raw: await encryptedMessage(machine, outer, mail.encrypted) };
}

/**
 * SMTP by URL: `smtps://user:password@host:465`, or `smtp://host:587` with STARTTLS where the server has it;
 * `?requireTLS=true` insists, `?tls.rejectUnauthorized=false` accepts any certificate.
 */
function createSmtpTransport(url: string, machine: Machine): MailTransport {
  if (!/^smtps?:\/\/[^/]/.test(url)) {
    throw new ConfigError('SMTP_URL is not a mail server. Write smtps://user:password@host:465 or smtp://host:587.');
  }
  const transporter = nodemailer.createTransport({
    url,
    pool: true,
    maxConnections: 5,
    // The outbox retries; a message requeued here could be sent twice unseen.
    maxRequeues: 0,
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    dnsTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
  });
  return {
    async send(mail) {
      try {
        await transporter.sendMail({ ...(await mailOf(machine, mail)), signal: abortAfter(machine, SEND_MS) });
      } catch (error) {
        throw mailFault(error);
      }
    },
    async close() {
      transporter.close();
    },
  };
}

/** Keeps mails for the mailbox page instead of sending them. */
function createMailboxTransport(mailbox: MailboxStore, now: () => number, machine: Machine): MailTransport {
  const transporter = nodemailer.createTransport({ streamTransport: true, buffer: true });
  return {
    async send(mail) {
      const { message } = await transporter.sendMail(await mailOf(machine, mail));
      if (!Buffer.isBuffer(message)) throw new TypeError('expected the message as bytes');
      await mailbox.keep({
        at: new Date(now()),
        to: mail.to,
        from: mail.from.address,
        subject: mail.subject,
        raw: message,
      });
    },
    async close() {
      transporter.close();
    },
  };
}

/** SMTP where there is a URL, else the mailbox. Throws ConfigError for a URL that is no mail server. */
export function createTransport(parts: {
  readonly smtpUrl: string | undefined;
  readonly mailbox: MailboxStore;
  readonly now: () => number;
  readonly machine: Machine;
}): MailTransport {
  return parts.smtpUrl === undefined
    ? createMailboxTransport(parts.mailbox, parts.now, parts.machine)
    : createSmtpTransport(parts.smtpUrl, parts.machine);
}
