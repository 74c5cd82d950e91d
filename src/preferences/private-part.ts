import type { ContactType } from '../core/contact-point.js';
import type { Keyring } from '../core/keys.js';
import { createSealer, openWith, sealWith } from '../core/seal.js';

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

/**
 * Seals private parts. While an event is pending its part is under the installation's ingest key; the projector moves it
 * under the contact's own data key, whose destruction is the erasure. (A random key beside each pending event, the
 * first idea, would protect it from nobody who can read the pending event.)
 */
export function createPrivateParts(keyring: Keyring) {
  const ingest = createSealer(keyring, 'ingest');
  const wrap = createSealer(keyring, 'data-key');
  const parse = (bytes: Buffer | undefined): PrivatePart | undefined =>
    bytes && (JSON.parse(bytes.toString('utf8')) as PrivatePart);
  const parts = {
    sealPending: (contact: Buffer, part: PrivatePart): Buffer =>
      ingest.seal(Buffer.from(JSON.stringify(part)), contact),
    openPending: (contact: Buffer, sealed: Buffer): PrivatePart | undefined => parse(ingest.open(sealed, contact)),
    wrapKey: (contact: Buffer, key: Buffer): Buffer => wrap.seal(key, contact),
    unwrapKey: (contact: Buffer, wrapped: Buffer): Buffer | undefined => wrap.open(wrapped, contact),
    seal: (dataKey: Buffer, contact: Buffer, part: PrivatePart): Buffer =>
      sealWith(dataKey, Buffer.from(JSON.stringify(part)), contact),
    open: (dataKey: Buffer, contact: Buffer, sealed: Buffer): PrivatePart | undefined =>
      parse(openWith(dataKey, sealed, contact)),
  };
  return {
    ...parts,
    /** The private part of an event, whether it is pending or in the ledger; undefined when there is none, or it is gone. */
    of(
      contact: { readonly key: Buffer; readonly dataKey?: Buffer },
      sealed: Buffer | undefined,
    ): PrivatePart | undefined {
      if (!sealed) return undefined;
      const key = contact.dataKey && parts.unwrapKey(contact.key, contact.dataKey);
      return (key && parts.open(key, contact.key, sealed)) ?? parts.openPending(contact.key, sealed);
    },
  };
}

export type PrivateParts = ReturnType<typeof createPrivateParts>;
