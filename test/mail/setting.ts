import { createServer } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type AddressObject, type ParsedMail, simpleParser } from 'mailparser';
import type { Connection } from 'mongoose';
import { pino } from 'pino';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { readCatalog } from '../../src/config/catalog.js';
import { keyringFromSecret } from '../../src/core/keys.js';
import { machine } from '../../src/machine.js';
import { createComposer } from '../../src/mail/compose.js';
import { connectStore } from '../../src/store/connect.js';
import { createMailboxStore } from '../../src/store/mailbox.js';
import { createOutboxStore } from '../../src/store/outbox.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const FOLDERS = { templatesDir: path.join(ROOT, 'templates'), localesDir: path.join(ROOT, 'locales') };
export const catalog = readCatalog(path.join(ROOT, 'config/catalog.yaml'), {});
export const keyring = keyringFromSecret('a secret of these tests, long enough', machine.randomBytes);
export const composer = await createComposer({ catalog, machine, ...FOLDERS });

/** A value for everything a template of ours can name. */
export const VALUES = {
  link: 'https://preferences.example.com/confirm/t0ken?a=1&b=2',
  undoLink: 'https://preferences.example.com/p/t0ken?a=1&b=2',
  receipts: ['r_7K2M-94QX-B1HT-0ZWD-6RPE'],
  notice: 'Yes, send me offers and news by email.',
  changes: ['No more offers by email from JM Facets', 'Tips for jewelers: once a month'],
  receipt: 'r_7K2M-94QX-B1HT-0ZWD-6RPE',
  reference: 'K7QM2-D4X9T-BA7CD',
  what: 'day 40, not answered yet',
  due: 'February 24, 2026',
  until: 'December 8, 2026',
} as const;

/** An empty database of this name, with the indexes of outbox and mailbox. */
export async function openDatabase(name: string): Promise<Connection> {
  const uri = new URL(process.env.MONGODB_URI ?? '');
  uri.pathname = `/${name}`;
  const connection = await connectStore(uri.href, name);
  await connection.dropDatabase();
  for (const store of [createOutboxStore(connection), createMailboxStore(connection)]) {
    for (const model of store.models) await model.createIndexes();
  }
  return connection;
}

/** A logger that keeps its lines. */
export function keepingLog() {
  const lines: string[] = [];
  return { log: pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) }), lines };
}

export interface Received {
  readonly to: readonly string[];
  readonly secure: boolean;
  readonly mail: ParsedMail;
}

/** A real SMTP server on this machine. `answer` refuses with a reply, or holds a mail for ever with 'silence'. */
export async function smtpPeer(options: SMTPServerOptions = { disabledCommands: ['AUTH', 'STARTTLS'] }) {
  const received: Received[] = [];
  const peer: {
    url: string;
    answer: { readonly code: number; readonly text: string } | 'silence' | undefined;
    attempts: number;
    readonly received: Received[];
    stop(): Promise<void>;
  } = {
    url: '',
    answer: undefined,
    attempts: 0,
    received,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
  const server = new SMTPServer({
    authOptional: true,
    // Else it warns that its own certificate is for tests.
    logger: false,
    closeTimeout: 100,
    ...options,
    onRcptTo(address, _session, done) {
      peer.attempts++;
      if (peer.answer === 'silence') return;
      if (peer.answer)
        return done(
          Object.assign(new Error(`${peer.answer.text} <${address.address}>`), { responseCode: peer.answer.code }),
        );
      done();
    },
    onData(stream, session, done) {
      simpleParser(stream, (error, mail) => {
        if (mail)
          received.push({
            to: session.envelope.rcptTo.map(({ address }) => address),
            secure: session.secure === true,
            mail,
          });
        done(error);
      });
    },
  });
  // A client that is killed in the middle is what some of these tests are about.
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  peer.url = `smtp://127.0.0.1:${address.port}`;
  return peer;
}

/** A URL at which nobody listens. */
export async function nobody(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `smtp://127.0.0.1:${address.port}`;
}

export function addressText(field: AddressObject | AddressObject[] | undefined): string {
  return [field ?? []]
    .flat()
    .map(({ text }) => text)
    .join(', ');
}
