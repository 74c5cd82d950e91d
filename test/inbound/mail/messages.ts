/** Messages of our own writing, as the formats describe them. */

export function message(headers: Record<string, string>, body: string): Buffer {
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return Buffer.from([...head, '', body].join('\r\n').replace(/\r?\n/g, '\r\n'), 'utf8');
}

export const ORIGINAL = [
  'Return-Path: <bounce+k7q2token@news.brand.example>',
  'Received: by mx.brand.example; Tue, 1 Jul 2025 09:00:00 +0000',
  'From: Brand <news@brand.example>',
  'To: jane@customer.example',
  'Subject: Summer',
  'Message-ID: <campaign-1@brand.example>',
  'List-Unsubscribe: <https://prefs.brand.example/u/TOKEN>,',
  ' <mailto:unsubscribe+TOKEN@prefs.brand.example>',
].join('\n');

export function multipart(kind: string, parts: readonly (readonly [type: string, text: string])[]): Buffer {
  const boundary = 'b0undary';
  const body = parts.map(([type, text]) => `--${boundary}\nContent-Type: ${type}\n\n${text}\n`).join('');
  return message(
    {
      'Return-Path': '<>',
      'Delivered-To': 'bounce+k7q2token@news.brand.example',
      From: 'Mail Delivery System <MAILER-DAEMON@mx.customer.example>',
      To: 'bounce+k7q2token@news.brand.example',
      Subject: 'Undelivered Mail Returned to Sender',
      'Auto-Submitted': 'auto-replied',
      'Content-Type': `${kind}; boundary="${boundary}"`,
    },
    `${body}--${boundary}--\n`,
  );
}

export function dsn(fields: string, words = 'Your message could not be delivered.'): Buffer {
  return multipart('multipart/report; report-type=delivery-status', [
    ['text/plain; charset=utf-8', words],
    ['message/delivery-status', `Reporting-MTA: dns; mx.customer.example\n\n${fields}`],
    ['message/rfc822', `${ORIGINAL}\n\nHello`],
  ]);
}

export function feedback(fields: string, original = ORIGINAL): Buffer {
  return multipart('multipart/report; report-type=feedback-report', [
    ['text/plain', 'This is an email abuse report for an email message received from IP 192.0.2.1.'],
    ['message/feedback-report', `User-Agent: Loop/1\nVersion: 1\n${fields}`],
    ['message/rfc822', `${original}\n\nHello`],
  ]);
}
