import fc from 'fast-check';
import { parseReturnedMail } from '../../../src/inbound/mail/parse.js';
import { UNDISCLOSED_RECIPIENT } from '../../../src/inbound/mail/returned.js';
import { type BounceRules, compileBounceRules, loadBounceRules } from '../../../src/inbound/mail/rules.js';
import { processorMs } from '../../support/processor.js';
import { dsn, feedback, message, multipart, ORIGINAL } from './messages.js';

let rules: BounceRules;
beforeAll(async () => {
  rules = await loadBounceRules();
});

const read = (raw: Buffer) => parseReturnedMail(raw, rules);
const kinds = (raw: Buffer) => read(raw).recipients.map((r) => `${r.kind} ${r.address}`);

const FAILED = 'Final-Recipient: rfc822; jane@customer.example\nAction: failed\nStatus: 5.1.1\n';

describe('delivery status notifications (RFC 3464)', () => {
  test('an unknown user is a hard bounce, and the original gives its proof back', () => {
    const mail = read(dsn(`${FAILED}Diagnostic-Code: smtp; 550 5.1.1 <jane@customer.example>: User unknown\n`));
    expect(mail.recipients).toEqual([
      {
        kind: 'hard',
        address: 'jane@customer.example',
        reason: 'userunknown',
        status: '5.1.1',
        action: 'failed',
        diagnostic: '550 5.1.1 <jane@customer.example>: User unknown',
      },
    ]);
    expect(mail.original).toMatchObject({
      messageId: '<campaign-1@brand.example>',
      returnPath: '<bounce+k7q2token@news.brand.example>',
      to: 'jane@customer.example',
      listUnsubscribe: '<https://prefs.brand.example/u/TOKEN>, <mailto:unsubscribe+TOKEN@prefs.brand.example>',
    });
    expect(mail.envelopeTo).toEqual(['bounce+k7q2token@news.brand.example']);
    expect(mail.automatic).toBe('certain');
  });

  test.each([
    ['5.2.2', '552 5.2.2 Mailbox full'],
    ['4.4.1', 'connection timed out'],
    ['5.7.1', '550 5.7.1 Message rejected as spam'],
    ['5.7.26', '550 5.7.26 unauthenticated mail'],
    ['5.3.4', '552 5.3.4 Message too big for system'],
    ['5.2.1', '550 5.2.1 The email account that you tried to reach is disabled'],
    ['5.0.0', 'something nobody has ever said'],
    ['5.1.1', '550 5.1.1 user@x: blocked using bl.example'],
  ])('status %s with "%s" is soft', (status, words) => {
    const fields = `Final-Recipient: rfc822; jane@customer.example\nAction: failed\nStatus: ${status}\nDiagnostic-Code: smtp; ${words}\n`;
    expect(kinds(dsn(fields))).toEqual(['soft jane@customer.example']);
  });

  test.each([
    ['host that does not exist', '5.1.2', '550 5.1.2 Host unknown (Name server: customer.example: host not found)'],
    ['address that has moved', '5.1.6', '550 5.1.6 recipient no longer here'],
    ['domain that takes no mail (RFC 7505)', '5.1.10', '556 5.1.10 Recipient address has null MX'],
  ])('a %s is hard', (_, status, words) => {
    const fields = `Final-Recipient: rfc822; jane@customer.example\nAction: failed\nStatus: ${status}\nDiagnostic-Code: smtp; ${words}\n`;
    expect(kinds(dsn(fields))).toEqual(['hard jane@customer.example']);
  });

  test('several recipients are told apart; success and expansion are no bounces', () => {
    const fields = [
      FAILED,
      'Final-Recipient: rfc822; full@customer.example\nAction: failed\nStatus: 5.2.2\n',
      'Final-Recipient: rfc822; ok@customer.example\nAction: delivered\nStatus: 2.0.0\n',
      'Final-Recipient: rfc822; list@customer.example\nAction: expanded\nStatus: 5.0.0\n',
      'Final-Recipient: rfc822; late@customer.example\nAction: delayed\nStatus: 4.4.1\n',
    ].join('\n');
    expect(kinds(dsn(fields))).toEqual([
      'hard jane@customer.example',
      'soft full@customer.example',
      'soft late@customer.example',
    ]);
  });

  test('a delayed message is still being tried, so it is soft whatever is said', () => {
    const fields = `${FAILED.replace('failed', 'delayed')}Diagnostic-Code: smtp; 450 5.1.1 User unknown\n`;
    expect(kinds(dsn(fields))).toEqual(['soft jane@customer.example']);
  });

  test('the original recipient counts when the final one is no address', () => {
    const fields =
      'Original-Recipient: rfc822; jane+2Bnews@customer.example\nFinal-Recipient: x-local; jane\nAction: failed\nStatus: 5.1.1\n';
    expect(kinds(dsn(fields))).toEqual(['hard jane+news@customer.example']);
  });

  test('an international address is decoded (RFC 6533)', () => {
    const fields = 'Final-Recipient: utf-8; j\\x{F6}rg@customer.example\nAction: failed\nStatus: 5.1.1\n';
    expect(kinds(dsn(fields))).toEqual(['hard jörg@customer.example']);
  });

  test('fields without their MIME parts are still read when a machine sent them', () => {
    const raw = message(
      { From: 'MAILER-DAEMON@mx.customer.example', To: 'x@brand.example', Subject: 'Returned mail' },
      `It failed.\n\nReporting-MTA: dns; mx.customer.example\n\n${FAILED}\n`,
    );
    expect(kinds(raw)).toEqual(['hard jane@customer.example']);
  });

  test('the same words from a person are nothing', () => {
    const raw = message(
      { From: 'Bob <bob@else.example>', To: 'x@brand.example', Subject: 'look at this' },
      `He wrote:\n\n${FAILED}\n`,
    );
    expect(kinds(raw)).toEqual([]);
  });
});

describe('feedback reports (RFC 5965)', () => {
  test.each([
    ['abuse', 'complaint'],
    ['fraud', 'complaint'],
    ['other', 'complaint'],
    ['never-heard-of', 'complaint'],
    ['opt-out', 'opt_out'],
    ['auth-failure', 'other'],
    ['not-spam', 'other'],
  ])('type %s is %s', (type, kind) => {
    expect(kinds(feedback(`Feedback-Type: ${type}\nOriginal-Rcpt-To: <jane@customer.example>\n`))).toEqual([
      `${kind} jane@customer.example`,
    ]);
  });

  test('every Original-Rcpt-To counts', () => {
    const fields = 'Feedback-Type: abuse\nOriginal-Rcpt-To: a@customer.example\nOriginal-Rcpt-To: b@customer.example\n';
    expect(kinds(feedback(fields))).toEqual(['complaint a@customer.example', 'complaint b@customer.example']);
  });

  test('without it, the embedded message names the person; redacted, the token must', () => {
    expect(kinds(feedback('Feedback-Type: abuse\n'))).toEqual(['complaint jane@customer.example']);
    const redacted = read(feedback('Feedback-Type: abuse\n', ORIGINAL.replace('jane@customer.example', '<redacted>')));
    expect(redacted.recipients[0]).toMatchObject({ kind: 'complaint', address: UNDISCLOSED_RECIPIENT });
    expect(redacted.original?.listUnsubscribe).toContain('TOKEN');
  });

  test('a report whose part is mislabelled is still a complaint', () => {
    const raw = multipart('multipart/report; report-type=feedback-report', [
      ['text/plain', 'Feedback-Type: abuse\nOriginal-Rcpt-To: jane@customer.example'],
    ]);
    expect(kinds(raw)).toEqual(['complaint jane@customer.example']);
  });
});

describe('free text', () => {
  const from = (headers: Record<string, string>, body: string) =>
    kinds(message({ 'Return-Path': '<>', To: 'x@brand.example', ...headers }, body));

  test('qmail', () => {
    const body = `Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver your message.\n\n<jane@customer.example>:\n192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 user unknown in RCPT\n\n<full@customer.example>:\nmailbox is over disk quota\n\n--- Below this line is a copy of the message.\n\n${ORIGINAL}\n`;
    expect(from({ From: 'MAILER-DAEMON@mx.example', Subject: 'failure notice' }, body)).toEqual([
      'hard jane@customer.example',
      'soft full@customer.example',
    ]);
  });

  test('Exim', () => {
    const body = `This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\nrecipients. The following address(es) failed:\n\n  jane@customer.example\n    SMTP error from remote mail server after RCPT TO:<jane@customer.example>:\n    550 5.1.1 no such user\n\n------ This is a copy of the message, including all the headers. ------\n\n${ORIGINAL}\n`;
    const headers = {
      From: 'Mail Delivery System <Mailer-Daemon@mx.example>',
      Subject: 'Mail delivery failed: returning message to sender',
    };
    expect(from(headers, body)).toEqual(['hard jane@customer.example']);
  });

  test('Exchange', () => {
    const body =
      'Delivery has failed to these recipients.\n\nDiagnostic information for administrators:\n\nGenerating server: mx.example\n\njane@customer.example\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##\n\nOriginal message headers:\n\nTo: someone@else.example\n';
    expect(from({ From: 'postmaster@mx.example', Subject: 'Undeliverable: Summer' }, body)).toEqual([
      'hard jane@customer.example',
    ]);
  });

  test('Postfix without fields', () => {
    const body =
      'This is the mail system at host mx.example.\n\n                   The mail system\n\n<jane@customer.example>: host mx.customer.example said: 550 5.1.1\n    <jane@customer.example>: User unknown (in reply to RCPT TO command)\n';
    expect(from({ From: 'MAILER-DAEMON@mx.example', Subject: 'Undelivered Mail Returned to Sender' }, body)).toEqual([
      'hard jane@customer.example',
    ]);
  });

  test('Gmail: a stage of 14 is RCPT, but a full mailbox stays soft', () => {
    const headers = {
      From: 'Mail Delivery Subsystem <mailer-daemon@googlemail.com>',
      Subject: 'Delivery Status Notification (Failure)',
    };
    const body = (said: string) =>
      `Delivery to the following recipient failed permanently:\n\n     jane@customer.example\n\nThe error that the other server returned was:\n${said}\n\n----- Original message -----\n\n${ORIGINAL}\n`;
    expect(from(headers, body('550 no such user (state 14).'))).toEqual(['hard jane@customer.example']);
    expect(from(headers, body('552 5.2.2 over quota (state 14).'))).toEqual(['soft jane@customer.example']);
  });

  test('words in ISO-2022-JP', () => {
    const head =
      'From: postmaster@n.example\r\nTo: x@brand.example\r\nSubject: Undeliverable message\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n';
    const japanese = Buffer.from('1b2442252725233c1b2842', 'hex');
    const raw = Buffer.concat([
      Buffer.from(`${head}------- Failure Reasons  --------\r\n\r\n`),
      japanese,
      Buffer.from('\r\njane@customer.example\r\n\r\n------- Returned Message --------\r\n'),
    ]);
    expect(kinds(raw)).toEqual(['soft jane@customer.example']);
  });

  test('a notification of Amazon SES', () => {
    const notification = {
      notificationType: 'Complaint',
      mail: { headers: [{ name: 'List-Unsubscribe', value: '<https://prefs.brand.example/u/T>' }] },
      complaint: { complainedRecipients: [{ emailAddress: 'jane@customer.example' }], complaintFeedbackType: 'abuse' },
    };
    const raw = message(
      { From: 'no-reply@sns.amazonaws.com', Subject: 'AWS Notification Message' },
      JSON.stringify(notification),
    );
    expect(kinds(raw)).toEqual(['complaint jane@customer.example']);
  });
});

describe('mail that says nothing about us', () => {
  test('a vacation reply is an auto reply, whatever it says', () => {
    const raw = message(
      {
        From: 'Jane <jane@customer.example>',
        To: 'x@brand.example',
        Subject: 'Out of office: Summer',
        'Auto-Submitted': 'auto-replied',
      },
      'I no longer work here. 550 5.1.1 user unknown',
    );
    expect(kinds(raw)).toEqual(['auto_reply jane@customer.example']);
  });

  test('an ordinary reply has no recipients', () => {
    const mail = read(
      message(
        {
          From: 'jane@customer.example',
          To: 'Unsub <unsubscribe+TOKEN@prefs.brand.example>',
          Subject: '=?utf-8?Q?Gr=C3=BC=C3=9Fe?=',
        },
        'Please stop. My friend at <bob@else.example>: user unknown',
      ),
    );
    expect(mail).toMatchObject({
      recipients: [],
      subject: 'Grüße',
      envelopeTo: ['unsubscribe+token@prefs.brand.example'],
      automatic: 'no',
    });
  });
});

describe('hostile mail', () => {
  test('a truncated report gives what is there', () => {
    const whole = dsn(FAILED);
    expect(kinds(whole.subarray(0, whole.indexOf('message/rfc822')))).toEqual(['hard jane@customer.example']);
  });

  test('a MIME bomb of 1000 levels is cut', () => {
    let body = 'deep';
    for (let level = 1000; level > 0; level--) {
      body = `--b${level}\nContent-Type: multipart/mixed; boundary=b${level + 1}\n\n${body}`;
    }
    const bomb = message({ From: 'a@b.example', 'Content-Type': 'multipart/mixed; boundary=b1' }, body);
    expect(processorMs(() => expect(kinds(bomb)).toEqual([]))).toBeLessThan(5000);
  });

  test.each([
    ['one line of 10 MB', Buffer.alloc(10 * 1024 * 1024, 'a')],
    [
      'brackets without end',
      message({ From: 'MAILER-DAEMON@x.example', Subject: 'failure notice' }, '<'.repeat(900_000)),
    ],
    ['a header of encoded words', message({ Subject: '=?utf-8?Q?'.repeat(60_000) }, '')],
    ['spaces and dots', dsn(`${FAILED}Diagnostic-Code: smtp; ${'5.1.'.repeat(50_000)} ${' '.repeat(200_000)}`)],
    ['style sheets without end', message({ 'Content-Type': 'text/html' }, '<style><'.repeat(120_000))],
    ['100,000 parts', message({ 'Content-Type': 'multipart/mixed; boundary=x' }, '--x\n\na\n'.repeat(100_000))],
  ])('%s is read in a bounded time', (_, raw) => {
    expect(processorMs(() => read(raw))).toBeLessThan(5000);
  });

  test('NUL bytes hide nothing and break nothing', () => {
    const raw = Buffer.from(dsn(FAILED).toString('latin1').replace('Final-Recipient', 'Final\0-Recipient'), 'latin1');
    expect(kinds(raw)).toEqual(['hard jane@customer.example']);
  });

  test('no address or value carries a line end', () => {
    const mail = read(
      dsn('Final-Recipient: rfc822; jane@customer.example\r\n\r\nBcc: evil@x.example\nAction: failed\nStatus: 5.1.1\n'),
    );
    for (const recipient of mail.recipients) expect(recipient.address).not.toMatch(/[\r\n]/);
    const subject = read(
      message({ Subject: '=?utf-8?Q?a=0D=0ABcc:_evil@x.example?=', From: 'a@b.example' }, ''),
    ).subject;
    expect(subject).not.toMatch(/[\r\n]/);
  });

  test('arbitrary bytes never throw and never silence anybody', () => {
    const scrap = fc.constantFrom(
      '\r\n',
      '\r\n\r\n',
      'Content-Type: multipart/report; boundary=x',
      '--x',
      '<a@b.example>:',
      'Subject: failure notice',
      '=?utf-8?Q?=0A',
      '\0',
      'Status: 5.1.1',
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.array(fc.oneof(scrap, fc.string())), (bytes, scraps) => {
        for (const raw of [Buffer.from(bytes), Buffer.from(scraps.join(''))]) {
          expect(read(raw).recipients.filter((r) => r.kind === 'hard' || r.kind === 'complaint')).toEqual([]);
        }
      }),
    );
  });
});

test('a mistake in the rules is named', () => {
  expect(() => compileBounceRules('kinds: { hard: [x] }')).toThrow(/bounce-rules\.yaml/);
});
