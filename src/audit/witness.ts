import type { Logger } from 'pino';
import { type Cosignature, verifyCosignature } from '../core/cosignature.js';
import { abortAfter, type Machine } from '../core/machine.js';
import { proveConsistency } from '../core/merkle.js';
import { parseNote, parseSignatureLine, signatureText, type Verifier } from '../core/note.js';
import { hashesFromTiles } from '../core/tile.js';
import type { StoredCheckpoint } from '../store/log-checkpoints.js';
import type { LogStores } from '../store/log-stores.js';

/** An answer takes a few milliseconds; a witness that is away must not hold up the next checkpoint. */
const DEADLINE = 5000;
/** Signature lines are short: more is not an answer. */
const MAX_BYTES = 64 * 1024;

/** `ahead`: the witness signed a larger tree than we have, so ours was rolled back. `refused`: it saw another history. */
export type Witnessed = 'cosigned' | 'known' | 'ahead' | 'refused' | 'away';

export interface Witness {
  readonly name: string;
  /** Asks for a cosignature and keeps it with the checkpoint. Never throws: a log does not wait for its witnesses. */
  cosign(checkpoint: StoredCheckpoint): Promise<Witnessed>;
}

/**
 * A client of one witness (C2SP tlog-witness, "add-checkpoint").
 *
 * @param parts.url the witness's submission prefix
 * @param parts.verifier its verifier key, of type 0x04
 */
export function createWitness(parts: {
  readonly url: string;
  readonly verifier: Verifier;
  readonly stores: LogStores;
  readonly machine: Pick<Machine, 'after'>;
  readonly log: Pick<Logger, 'warn' | 'error'>;
}): Witness {
  const { verifier, stores, machine, log } = parts;
  const { leaves, checkpoints } = stores;
  const address = `${parts.url.replace(/\/+$/, '')}/add-checkpoint`;
  let reported: Witnessed | undefined;

  async function post(checkpoint: StoredCheckpoint, old: number): Promise<{ status: number; text: string }> {
    const { size } = checkpoint;
    const proof = old === 0 ? [] : await proveConsistency(old, size, hashesFromTiles(size, leaves.readTiles));
    const lines = [`old ${old}`, ...proof.map((hash) => hash.toString('base64'))];
    const response = await fetch(address, {
      method: 'POST',
      body: `${lines.join('\n')}\n\n${checkpoint.note}`,
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      redirect: 'error',
      signal: abortAfter(machine, DEADLINE),
    });
    if (Number(response.headers.get('content-length') ?? 0) > MAX_BYTES) throw new Error('the answer is too long');
    return { status: response.status, text: (await response.text()).slice(0, MAX_BYTES) };
  }

  /** tlog-witness: lines of unknown keys are passed over. */
  function cosignatureIn(
    body: string,
    checkpoint: StoredCheckpoint,
  ): { line: string; cosignature: Cosignature } | undefined {
    const text = parseNote(checkpoint.note)?.text;
    for (const row of body.split('\n')) {
      const line = parseSignatureLine(row);
      const cosignature = line && text !== undefined ? verifyCosignature(line, text, verifier) : undefined;
      if (line && cosignature) return { line: signatureText(line), cosignature };
    }
    return undefined;
  }

  async function ask(checkpoint: StoredCheckpoint): Promise<Witnessed> {
    let old = Math.min(await checkpoints.witnessSize(verifier.name), checkpoint.size);
    // The second time with the size the witness names: it may have heard of our log from a monitor, or we forgot.
    for (let attempt = 0; attempt < 3; attempt++) {
      const { status, text } = await post(checkpoint, old);
      if (status === 409) {
        const size = /^(0|[1-9]\d{0,15})\n$/.exec(text)?.[1];
        if (size === undefined) return 'away';
        old = Number(size);
        if (old <= checkpoint.size) continue;
        const latest = await checkpoints.latest();
        return latest && latest.size >= old ? 'known' : 'ahead';
      }
      if (status >= 500 || status === 429) return 'away';
      const found = status === 200 ? cosignatureIn(text, checkpoint) : undefined;
      if (!found) return 'refused';
      await checkpoints.cosign(checkpoint.size, verifier.name, found.line);
      await checkpoints.setWitnessSize(verifier.name, checkpoint.size);
      return 'cosigned';
    }
    return 'away';
  }

  return {
    name: verifier.name,
    async cosign(checkpoint) {
      if (checkpoint.size === 0) return 'known';
      if (checkpoint.cosignatures.some((line) => line.startsWith(`— ${verifier.name} `))) return 'known';
      let outcome: Witnessed;
      try {
        outcome = await ask(checkpoint);
      } catch (error) {
        outcome = 'away';
        if (reported !== outcome) log.warn({ err: error, witness: verifier.name }, 'the witness cannot be reached');
      }
      // Logged once, until the outcome changes: a checkpoint comes every half second.
      if (reported !== outcome && (outcome === 'ahead' || outcome === 'refused')) {
        log.error(
          { witness: verifier.name, size: checkpoint.size, outcome },
          'the witness does not sign: it has seen another history of this log',
        );
      }
      reported = outcome;
      return outcome;
    },
  };
}
