/** Transcripts of an SMTP session, as sendmail and Postfix put them into bounces. */
import { findAddress } from './address.js';
import { findStage, type Stage } from './status.js';

export interface NamedFailure {
  address: string;
  diagnostic: string;
  stage?: Stage | undefined;
}

/** Marks before what the client and the server said: `>>>` and `<<<`, or `In:` and `Out:`. */
export interface TranscriptMarks {
  client: string;
  server: string;
}

const MAX_LINE = 2000;

interface Session {
  failures: Map<string, { said: string[]; stage?: Stage | undefined }>;
  stage: Stage | undefined;
  /** Lines since the last recipient was named. */
  loose: string[];
}

/**
 * Recipients are those of RCPT commands and of lines such as `550 <jane@example.org>... User unknown`. What a server says
 * after MAIL is about the sender, never a recipient.
 */
export function readTranscript(lines: readonly string[], marks: TranscriptMarks): NamedFailure[] {
  const session: Session = { failures: new Map(), stage: undefined, loose: [] };
  let open: string | undefined;
  for (const line of joinContinuations(lines, marks)) {
    const isClient = line.startsWith(marks.client);
    if (isClient) {
      session.stage = findStage(line.toUpperCase());
    }
    const address = isClient
      ? /\bRCPT TO:\s{0,4}<([^>\s]{3,260})>/i.exec(line)?.[1]
      : session.stage === 'MAIL' && line.startsWith(marks.server)
        ? undefined
        : /(?:^|\s)<?([^<>\s]{3,260})>?\.\.\.(?:\s|$)/.exec(line)?.[1];
    const recipient = address === undefined ? undefined : findAddress(address);
    if (recipient !== undefined) {
      const earlier = session.failures.get(recipient);
      if (earlier !== undefined) earlier.said.push(...session.loose, line);
      else session.failures.set(recipient, { said: [...session.loose, line], stage: session.stage });
      session.loose = [];
      // "550 <jane@…>... text" ends what there is to say of her; after RCPT the server's answer is still to come.
      open = isClient ? recipient : undefined;
    } else if (open !== undefined && line.trim() !== '') {
      const entry = session.failures.get(open);
      if (isClient && entry !== undefined && session.stage !== 'QUIT') entry.stage = session.stage;
      if (!isClient) entry?.said.push(line);
    } else if (line.trim() !== '') session.loose.push(line);
  }
  return [...session.failures].map(([address, { said, stage }]) => ({
    address,
    diagnostic: said.join(' ').replace(/\s+/g, ' ').trim().slice(0, 20_000),
    stage,
  }));
}

function joinContinuations(lines: readonly string[], marks: TranscriptMarks): string[] {
  const joined: string[] = [];
  for (const raw of lines) {
    const line = raw.slice(0, MAX_LINE).trimStart();
    const isMarked = line.startsWith(marks.client) || line.startsWith(marks.server);
    if (!isMarked && raw.startsWith('  ') && joined.length > 0) joined[joined.length - 1] += ` ${line}`;
    else joined.push(isMarked ? line : raw.slice(0, MAX_LINE));
  }
  return joined;
}
