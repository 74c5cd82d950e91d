import { message } from './mail/messages.js';

let number = 0;
const messageId = () => `<${++number}.${Math.random().toString(36).slice(2)}@mx.example>`;

export interface Sent {
  readonly headers: { readonly 'List-Unsubscribe': string };
  readonly returnPath: string;
}

/** Our own message as it comes back; without `sent` somebody else's. */
export function original(to: string, sent?: Sent): string {
  return [
    ...(sent ? [`Return-Path: <${sent.returnPath}>`] : []),
    'From: JM Facets <hello@jmf.example>',
    `To: ${to}`,
    'Subject: Spring offers',
    'Message-ID: <campaign-7@jmf.example>',
    ...(sent ? [`List-Unsubscribe: ${sent.headers['List-Unsubscribe']}`] : []),
  ].join('\n');
}

function report(kind: string, to: string, parts: readonly (readonly [string, string])[], id = messageId()): Buffer {
  const boundary = 'part-of-it';
  const body = parts.map(([type, text]) => `--${boundary}\nContent-Type: ${type}\n\n${text}\n`).join('');
  return message(
    {
      From: 'Mail Delivery System <MAILER-DAEMON@mx.customer.example>',
      To: to,
      Subject: 'Undelivered Mail Returned to Sender',
      'Message-ID': id,
      'Auto-Submitted': 'auto-replied',
      'Content-Type': `multipart/report; report-type=${kind}; boundary="${boundary}"`,
    },
    `${body}--${boundary}--\n`,
  );
}

/** RFC 3464 */
export function bounce(options: {
  readonly recipient: string;
  readonly to: string;
  readonly status?: string;
  readonly words?: string;
  readonly returned?: string;
  readonly id?: string;
}): Buffer {
  const status = options.status ?? '5.1.1';
  const words = options.words ?? '550 5.1.1 User unknown';
  return report(
    'delivery-status',
    options.to,
    [
      ['text/plain', `Your message could not be delivered: ${words}`],
      [
        'message/delivery-status',
        `Reporting-MTA: dns; mx.customer.example\n\nFinal-Recipient: rfc822; ${options.recipient}\nAction: failed\nStatus: ${status}\nDiagnostic-Code: smtp; ${words}`,
      ],
      ['message/rfc822', `${options.returned ?? original(options.recipient)}\n\nHello`],
    ],
    options.id,
  );
}

/** RFC 5965 */
export function complaint(options: {
  readonly recipient?: string;
  readonly returned: string;
  readonly to?: string;
  readonly type?: string;
}): Buffer {
  return report('feedback-report', options.to ?? 'fbl@preferences.jminsure.example', [
    ['text/plain', 'This is an abuse report.'],
    [
      'message/feedback-report',
      `User-Agent: Loop/1\nVersion: 1\nFeedback-Type: ${options.type ?? 'abuse'}${options.recipient ? `\nOriginal-Rcpt-To: ${options.recipient}` : ''}`,
    ],
    ['message/rfc822', `${options.returned}\n\nHello`],
  ]);
}

/** A mail somebody wrote. */
export function written(options: {
  readonly from: string;
  readonly to: string;
  readonly subject?: string;
  readonly body?: string;
  readonly id?: string;
  readonly headers?: Record<string, string>;
}): Buffer {
  return message(
    {
      From: options.from,
      To: options.to,
      Subject: options.subject ?? 'unsubscribe',
      'Message-ID': options.id ?? messageId(),
      ...options.headers,
    },
    options.body ?? 'please',
  );
}
