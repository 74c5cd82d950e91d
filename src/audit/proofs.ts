import { tlogProofText } from '../core/checkpoint.js';
import type { EventId } from '../core/keys.js';
import { type Hash, proveInclusion } from '../core/merkle.js';
import { hashesFromTiles } from '../core/tile.js';
import type { StoredCheckpoint } from '../store/log-checkpoints.js';
import type { LogStores } from '../store/log-stores.js';
import { canonicalEvent, publicEntry } from './canonical-event.js';

/** A checkpoint as it is served: our signatures, then those of witnesses. */
export function publishedNote(checkpoint: StoredCheckpoint): string {
  return checkpoint.note + checkpoint.cosignatures.join('');
}

/** What shows a person that a leaf is about their event: with the entry, anybody can compute it again. */
export interface Opening {
  readonly index: number;
  /** 32 bytes. */
  readonly salt: Buffer;
  /** The text the leaf commits to: HMAC-SHA-256(salt, canonical). */
  readonly canonical: string;
}

/** Proofs that single events are in the log. */
export function createProofs({ stores }: { readonly stores: LogStores }) {
  const { leaves, queue, checkpoints } = stores;
  return {
    /**
     * The `.tlog-proof` of an event, for the newest checkpoint that a witness signed, or else the newest. Undefined until
     * the event is under a published checkpoint (half a second, as a rule).
     */
    async proofFor(event: EventId): Promise<string | undefined> {
      const row = await leaves.find(event);
      const checkpoint = row && (await checkpoints.covering(row.index));
      if (!row || !checkpoint) return undefined;
      const hashes = await inclusionProof(stores, row.index, checkpoint.size);
      return tlogProofText({ index: row.index, hashes, checkpoint: publishedNote(checkpoint) });
    },

    /** The entry's bytes: what the proof proves. Undefined as above. */
    async entryFor(event: EventId): Promise<Buffer | undefined> {
      const row = await leaves.find(event);
      return row && (await checkpoints.covering(row.index)) ? row.entry : undefined;
    },

    /** What opens the commitment; undefined before it is sealed and after an erasure. */
    async openingFor(event: EventId): Promise<Opening | undefined> {
      const row = await leaves.find(event);
      if (!row?.salt) return undefined;
      const body = (await queue.bodies([row])).get(`${row.contact.toString('hex')}/${row.event}`);
      return body && { index: row.index, salt: row.salt, canonical: canonicalEvent(publicEntry(body)) };
    },
  };
}

export type Proofs = ReturnType<typeof createProofs>;

export function inclusionProof(stores: LogStores, index: number, size: number): Promise<Hash[]> {
  return proveInclusion(index, size, hashesFromTiles(size, stores.leaves.readTiles));
}

/**
 * Has the salts of all of a contact's leaves destroyed, after an entry that names them was added to the log: from then on
 * nothing links those leaves to anybody. Durable when it resolves; the sealer does it in its next round.
 */
export function createForget({ stores }: { readonly stores: LogStores }): (contact: Buffer) => Promise<void> {
  return (contact) => stores.queue.requestForget(contact);
}
