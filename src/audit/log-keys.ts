import { DAY_MS } from '../core/calendar.js';
import type { Clock } from '../core/clock.js';
import { deriveKey, type Keyring, rootOf } from '../core/keys.js';
import { createNoteSigner, type NoteSigner, type SignatureLine, type Verifier, verifierText } from '../core/note.js';
import type { LogCheckpoints } from '../store/log-checkpoints.js';

/** How long (ms) the former key signs beside a new one: 30 days to take note of the new verifier key. */
const OVERLAP = 30 * DAY_MS;
/** How long (ms) what we know of the keys' first use is believed. */
const BELIEVED = 60_000;

/** The log's name from the public address: prefix without scheme (C2SP tlog-tiles, "Parameters"). */
export function originOf(publicUrl: string): string {
  return `${publicUrl.replace(/^[a-z]+:\/\//i, '').replace(/\/+$/, '')}/log`;
}

/** The signing key of one key id: HKDF from its root secret. */
export function logKey(keyring: Keyring, kid: number, origin: string): NoteSigner | undefined {
  const root = rootOf(keyring, kid);
  return root && createNoteSigner(origin, deriveKey(root, 'log-signing'));
}

/**
 * Signs checkpoints with the keyring's current key, and with each former one for a while after the next was first used,
 * so that whoever knows only the former key goes on until it has the new one.
 */
export function createLogSigner(parts: {
  readonly keyring: Keyring;
  readonly origin: string;
  readonly checkpoints: Pick<LogCheckpoints, 'keysUsed' | 'keysKnown'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly overlapMs?: number;
}) {
  const { keyring, origin, checkpoints, clock, overlapMs = OVERLAP } = parts;
  const signers = new Map(
    [...keyring.roots.keys()].flatMap((kid) => {
      const signer = logKey(keyring, kid, origin);
      return signer ? [[kid, signer] as const] : [];
    }),
  );
  const current = signers.get(keyring.current);
  if (!current) throw new Error(`the keyring lacks its current key ${keyring.current}`);
  const currentSigner = current;
  let believed: { used: ReadonlyMap<number, number>; until: number } | undefined;

  /** The current key first, then former ones whose time is not over. */
  function activeOf(used: ReadonlyMap<number, number>): NoteSigner[] {
    const inOrder = [...used].sort(([, a], [, b]) => b - a);
    const former = inOrder.flatMap(([kid], place) => {
      const replaced = inOrder[place - 1]?.[1] ?? used.get(keyring.current);
      const signer = kid === keyring.current ? undefined : signers.get(kid);
      return signer && (replaced === undefined || clock.now() - replaced < overlapMs) ? [signer] : [];
    });
    return [currentSigner, ...former];
  }

  return {
    origin,
    /** Every key of the keyring: what old checkpoints are verified with. */
    verifiers: [...signers.values()].map(({ verifier }) => verifier) as readonly Verifier[],

    /** Signature lines of the keys in use; notes the first use of the current one. */
    async sign(text: string): Promise<SignatureLine[]> {
      if (!believed || believed.until < clock.now()) {
        believed = { used: await checkpoints.keysUsed(keyring.current, clock.now()), until: clock.now() + BELIEVED };
      }
      return activeOf(believed.used).map((signer) => signer.sign(text));
    },

    /** Verifier keys of the keys in use, a line each, the current one first. */
    async vkeys(): Promise<string> {
      const active = activeOf(await checkpoints.keysKnown());
      return active.map(({ verifier }) => `${verifierText(verifier)}\n`).join('');
    },
  };
}

export type LogSigner = ReturnType<typeof createLogSigner>;
