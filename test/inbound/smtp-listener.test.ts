import { connect } from 'node:net';
import nodemailer from 'nodemailer';
import { HushError } from '../../src/core/errors.js';
import { MissingKeyError } from '../../src/core/seal.js';
import { admit, type SmtpListener, startSmtpListener } from '../../src/inbound/smtp-listener.js';
import { until } from '../support/until.js';
import { CERTIFICATE } from './certificate.js';
import { bounce, complaint, original, written } from './letters.js';
import { DOMAIN, emailOf, type Inbound, openInbound } from './setting.js';

let inbound: Inbound;
let listener: SmtpListener;
const HOST = '127.0.0.1';

const listen = (options: Partial<Parameters<typeof startSmtpListener>[0]> = {}) =>
  startSmtpListener({ port: 0, host: HOST, domain: DOMAIN, mailIn: inbound.mailIn, log: inbound.log, ...options });

beforeAll(async () => {
  inbound = await openInbound();
  listener = await listen();
});
afterAll(async () => {
  await listener.stop();
  await inbound.close();
});

async function send(raw: Buffer, to: string | string[], options: object = {}, port = listener.port) {
  const transport = nodemailer.createTransport({ host: HOST, port, ignoreTLS: true, ...options });
  try {
    return await transport.sendMail({ envelope: { from: '', to }, raw });
  } finally {
    transport.close();
  }
}

/**
 * Speaks SMTP by hand, a line after each reply; gives back all that was answered. It hangs up after the reply to the last line,
 * or as soon as that is sent, or waits until the server does.
 */
function talk(lines: readonly string[], port = listener.port, end: 'replied' | 'sent' | 'server' = 'replied') {
  return new Promise<string>((resolve) => {
    const socket = connect(port, HOST);
    let answer = '';
    let next = 0;
    socket.on('data', (chunk) => {
      answer += chunk;
      // A reply is whole with a line that has a blank after its code.
      if (!/(^|\n)\d{3} [^\n]*\n$/.test(answer)) return;
      const line = lines[next++];
      const hangUp = () => socket.destroy();
      if (line !== undefined) socket.write(`${line}\r\n`, next === lines.length && end === 'sent' ? hangUp : undefined);
      else if (end === 'replied') hangUp();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
  });
}

test('a mail program’s unsubscribe is durable when it is answered with 250', async () => {
  const { mailto } = inbound.sent('ann@customer.example');
  const info = await send(written({ from: 'ann@customer.example', to: mailto }), mailto);
  expect(info.response).toMatch(/^250 2\.0\.0/);
  expect((await inbound.decide(emailOf('ann@customer.example'))).reason).toBe('opted_out');
});

test('a complaint to the CFBL-Address of a message is recorded', async () => {
  const { headers } = inbound.sent('cora@customer.example');
  const address = headers['CFBL-Address'].split(';')[0] ?? '';
  await send(complaint({ returned: original('undisclosed-recipients:;') }), address);
  expect((await inbound.decide(emailOf('cora@customer.example'))).reason).toBe('complained');
});

test('a bounce to a VERP address in another letter case is recorded', async () => {
  const { returnPath } = inbound.sent('bob@customer.example');
  await send(bounce({ recipient: 'bob@customer.example', to: returnPath }), returnPath.toUpperCase());
  expect((await inbound.decide(emailOf('bob@customer.example'))).reason).toBe('undeliverable');
});

test('mail for anybody else is refused at RCPT: nothing is relayed, no token can be guessed', async () => {
  const { mailto } = inbound.sent('carl@customer.example');
  for (const to of [
    'somebody@elsewhere.example',
    `carl@${DOMAIN}`,
    mailto.replace(DOMAIN, 'elsewhere.example'),
    mailto.replace(/.@/, (end) => (end[0] === '0' ? '1@' : '0@')),
    `bounce+x@${DOMAIN}`,
    `"unsubscribe"@elsewhere.example`,
  ]) {
    await expect(send(written({ from: 'carl@customer.example', to }), to)).rejects.toMatchObject({ responseCode: 550 });
  }
  expect(await inbound.events(emailOf('carl@customer.example'))).toEqual([]);
  for (const name of ['unsubscribe', 'bounces', 'fbl', 'abuse', 'postmaster']) {
    expect(await talk(['EHLO x', 'MAIL FROM:<>', `RCPT TO:<${name}@${DOMAIN}>`, 'QUIT'])).toContain('250 Accepted');
  }
});

test('it has no sign-in, and no STARTTLS without a certificate of its own', async () => {
  const answer = await talk(['EHLO x', 'STARTTLS', 'AUTH PLAIN AGEAYg==', 'QUIT']);
  expect(answer).not.toMatch(/250[- ](STARTTLS|AUTH)/);
  expect(answer).toMatch(/250[- ]SIZE 10485760/);
  expect(answer.match(/^(500|502|503|538)/gm)?.length).toBeGreaterThanOrEqual(2);
});

test('with a certificate it offers STARTTLS, and a renewed one takes its place', async () => {
  const secure = await listen({ tls: CERTIFICATE });
  try {
    const options = { ignoreTLS: false, requireTLS: true, tls: { ca: [CERTIFICATE.cert], servername: DOMAIN } };
    const { mailto } = inbound.sent('dora@customer.example');
    secure.useCertificate(CERTIFICATE);
    await send(written({ from: 'dora@customer.example', to: mailto }), mailto, options, secure.port);
    expect((await inbound.decide(emailOf('dora@customer.example'))).reason).toBe('opted_out');
  } finally {
    await secure.stop();
  }
});

test('too large a message is refused by its announced size, and by its real one', async () => {
  const small = await listen({ maxBytes: 20_000 });
  try {
    const { mailto } = inbound.sent('emil@customer.example');
    const announced = ['EHLO x', 'MAIL FROM:<> SIZE=20001', 'QUIT'];
    expect(await talk(announced, small.port)).toMatch(/^552/m);
    const large = ['EHLO x', 'MAIL FROM:<>', `RCPT TO:<${mailto}>`, 'DATA', `${'x'.repeat(30_000)}\r\n.`, 'QUIT'];
    expect(await talk(large, small.port)).toMatch(/^552 5\.3\.4/m);
    expect(await inbound.events(emailOf('emil@customer.example'))).toEqual([]);
    await send(written({ from: 'emil@customer.example', to: mailto }), mailto, {}, small.port);
    expect(await inbound.events(emailOf('emil@customer.example'))).toHaveLength(1);
  } finally {
    await small.stop();
  }
});

test('a message of 50 MB leaves it healthy', async () => {
  const { mailto } = inbound.sent('fred@customer.example');
  const before = process.memoryUsage().rss;
  const lines = [
    'EHLO x',
    'MAIL FROM:<>',
    `RCPT TO:<${mailto}>`,
    'DATA',
    `${`${'x'.repeat(998)}\r\n`.repeat(50_000)}.`,
    'QUIT',
  ];
  expect(await talk(lines, listener.port, 'server')).toMatch(/^552/m);
  expect(process.memoryUsage().rss - before).toBeLessThan(400 * 1024 * 1024);
  await send(written({ from: 'fred@customer.example', to: mailto }), mailto);
  expect(await inbound.events(emailOf('fred@customer.example'))).toHaveLength(1);
});

test('while the record cannot be reached, and after a bug, the sender is told to come again: never 250', async () => {
  for (const error of [
    new HushError('unavailable', 'away'),
    new HushError('rate_limited', 'many'),
    new Error('a bug'),
  ]) {
    const failing = await listen({
      mailIn: { ...inbound.mailIn, receive: () => Promise.reject(error) },
    });
    try {
      const { mailto } = inbound.sent('gina@customer.example');
      const sending = send(written({ from: 'gina@customer.example', to: mailto }), mailto, {}, failing.port);
      await expect(sending).rejects.toMatchObject({ responseCode: 451 });
    } finally {
      await failing.stop();
    }
  }
});

test('a token that only a process with another root can open is a 451, and ours are taken meanwhile', async () => {
  const lacking = await listen({
    mailIn: { ...inbound.mailIn, requireKeys: () => Promise.reject(new MissingKeyError(2)) },
  });
  const { mailto } = inbound.sent('ivy@customer.example');
  const other = mailto.replace(/\+./, (found) => (found === '+0' ? '+1' : '+0'));
  try {
    const mail = written({ from: 'ivy@customer.example', to: other });
    await expect(send(mail, other, {}, lacking.port)).rejects.toMatchObject({ responseCode: 451 });
    await expect(send(mail, 'nobody@elsewhere.example', {}, lacking.port)).rejects.toMatchObject({ responseCode: 550 });
    expect(
      (await send(written({ from: 'ivy@customer.example', to: mailto }), mailto, {}, lacking.port)).response,
    ).toMatch(/^250/);
  } finally {
    await lacking.stop();
  }
});

test('a store that is gone is a 451 for every kind of message', async () => {
  const gone = await openInbound();
  const at = await listen({ mailIn: gone.mailIn });
  const sent = gone.sent('gina@customer.example');
  await gone.connection.dropDatabase();
  await gone.connection.close();
  try {
    for (const [raw, to] of [
      [written({ from: 'gina@customer.example', to: sent.mailto }), sent.mailto],
      [written({ from: 'gina@customer.example', to: `unsubscribe@${DOMAIN}` }), `unsubscribe@${DOMAIN}`],
      [bounce({ recipient: 'gina@customer.example', to: sent.returnPath }), sent.returnPath],
      [bounce({ recipient: 'gina@customer.example', to: `bounces@${DOMAIN}` }), `bounces@${DOMAIN}`],
    ] as const) {
      await expect(send(raw, to, {}, at.port)).rejects.toMatchObject({ responseCode: 451 });
      await expect(gone.mailIn.receive(raw, { via: 'api' })).rejects.toMatchObject({ kind: 'unavailable' });
    }
  } finally {
    await at.stop();
  }
});

test.each(['jane..doe@docomo.ne.jp', 'jane.@ezweb.ne.jp', '.jane@ezweb.ne.jp', 'jane@sub_domain.example.com'])(
  'a mail from %s, which no RFC allows and phones send from, unsubscribes',
  async (from) => {
    const { mailto } = inbound.sent(from);
    const answer = await talk([
      'EHLO x',
      `MAIL FROM:<${from}>`,
      `RCPT TO:<${mailto}>`,
      'DATA',
      `From: ${from}\r\nTo: ${mailto}\r\nSubject: unsubscribe\r\n\r\nplease\r\n.`,
      'QUIT',
    ]);
    expect(answer).toMatch(/^221 /m);
    expect(answer).not.toMatch(/^[45]\d\d/m);
    expect((await inbound.decide(emailOf(from))).reason).toBe('opted_out');
  },
);

test('a message that breaks off before its end is not taken', async () => {
  const { mailto } = inbound.sent('hans@customer.example');
  await talk(
    ['EHLO x', 'MAIL FROM:<>', `RCPT TO:<${mailto}>`, 'DATA', 'Subject: unsubscribe\r\n\r\nplease'],
    listener.port,
    'sent',
  );
  // What the listener learns of this connection comes after the end of the other.
  expect(await talk(['EHLO x', 'QUIT'])).toMatch(/^221 /m);
  expect(await inbound.events(emailOf('hans@customer.example'))).toEqual([]);
});

test('a connection that is silent, or goes on for ever, is ended', async () => {
  const NEVER = 600_000;
  const impatient = await listen({ times: { silence: 200, lifetime: NEVER } });
  const mortal = await listen({ times: { silence: NEVER, lifetime: 600 } });
  try {
    expect(await talk([], impatient.port, 'server')).toMatch(/421/);
    await new Promise<void>((resolve) => {
      const socket = connect(mortal.port, HOST);
      const timer = setInterval(() => socket.write('NOOP\r\n'), 50);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        clearInterval(timer);
        resolve();
      });
    });
  } finally {
    await Promise.all([impatient.stop(), mortal.stop()]);
  }
});

test('one address gets ten connections at once', async () => {
  const sockets = Array.from({ length: 12 }, () => connect(listener.port, HOST));
  const greetings = await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<string>((resolve) => {
          socket.once('data', (data) => resolve(String(data)));
          // A refusal that is closed at once may be reset before it was read.
          socket.once('error', () => resolve('closed')).once('close', () => resolve('closed'));
        }),
    ),
  );
  expect(greetings.filter((line) => line.startsWith('220'))).toHaveLength(10);
  for (const line of greetings.filter((one) => !one.startsWith('220'))) expect(line).toMatch(/^(421|closed)/);
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve) => {
          // Those that were refused may be closed already, and say so only once.
          if (socket.closed) resolve();
          else socket.destroy().once('close', () => resolve());
        }),
    ),
  );
  await until(async () => /^220/.test(await talk(['QUIT'])));
});

test('the same report delivered by several connections at once is one event', async () => {
  const jane = 'ida@customer.example';
  const sent = inbound.sent(jane);
  const raw = bounce({ recipient: jane, to: sent.returnPath, returned: original(jane, sent) });
  await Promise.all(Array.from({ length: 5 }, () => send(raw, sent.returnPath)));
  await inbound.project();
  expect(await inbound.events(emailOf(jane))).toHaveLength(1);
});

test('an address has ten connections, and may connect again when one of them has ended', () => {
  const connections = new Map<string, string>();
  for (let n = 0; n < 10; n++) expect(admit(connections, `s${n}`, '192.0.2.1')).toBeUndefined();
  expect(admit(connections, 's10', '192.0.2.1')?.message).toContain('Too many connections');
  expect(connections.has('s10')).toBe(false);
  expect(admit(connections, 'other', '192.0.2.2')).toBeUndefined();
  connections.delete('s3');
  expect(admit(connections, 's11', '192.0.2.1')).toBeUndefined();
});
