import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { simpleParser } from 'mailparser';
import type { Connection } from 'mongoose';
import { machine } from '../../src/machine.js';
import { createTransport, type MailTransport, mailFault } from '../../src/mail/transport.js';
import { createMailboxStore } from '../../src/store/mailbox.js';
import { addressText, composer, nobody, openDatabase, smtpPeer, VALUES } from './setting.js';

let connection: Connection;
const opened: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  connection = await openDatabase('hush_test_mail_transport');
});
afterAll(() => connection.close());
afterEach(async () => {
  await Promise.all(opened.splice(0).map((thing) => thing.stop()));
});

const mailbox = (most?: number) => {
  connection.deleteModel(/Mailbox/);
  return createMailboxStore(connection, most === undefined ? {} : { most });
};
function transportTo(smtpUrl: string | undefined, store = mailbox()): MailTransport {
  const transport = createTransport({ smtpUrl, mailbox: store, now: Date.now, machine });
  opened.unshift({ stop: () => transport.close() });
  return transport;
}
async function peerWith(...options: Parameters<typeof smtpPeer>) {
  const peer = await smtpPeer(...options);
  opened.push(peer);
  return peer;
}
const mail = (to = 'ana@example.com', language = 'es') =>
  composer.compose({
    template: 'change-confirmation',
    language,
    brand: 'jmf',
    to,
    values: VALUES,
    id: 'change:1',
    headers: { 'X-Note': 'a note' },
  });

test('a mail arrives by SMTP as it was composed', async () => {
  const peer = await peerWith();
  const sent = mail();
  await transportTo(peer.url).send(sent);
  const [arrived] = peer.received;
  expect(arrived?.to).toEqual(['ana@example.com']);
  expect(arrived?.mail.subject).toBe('Sus preferencias en JM Facets cambiaron');
  expect(addressText(arrived?.mail.to)).toBe('ana@example.com');
  expect(addressText(arrived?.mail.from)).toBe('"JM Facets" <hello@jmf.example>');
  expect(arrived?.mail.messageId).toBe(sent.headers['Message-ID']);
  expect(arrived?.mail.headers.get('auto-submitted')).toBe('auto-generated');
  expect(arrived?.mail.headers.get('x-note')).toBe('a note');
  expect(arrived?.mail.text?.trim()).toBe(sent.text.trim());
  expect(String(arrived?.mail.html).replace(/\s+/g, ' ').trim()).toBe(sent.html.replace(/\s+/g, ' ').trim());
  expect(arrived?.mail.attachments).toEqual([]);
});

test('an unusual address reaches the server whole', async () => {
  const peer = await peerWith();
  const transport = transportTo(peer.url);
  const given = ['josé@example.com', "o'neil+x=y@example.com", '"a,b"@example.com', `${'x'.repeat(130)}@example.com`];
  for (const to of [...given, 'jane.@ezweb.ne.jp']) await transport.send(mail(to));
  // Each is one recipient; a dot at the end needs quotes on the wire (RFC 5321 §4.1.2).
  expect(peer.received.map(({ to }) => to)).toEqual([...given, '"jane."@ezweb.ne.jp'].map((to) => [to]));
});

test('many mails share a few connections', async () => {
  let connections = 0;
  const peer = await peerWith({
    disabledCommands: ['AUTH', 'STARTTLS'],
    onConnect: (_session, done) => {
      connections++;
      done();
    },
  });
  const transport = transportTo(peer.url);
  await Promise.all(Array.from({ length: 40 }, () => transport.send(mail())));
  expect(peer.received).toHaveLength(40);
  expect(connections).toBeLessThanOrEqual(5);
});

test('STARTTLS is used where the server has it, and insisted on where the URL says so', async () => {
  const modern = await peerWith({ disabledCommands: ['AUTH'] });
  await transportTo(`${modern.url}?tls.rejectUnauthorized=false`).send(mail());
  expect(modern.received[0]?.secure).toBe(true);
  await expect(transportTo(modern.url).send(mail())).rejects.toMatchObject({ kind: 'away' });
  const old = await peerWith();
  await expect(transportTo(`${old.url}?requireTLS=true`).send(mail())).rejects.toMatchObject({ kind: 'away' });
  expect(old.attempts).toBe(0);
});

test('a fault says whether to try again, in a code that holds no address', async () => {
  const peer = await peerWith();
  const transport = transportTo(peer.url);
  peer.answer = { code: 451, text: '4.7.1 greylisted, try later' };
  await expect(transport.send(mail())).rejects.toMatchObject({ kind: 'later', code: 'smtp_451_4.7.1' });
  peer.answer = { code: 550, text: '5.1.1 no such user' };
  const fault = await transport.send(mail()).catch((error: unknown) => error);
  expect(fault).toMatchObject({ kind: 'refused', code: 'smtp_550_5.1.1' });
  expect(JSON.stringify([String(fault), fault])).not.toContain('example.com');
  await expect(transportTo(await nobody()).send(mail())).rejects.toMatchObject({ kind: 'away' });
});

test('a wrong password of ours is no fault of the mail', async () => {
  const peer = await peerWith({
    disabledCommands: ['STARTTLS'],
    allowInsecureAuth: true,
    onAuth: (_auth, _session, done) => done(new Error('no')),
  });
  const transport = transportTo(peer.url.replace('smtp://', 'smtp://hush:wrong@'));
  await expect(transport.send(mail())).rejects.toMatchObject({ kind: 'away', code: 'smtp_535' });
  expect(
    mailFault(
      Object.assign(new Error('x'), { code: 'EENVELOPE', responseCode: 530, response: '530 5.7.0 login first' }),
    ),
  ).toMatchObject({ kind: 'away' });
  expect(mailFault(new Error('ana@example.com'))).toMatchObject({ kind: 'away', code: 'unknown' });
});

test('a URL that is no mail server is refused without repeating its password', () => {
  expect(() =>
    createTransport({ smtpUrl: 'https://user:pa55word@host', mailbox: mailbox(), now: Date.now, machine }),
  ).toThrow(expect.objectContaining({ name: 'ConfigError', message: expect.not.stringContaining('pa55word') }));
});

test('without a mail server mail is kept in the mailbox, newest first, to be read whole', async () => {
  const store = mailbox();
  const transport = transportTo(undefined, store);
  await transport.send(mail('first@example.com'));
  await transport.send(mail('second@example.com', 'en'));
  const list = await store.list();
  expect(list.map(({ to, subject }) => [to, subject])).toEqual([
    ['second@example.com', 'Your choices at JM Facets have changed'],
    ['first@example.com', 'Sus preferencias en JM Facets cambiaron'],
  ]);
  const message = await store.get(list[0]?.id ?? '');
  const parsed = await simpleParser(message?.raw ?? '');
  expect(parsed.text).toContain(VALUES.undoLink);
  expect(addressText(parsed.to)).toBe('second@example.com');
  expect(await store.get('nonsense')).toBeUndefined();
  expect(await store.get('0'.repeat(24))).toBeUndefined();
});

test('the mailbox keeps its newest mails only, and those for a week', async () => {
  const store = mailbox(3);
  const transport = transportTo(undefined, store);
  for (const name of ['a', 'b', 'c', 'd', 'e']) await transport.send(mail(`${name}@example.com`));
  expect((await store.list()).map(({ to }) => to[0])).toEqual(['e', 'd', 'c']);
  const [model] = store.models;
  expect(await model.listIndexes()).toContainEqual(
    expect.objectContaining({ key: { at: 1 }, expireAfterSeconds: 604_800 }),
  );
});
