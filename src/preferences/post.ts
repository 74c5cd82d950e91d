/** A mail to be sent. `id` makes it one mail however often it is asked for. */
export interface Letter {
  readonly id: string;
  readonly template: 'confirm' | 'your-link' | 'change-confirmation' | 'stopped-notice';
  readonly language: string;
  readonly brand: string;
  readonly to: string;
  readonly values: Readonly<Record<string, string>>;
  /** At most so many a day under this key. */
  readonly quota?: { readonly key: string; readonly perDay: number };
}

/** Hands a letter to the outbox; durable when it resolves. */
export type Post = (letter: Letter) => Promise<'queued' | 'over_quota' | 'known'>;
