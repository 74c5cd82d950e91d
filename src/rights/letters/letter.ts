import type { RequestKind } from '../../core/request.js';

export const LETTER_KINDS = [
  'acknowledgement',
  'verification',
  'extension',
  'denial',
  'refusal',
  'fulfilment',
  'agent_confirmation',
] as const;
export type LetterKind = (typeof LETTER_KINDS)[number];

/** All that a letter about a request says. Times are milliseconds since 1970. */
export interface LetterRequest {
  readonly kind: LetterKind;
  /** `q_…` */
  readonly request: string;
  /** What people read out. */
  readonly reference: string;
  readonly requestKind: RequestKind;
  readonly language: string;
  readonly brand: string;
  readonly to: {
    readonly email?: string;
    /** Lines. */
    readonly postal?: string;
    readonly name?: string;
  };
  readonly receivedAt: number;
  readonly due: number;
  readonly extendedDue?: number;
  /** Id from the list of denial, extension or refusal reasons. */
  readonly reason?: string;
  /** What a member of staff adds in the words of the letter. */
  readonly explanation?: string;
  readonly link?: string;
  /** The page of the request, where `link` is another one. */
  readonly statusLink?: string;
  /** Who asks for the person; read by them in letters to the agent too. */
  readonly agent?: string;
  /** It goes to the agent: what it says of the data is said of the person. */
  readonly toAgent?: boolean;
  /** What whoever gets the first letter has to do now. */
  readonly next?: 'nothing' | 'call' | 'document';
  /** How often it was asked for, from the second time on: sent again on the same day it is another letter. */
  readonly attempt?: number;
  /** Receipts of what was done, as read out. */
  readonly results?: readonly string[];
}

export interface LetterContent {
  readonly subject: string;
  readonly html: string;
  readonly text: string;
  readonly pdf: Buffer;
}

/** A letter as staff read it: no link in it works. */
export interface ShownLetter extends Omit<LetterContent, 'pdf'> {
  /** Absent of mails that were kept before their links were hidden. */
  readonly pdf?: Buffer;
}

export interface SentLetter {
  readonly id: string;
  readonly kind: LetterKind;
  readonly at: number;
  readonly way: 'mail' | 'print';
  readonly by: string;
}

/** Letters in the words of the templates: seen before they are sent, kept as sent. */
export interface Letters {
  /** As it would go out, but for its link. */
  preview(letter: LetterRequest): Promise<LetterContent>;
  /** By mail where there is an address for it, else to be printed. Durable when it resolves. */
  send(letter: LetterRequest, by: string): Promise<{ readonly id: string; readonly way: 'mail' | 'print' }>;
  ofRequest(request: string): Promise<readonly SentLetter[]>;
  /** As it went out, but for its link. */
  asSent(id: string): Promise<ShownLetter | undefined>;
}
