/** A mail to be sent. `id` makes it one mail however often it is asked for; no address is in it. */
export interface Letter {
  readonly id: string;
  readonly template:
    | 'confirm'
    | 'your-link'
    | 'change-confirmation'
    | 'stopped-notice'
    | 'request-message'
    | 'request-alert';
  readonly language: string;
  readonly brand: string;
  readonly to: string;
  readonly values: Readonly<Record<string, string | readonly string[]>>;
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

/** Hands a letter to the outbox; durable when it resolves. */
export type Post = (letter: Letter) => Promise<'queued' | 'over_quota' | 'known'>;
