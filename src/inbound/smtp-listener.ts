import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server';
import { HushError } from '../core/errors.js';
import { MAX_MAIL_BYTES, type MailIn } from './mail/mail-in.js';
import { MAX_READ_BYTES } from './mail/mime.js';

/** Connections at once; each may hold one message in memory, so this bounds memory too (with BYTES_IN_FLIGHT). */
const MAX_CONNECTIONS = 50;
/** Of one address. Large senders open several. */
const MAX_CONNECTIONS_PER_ADDRESS = 10;
/** Bytes retained of messages that are being received; beyond it, senders are asked to come later. */
const BYTES_IN_FLIGHT = 32 * 1024 * 1024;
/** RFC 5321 §4.5.3.1.8: at least 100 recipients must be taken. */
const MAX_RECIPIENTS = 100;
/** ms of silence. RFC 5321 §4.5.3.2.7 gives 5 minutes; reports are short and come from machines. */
const SILENCE_MS = 60_000;
/** ms a connection may last in all: one that trickles is never silent. */
const LIFETIME_MS = 10 * 60_000;
const CLOSE_MS = 5000;

export interface SmtpListener {
  readonly port: number;
  /** Puts a renewed certificate in force for new connections. */
  useCertificate(tls: Certificate): void;
  /** Takes no more connections and lets those under way finish for a few seconds. */
  stop(): Promise<void>;
}

/** PEM. */
export interface Certificate {
  readonly key: string | Buffer;
  readonly cert: string | Buffer;
}

function refusal(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode });
}

/** The reply to the sender. Everything but a fault of the message itself is to be tried again: RFC 5321 §4.2.1. */
function replyTo(error: unknown, log: Logger): Error {
  if (error instanceof HushError) {
    if (error.kind === 'too_large') return refusal(552, '5.3.4 This message is too large');
    if (error.kind === 'rate_limited') return refusal(451, '4.7.1 Too many at once, please send it again later');
    if (error.kind === 'unavailable') return refusal(451, '4.3.0 Not recorded, please send it again later');
  }
  log.error({ err: error }, 'a message could not be taken');
  return refusal(451, '4.3.0 Not recorded, please send it again later');
}

/** Address of each connection that was let in, by session; those refused before are not counted out. */
type Connections = Map<string, string>;

interface ListenerContext {
  readonly mailIn: Pick<MailIn, 'receive' | 'addresses' | 'requireKeys'>;
  readonly log: Logger;
  readonly maxBytes: number;
  readonly state: {
    /** Bytes of all messages that are being received. */
    inFlight: number;
  };
}

/** Counts a new connection in; the refusal, where its address has too many. */
export function admit(connections: Connections, id: string, address: string): Error | undefined {
  const open = [...connections.values()].filter((other) => other === address).length;
  if (open >= MAX_CONNECTIONS_PER_ADDRESS) return refusal(421, '4.7.0 Too many connections from your address');
  connections.set(id, address);
  return undefined;
}

/** Why a recipient is refused: one too many, not ours, or with a forged token. Undefined for one that is taken. */
async function recipientRefusal(context: ListenerContext, address: string, before: number): Promise<Error | undefined> {
  if (before >= MAX_RECIPIENTS) return refusal(452, '4.5.3 Too many recipients');
  const ours = context.mailIn.addresses.read(address);
  if (!ours) return refusal(550, '5.1.1 There is no such mailbox here, and nothing is relayed');
  if (ours.token !== 'forged') return undefined;
  try {
    // The token may be genuine, and its key known to another process only: then the sender is to come back later.
    await context.mailIn.requireKeys();
  } catch (error) {
    return replyTo(error, context.log);
  }
  // The sender of a damaged token hears of it, and can use the link or the phone; a forger learns nothing new.
  return refusal(550, '5.1.1 There is no such mailbox here');
}

function receiveData(
  context: ListenerContext,
  stream: SMTPServerDataStream,
  session: SMTPServerSession,
  done: (error: Error | null | undefined, message?: string) => void,
): void {
  let chunks: Buffer[] = [];
  let size = 0;
  /** Bytes of `chunks`. Only the beginning of a message is read: the rest is counted and not retained. */
  let retained = 0;
  let refused: Error | undefined;
  const letGo = () => {
    context.state.inFlight -= retained;
    retained = 0;
    chunks = [];
  };
  stream.on('data', (chunk: Buffer) => {
    if (refused) return;
    size += chunk.length;
    const piece = chunk.subarray(0, Math.max(0, MAX_READ_BYTES - retained));
    if (size > context.maxBytes) refused = refusal(552, `5.3.4 Messages may have ${context.maxBytes} bytes`);
    else if (context.state.inFlight + piece.length > BYTES_IN_FLIGHT)
      refused = refusal(452, '4.3.1 Busy, please try later');
    if (refused) return letGo();
    if (piece.length === 0) return;
    // A copy: the piece of the stream that a part of it would hold on to is larger.
    chunks.push(piece.length === chunk.length ? chunk : Buffer.from(piece));
    retained += piece.length;
    context.state.inFlight += piece.length;
  });
  // A connection that breaks off before the end of the message: nothing was promised, and nothing is retained.
  stream.on('close', () => {
    if (!stream.readableEnded) letGo();
  });
  stream.on('end', () => {
    if (refused) return done(refused);
    const raw = Buffer.concat(chunks, retained);
    const envelopeTo = session.envelope.rcptTo.map(({ address }) => address);
    context.mailIn
      .receive(raw, { envelopeTo, via: 'smtp' })
      .then(
        ({ recognised }) => {
          const outcomes = recognised.map(({ kind, outcome }) => `${kind} ${outcome}`);
          context.log.info({ bytes: size, outcomes }, 'mail taken');
          done(null, '2.0.0 Taken');
        },
        (error: unknown) => done(replyTo(error, context.log)),
      )
      .finally(letGo);
  });
}

/**
 * A mail server that takes what comes back and nothing else: it relays nothing, has no mailboxes and no sign-in, and
 * answers 250 only when what a message says is durable.
 *
 * STARTTLS is offered only with a certificate of one's own. (smtp-server brings one whose private key everybody has; it is
 * never used. Senders fall back to plain text, RFC 3207 §4.)
 *
 * @see RFC 5321, RFC 1870 (SIZE), RFC 3207 (STARTTLS)
 */
export async function startSmtpListener(options: {
  /** 0 takes a free one. */
  readonly port: number;
  readonly host?: string;
  /** Says who we are in the greeting; the inbound domain. */
  readonly domain: string;
  readonly mailIn: Pick<MailIn, 'receive' | 'addresses' | 'requireKeys'>;
  readonly tls?: Certificate | undefined;
  readonly maxBytes?: number;
  readonly log: Logger;
  /** ms; for tests. */
  readonly times?: { readonly silence?: number; readonly lifetime?: number };
}): Promise<SmtpListener> {
  const { mailIn, log, domain } = options;
  const maxBytes = Math.min(options.maxBytes ?? MAX_MAIL_BYTES, MAX_MAIL_BYTES);
  const lifetime = options.times?.lifetime ?? LIFETIME_MS;
  const connections: Connections = new Map();
  const context: ListenerContext = { mailIn, log, maxBytes, state: { inFlight: 0 } };

  const server = new SMTPServer({
    name: domain,
    banner: 'Hush takes unsubscribe mail and returned mail',
    size: maxBytes,
    // Phones send from addresses that RFC 5321 forbids (jane..doe@docomo.ne.jp); what they ask for counts all the same.
    lenientAddressParsing: true,
    disabledCommands: options.tls ? ['AUTH'] : ['AUTH', 'STARTTLS'],
    ...(options.tls ? { key: options.tls.key, cert: options.tls.cert, minVersion: 'TLSv1.2' as const } : {}),
    authOptional: true,
    disableReverseLookup: true,
    hideENHANCEDSTATUSCODES: true,
    maxClients: MAX_CONNECTIONS,
    socketTimeout: options.times?.silence ?? SILENCE_MS,
    closeTimeout: CLOSE_MS,
    // Its own log lines repeat addresses; and without a logger of ours it would print a warning about its certificate.
    logger: false,

    onConnect({ id, remoteAddress }, done) {
      done(admit(connections, id, remoteAddress));
    },

    onClose({ id }) {
      connections.delete(id);
    },

    onRcptTo({ address }, session, done) {
      recipientRefusal(context, address, session.envelope.rcptTo.length).then(done, done);
    },

    onData: (stream, session, done) => receiveData(context, stream, session, done),
  });

  // Peers that break off are their own affair; a failure to listen is reported by the promise below.
  server.on('error', (error) => log.debug({ err: error }, 'mail connection failed'));
  server.server.on('connection', (socket: Socket) => {
    const end = setTimeout(() => socket.destroy(), lifetime);
    end.unref();
    socket.once('close', () => clearTimeout(end));
  });

  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject);
    server.listen(options.port, options.host, () => {
      server.server.off('error', reject);
      resolve();
    });
  });
  const bound = server.server.address();
  const port = bound !== null && typeof bound === 'object' ? bound.port : options.port;
  log.info({ port, startTls: options.tls !== undefined, maxBytes }, 'listening for returned mail');

  return {
    port,
    useCertificate: (tls) => server.updateSecureContext({ key: tls.key, cert: tls.cert, minVersion: 'TLSv1.2' }),
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
