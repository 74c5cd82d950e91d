type MailValues = Readonly<Record<string, string | readonly string[]>>;

/** A mail to be sent. `id` makes it one mail however often it is asked for; no address is in it. */
export interface OutgoingMail {
  readonly id: string;
  readonly template:
    | 'confirm'
    | 'your-link'
    | 'change-confirmation'
    | 'stopped-notice'
    | 'lift-confirmed'
    | 'lift-refused'
    | 'request-message'
    | 'request-alert';
  /** What the page or message through which it was asked for speaks; the person's own language comes before it. */
  readonly language: string;
  readonly brand: string;
  readonly to: string;
  /** Its values in the language that it goes out in. */
  readonly values: (language: string) => MailValues;
  /** For mail that a form can cause: limited by its recipient, whoever asks. */
  readonly quota?: {
    readonly asker: string;
    readonly perDay: number;
    readonly everyMs?: number;
    readonly about?: string;
  };
  /** ms; after this it would be of no use and is not sent. */
  readonly until?: number;
}

/** A mail in the language that it goes out in. */
export type QueuedMail = Omit<OutgoingMail, 'values'> & { readonly values: MailValues };

/** Hands a letter to the outbox; durable when it resolves. */
export type Post = (letter: OutgoingMail) => Promise<'queued' | 'over_quota' | 'known'>;
