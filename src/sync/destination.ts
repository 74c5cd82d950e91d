import type { z } from 'zod';
import type { ContactType } from '../core/contact-point.js';
import type { ScopedBinding, SyncTarget } from '../core/desired.js';
import type { EventType, SourceKind } from '../core/event.js';
import type { Machine } from '../core/machine.js';
import type { Scope } from '../core/scope.js';
import type { HttpClient } from './http.js';

export { ProviderError } from './provider-error.js';

/** A scope tied to a list at a destination: what is denied there is suppressed here. */
export interface Binding<Target = Readonly<Record<string, unknown>>> extends ScopedBinding {
  /** Where at the provider: a group id, a list id, an audience. Checked by the adapter's own schema. */
  readonly target: Target;
}

export type Action = 'suppress' | 'lift';

/** One contact to suppress or lift. `address` is as first given; adapters with `form: 'hashed'` hash it themselves. */
export interface Entry {
  /** Opaque; comes back in `parked`. Never sent to the provider. */
  readonly ref: string;
  readonly type: ContactType;
  readonly address: string;
  /** Of the decision: `opted_out`, `complained`, `undeliverable`, … or `not_objected`, `consented` for a lift. */
  readonly reason: string;
  /** When the denial took effect (ms), where known. */
  readonly since?: number;
  /** Receipt of the event behind it, where there is one. */
  readonly receipt?: string;
}

/** A contact whose address is about to be destroyed. */
export type ForgottenEntry = Pick<Entry, 'type' | 'address'>;

/** What became of a batch. `accepted`: the provider has it but works on; `in_force`: it counts there now. */
export interface Sent {
  readonly status: 'accepted' | 'in_force';
  /** To be polled until done when `accepted`. */
  readonly job?: string;
  /** Addresses the provider named as unacceptable in an otherwise successful call. */
  readonly parked?: readonly { readonly ref: string; readonly why: string }[];
}

/**
 * How a job stands. `failed` sends the batch again. `incomplete`: some entries were not taken, the provider does not say
 * whose, and sending them again would change nothing: the batch stays `accepted`. `stopped`: all failed for a reason that
 * somebody must remove first, so that what waits is sent when the destination is resumed.
 */
export type JobState = 'working' | 'done' | 'failed' | { readonly incomplete: string } | { readonly stopped: string };

export interface ReadBackEntry {
  /** As the provider has it. */
  readonly address: string;
  /** Of the address; an email address unless given. */
  readonly type?: ContactType;
  /** The provider's own time (ms), where it tells. */
  readonly at?: number;
  /** What the list entry means there. */
  readonly kind: 'unsubscribed' | 'bounced' | 'complained' | 'blocked';
}

export interface ReadBackPage {
  readonly entries: readonly ReadBackEntry[];
  /** Opaque; absent on the last page. */
  readonly next?: string;
}

/** A request a provider sent us, body as the raw bytes. */
export interface InboundRequest {
  readonly method: string;
  /** Our public URL of it, with query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
  /** Address it came from. */
  readonly ip: string;
}

/** What a provider reports about one address. */
export interface Report {
  readonly address: { readonly type: ContactType; readonly value: string };
  readonly type: EventType;
  /** Absent: all marketing by email. */
  readonly scope?: Partial<Scope>;
  readonly kind?: 'hard' | 'soft';
  /** Of a hard bounce: what the recipient's server said. */
  readonly diagnostic?: string;
  /** The provider's own time (ms). */
  readonly at: number;
  /** The provider's own id of it, for deduplication. */
  readonly id: string;
  /** Short facts kept as evidence (at most 1 kB as JSON). */
  readonly evidence?: Readonly<Record<string, string>>;
}

export interface Received {
  readonly reports: readonly Report[];
  /** Kinds we do not know, counted by name. */
  readonly unknown: readonly string[];
  /** What was signed. Remembered for the clock window: it counts for one content. */
  readonly replayKey?: string;
  /** What came under the signature, where that does not cover the body. */
  readonly replayContent?: string;
  /** Seconds for which the key is remembered: the provider's clock window. */
  readonly replayFor?: number;
  /** Answer other than an empty 200 (subscription handshakes, TwiML). */
  readonly answer?: { readonly status: number; readonly type: string; readonly body: string };
}

/** A whole list that is kept outside the store. What it publishes is whole, or it publishes nothing. */
export interface ListCopy {
  /** Name of a binding's list; bindings may share one. */
  listOf(binding: Binding): string;
  /** The id that the list was begun under; undefined where there is none. */
  idOf(binding: Binding): Promise<string | undefined>;
  /** Publishes nothing until the list is written anew with these entries, under this id. */
  replace(binding: Binding, id: string, entries: AsyncIterable<Entry>, signal: AbortSignal): Promise<void>;
}

/** An outside system. All methods may throw ProviderError; anything else is a bug and parks nothing. */
export interface Destination {
  /** Types of contact it knows. Others are never sent to it. */
  readonly accepts: readonly ContactType[];
  /** Whether readable addresses leave, or hashes only. A `third_party` may only ever get hashes. */
  readonly form: 'readable' | 'hashed';
  /** True for an ad platform: it finds one person behind all spellings of a mailbox, so one that is denied keeps all out. */
  readonly matchesMailboxes?: boolean;
  /** Entries a call, from the provider's documentation. */
  readonly limits: Readonly<Record<Action, number>>;
  /** Batches that may be on their way at once, each of other contacts; one unless given. Not for adapters that pace themselves. */
  readonly lanes?: number;
  /** Must be safe to repeat: the outcome of a call that timed out is unknown. Resolves only when all were taken. */
  send(binding: Binding, action: Action, entries: readonly Entry[], signal: AbortSignal): Promise<Sent>;
  /** Asks how an accepted job went. */
  poll?(job: string, signal: AbortSignal): Promise<JobState>;
  /** True where a lift changes nothing at the provider, so that whoever was suppressed stays listed there. */
  liftsNothing?(binding: Binding): boolean;
  /** One page of what the provider holds for a binding. */
  readBack?(binding: Binding, cursor: string | undefined, signal: AbortSignal): Promise<ReadBackPage>;
  /** Which of these addresses the provider holds as suppressed for the binding; asked before a lift. */
  lookup?(binding: Binding, addresses: readonly string[], signal: AbortSignal): Promise<readonly ReadBackEntry[]>;
  /** An erasure: removes what it keeps of these addresses beside the list that is in force. Must be safe to repeat. */
  forget?(binding: Binding, entries: readonly ForgottenEntry[], signal: AbortSignal): Promise<void>;
  /** Where readers take a copy of the whole list that can get lost on our side: a folder. */
  readonly copy?: ListCopy;
  /**
   * Says before the body of a webhook is read whether its sender is proven: by a password, a token, or a secret in the URL.
   * False where only a signature over the body can prove it, which is there; throws HushError `unauthorized` where it is not.
   */
  admit?(head: Omit<InboundRequest, 'body'>): boolean;
  /** Bytes of a webhook that is not proven yet, where the provider sends more than 1 MB at once. */
  readonly unprovenBytes?: number;
  /** Checks a webhook's signature over the raw body and reads it. Throws HushError `unauthorized` when it is not genuine. */
  receive?(request: InboundRequest, now: number): Promise<Received>;
  close?(): Promise<void>;
}

/** A destination of the catalog with its adapter made. */
export interface BoundDestination extends SyncTarget {
  readonly adapter: string;
  readonly role: 'processor' | 'third_party';
  readonly bindings: readonly Binding[];
  readonly destination: Destination;
  readonly reconcileHours?: number | undefined;
  readonly callsPerSecond?: number | undefined;
}

/** What an adapter may use. */
export interface AdapterParts {
  readonly http: HttpClient;
  /** Milliseconds. */
  readonly now: () => number;
  readonly machine: Machine;
  /** Name of the destination in the catalog. */
  readonly name: string;
  readonly dataDir: string;
}

/** An adapter: schemas for what the catalog says, and a constructor. */
export interface Adapter<Settings = unknown, Target = unknown> {
  readonly settings: z.ZodType<Settings>;
  readonly target: z.ZodType<Target>;
  /** Source kind of what it reports. */
  readonly reportsAs?: SourceKind;
  create(settings: Settings, parts: AdapterParts, bindings: readonly Binding[]): Destination;
}
