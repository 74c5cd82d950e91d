/**
 * What an incoming message says about mail we sent. `hard` and `complaint` silence a person, so every doubt in this folder
 * is settled towards `soft`.
 */
export type ReturnedKind = 'hard' | 'soft' | 'complaint' | 'opt_out' | 'auto_reply' | 'other';

/** One recipient of our original message and what became of it. */
export interface Returned {
  kind: ReturnedKind;
  address: string;
  /** The name of the cause, one of those in config/bounce-rules.yaml, or `feedback`, `vacation`. */
  reason: string;
  /** Enhanced status code, RFC 3463. */
  status?: string;
  /** RFC 3464 §2.3.3 action. */
  action?: string;
  /** RFC 5965 §3.1 feedback type. */
  feedbackType?: string;
  /** What the other server said; at most 1,000 characters. */
  diagnostic?: string;
}

/** Headers of our own message as the report gives them back: where a token or a VERP address may prove that we sent it. */
export interface OriginalMessage {
  messageId?: string;
  listUnsubscribe?: string;
  returnPath?: string;
  to?: string;
  /** First value of every header, names in lower case, values unfolded. */
  headers: ReadonlyMap<string, string>;
}

export interface ReturnedMail {
  recipients: Returned[];
  original?: OriginalMessage;
  /** Addresses the outer message was sent to (Delivered-To, X-Original-To, To …), in lower case, without repeats. */
  envelopeTo: string[];
  from?: string;
  subject?: string;
  /** Of the message as it reached us, not of the one that came back. */
  messageId?: string;
  /** Its envelope sender was null (RFC 5321 §4.5.5), as far as the last server noted it: no person wrote it. */
  nullSender: boolean;
  automatic: Automatic;
  /** What the writer says, without what is quoted; at most 2,000 characters. */
  words: string;
  /** RFC 3282: the language of the message, or else the ones its writer reads. */
  contentLanguage?: string;
}

/**
 * Whether a program wrote a message. `certain`: only programs send these headers. `by_subject`: it is headed like an absence
 * notice. `likely`: programs send these headers, and sometimes people do.
 */
export type Automatic = 'certain' | 'by_subject' | 'likely' | 'no';

/**
 * Stands for the recipient of a complaint whose report hides every address (RFC 5965 §4 lets it). It can never be mailed
 * (RFC 2606 `.invalid`); the complaint counts only through the token in `original`. sisimai writes the same placeholder, so
 * reports from either tool read alike.
 */
export const UNDISCLOSED_RECIPIENT = 'undisclosed-recipient-in-headers@libsisimai.org.invalid';
