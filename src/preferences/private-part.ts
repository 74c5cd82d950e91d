import type { ContactType } from '../core/contact-point.js';
import type { Keyring } from '../core/keys.js';
import { createCipher, openWith, sealWith } from '../core/seal.js';

/** What of an event must not be readable for ever. */
export interface PrivatePart {
  /** As given, so that the contact can be written to. */
  readonly address?: { readonly type: ContactType; readonly given: string };
  /** Who acted, where a person did. */
  readonly actor?: string;
  /** The writer's own id: many systems make it of an address. */
  readonly writerId?: string;
  /** At most 1 kB as JSON. */
  readonly evidence?: Readonly<Record<string, unknown>>;
}

export const EVIDENCE_LIMIT = 1024;

/** What of the evidence of a consent is cut first: the notice's id and version name its whole wording anyway. */
const CUT_FIRST = ['wording', 'userAgent', 'formUrl'] as const;

/** Evidence of a consent, its long texts cut so that it fits: a consent is not lost to a long name of a browser. */
export function fittingEvidence(evidence: Readonly<Record<string, string>>): Record<string, string> {
  const fitting: Record<string, string> = { ...evidence };
  const excess = () => Buffer.byteLength(JSON.stringify(fitting)) - EVIDENCE_LIMIT;
  for (const name of CUT_FIRST) {
    while (excess() > 0 && fitting[name]) {
      const letters = [...fitting[name]];
      fitting[name] = letters.slice(0, Math.max(0, letters.length - Math.ceil(excess() / 4))).join('');
    }
  }
  return fitting;
}

/**
 * Seals private parts. While an event is pending its part is under the installation's ingest key; the projector moves it
 * under the contact's own data key, whose destruction is the erasure. (A random key beside each pending event, the
 * first idea, would protect it from nobody who can read the pending event.)
 */
export function createPrivateParts(keyring: Keyring) {
  const ingest = createCipher(keyring, 'ingest');
  const wrap = createCipher(keyring, 'data-key');
  const parse = (bytes: Buffer | undefined): PrivatePart | undefined =>
    bytes && (JSON.parse(bytes.toString('utf8')) as PrivatePart);
  const parts = {
    sealPending: (contact: Buffer, part: PrivatePart): Buffer =>
      ingest.seal(Buffer.from(JSON.stringify(part)), contact),
    openPending: (contact: Buffer, sealed: Buffer): PrivatePart | undefined => parse(ingest.open(sealed, contact)),
    /** What the data key of a contact that is new will be made of. */
    newKeySeed: (): Buffer => ingest.seed(),
    /**
     * A new data key for a contact, made of the seed it was created with: two projectors that meet different events of it, or
     * one that is killed and one that follows, make the same key, and what either wrote into the ledger opens. Nobody can
     * make it again once the seed is gone. A contact from before there were seeds has one made of its first sealed event.
     */
    newKey: (contact: Buffer, seed: Buffer): Buffer => ingest.derive(seed, contact),
    wrapKey: (contact: Buffer, key: Buffer): Buffer => wrap.seal(key, contact),
    unwrapKey: (contact: Buffer, wrapped: Buffer): Buffer | undefined => wrap.open(wrapped, contact),
    seal: (dataKey: Buffer, contact: Buffer, part: PrivatePart): Buffer =>
      sealWith(keyring, dataKey, Buffer.from(JSON.stringify(part)), contact),
    open: (dataKey: Buffer, contact: Buffer, sealed: Buffer): PrivatePart | undefined =>
      parse(openWith(dataKey, sealed, contact)),
  };
  return {
    ...parts,
    /**
     * The private part of an event, whether it is pending or in the ledger; undefined when there is none, or it is gone.
     * Throws MissingKeyError where it is there and our key ring cannot open it.
     */
    of(
      contact: {
        readonly key: Buffer;
        readonly dataKey?: Buffer;
        readonly pending: readonly { readonly sealed?: Buffer }[];
      },
      sealed: Buffer | undefined,
    ): PrivatePart | undefined {
      if (!sealed) return undefined;
      if (contact.pending.some((event) => event.sealed?.equals(sealed))) return parts.openPending(contact.key, sealed);
      const key = contact.dataKey && parts.unwrapKey(contact.key, contact.dataKey);
      return key && parts.open(key, contact.key, sealed);
    },
  };
}

export type PrivateParts = ReturnType<typeof createPrivateParts>;
