import { COSIGNATURE, isBy, type SignatureLine, type Verifier, verifyEd25519 } from './note.js';

/** A witness's statement that at `at` (seconds since 1970) this was the largest consistent tree it had seen. */
export interface Cosignature {
  readonly at: number;
  /** 64 bytes. */
  readonly signature: Buffer;
}

/** C2SP tlog-cosignature, "Format": a timestamp of 8 bytes, big-endian, then the Ed25519 signature. */
export function parseCosignature(line: SignatureLine): Cosignature | undefined {
  if (line.signature.length !== 72) return undefined;
  const at = Number(line.signature.readBigUInt64BE(0));
  return Number.isSafeInteger(at) && at > 0 ? { at, signature: line.signature.subarray(8) } : undefined;
}

/** C2SP tlog-cosignature, "Ed25519 signed message": two lines before the whole text of the checkpoint. */
export function cosignedMessage(checkpointText: string, at: number): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${at}\n${checkpointText}`);
}

/** The cosignature of this witness on this checkpoint's text; undefined when the line is not its or does not verify. */
export function verifyCosignature(
  line: SignatureLine,
  checkpointText: string,
  witness: Verifier,
): Cosignature | undefined {
  if (witness.type !== COSIGNATURE || !isBy(witness, line)) return undefined;
  const cosignature = parseCosignature(line);
  if (!cosignature) return undefined;
  const message = cosignedMessage(checkpointText, cosignature.at);
  return verifyEd25519(witness.publicKey, message, cosignature.signature) ? cosignature : undefined;
}
