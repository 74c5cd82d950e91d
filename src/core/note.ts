import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

/** C2SP signed-note, "Signature types". */
export const ED25519 = 0x01;
/** C2SP tlog-cosignature: a timestamped Ed25519 cosignature of a checkpoint. */
export const COSIGNATURE = 0x04;

/** One signature line: `— NAME base64(key id || signature)`. */
export interface SignatureLine {
  readonly name: string;
  /** 4 bytes. */
  readonly keyId: Buffer;
  readonly signature: Buffer;
}

/** A note as it came: nothing of its text may be believed before `verifyNote`. */
export interface SignedNote {
  /** With its last newline. */
  readonly text: string;
  readonly signatures: readonly SignatureLine[];
}

/** A verifier key: who signs under which name, with which kind of signature. */
export interface Verifier {
  readonly name: string;
  readonly type: typeof ED25519 | typeof COSIGNATURE;
  readonly keyId: Buffer;
  /** 32 bytes (RFC 8032). */
  readonly publicKey: Buffer;
}

export interface NoteSigner {
  readonly verifier: Verifier;
  sign(text: string): SignatureLine;
}

// RFC 8410 §7 and §4: the DER around a bare Ed25519 seed and a bare public key.
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** An Ed25519 private key from its 32-byte seed (RFC 8032 §5.1.5). */
export function privateKeyFromSeed(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
}

/** The 32 bytes of an Ed25519 public key. */
export function publicKeyBytes(key: KeyObject): Buffer {
  const der = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'der', type: 'spki' });
  return der.subarray(SPKI.length);
}

/** False for a text with half a surrogate pair, which UTF-8 cannot hold. */
function isUnicode(text: string): boolean {
  return !/\p{Cs}/u.test(text);
}

/** signed-note, "Key names": not empty, no Unicode spaces, no plus. */
export function isKeyName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a note has no control characters (signed-note, "Format").
  return name !== '' && !/[\s\u0085+\u0000-\u001f\u007f]/u.test(name) && isUnicode(name);
}

/** signed-note, "Signatures": `SHA-256(name || 0x0A || type || public key)[:4]`. */
export function keyIdOf(name: string, type: number, publicKey: Uint8Array): Buffer {
  return createHash('sha256')
    .update(`${name}\n`)
    .update(Buffer.from([type]))
    .update(publicKey)
    .digest()
    .subarray(0, 4);
}

export function createVerifier(name: string, publicKey: Buffer, type: Verifier['type'] = ED25519): Verifier {
  if (!isKeyName(name)) throw new Error(`"${name}" cannot name a key: no spaces and no plus sign`);
  return { name, type, keyId: keyIdOf(name, type, publicKey), publicKey };
}

/** signed-note, "Verifier keys": `NAME+hex(key id)+base64(type || public key)`. */
export function verifierText({ name, type, keyId, publicKey }: Verifier): string {
  return `${name}+${keyId.toString('hex')}+${Buffer.concat([Buffer.from([type]), publicKey]).toString('base64')}`;
}

/** Undefined for a text that is no verifier key, is of another type, or whose key id is not that of its key. */
export function parseVerifier(text: string): Verifier | undefined {
  const [, name, id, key] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text.trim()) ?? [];
  if (name === undefined || id === undefined || key === undefined || !isKeyName(name)) return undefined;
  const bytes = decodeBase64(key);
  const type = bytes?.[0];
  if (bytes?.length !== 33 || (type !== ED25519 && type !== COSIGNATURE)) return undefined;
  const verifier = createVerifier(name, bytes.subarray(1), type);
  return verifier.keyId.toString('hex') === id ? verifier : undefined;
}

/** signed-note, "Ed25519 signatures": over the text. Ed25519 is deterministic: two signers of one text write one line. */
export function createNoteSigner(name: string, seed: Uint8Array): NoteSigner {
  const key = privateKeyFromSeed(seed);
  const verifier = createVerifier(name, publicKeyBytes(key));
  return {
    verifier,
    sign: (text) => ({ name, keyId: verifier.keyId, signature: sign(null, Buffer.from(text), key) }),
  };
}

export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' });
  return signature.length === 64 && verify(null, message, key, signature);
}

/** One signature line, with its newline. */
export function signatureText({ name, keyId, signature }: SignatureLine): string {
  return `— ${name} ${Buffer.concat([keyId, signature]).toString('base64')}\n`;
}

/** signed-note, "Format": the text, an empty line, the signatures. */
export function noteText({ text, signatures }: SignedNote): string {
  return `${text}\n${signatures.map(signatureText).join('')}`;
}

/** Standard base64 in its one canonical spelling, or undefined. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** Undefined for what is not a signature line (without its newline). */
export function parseSignatureLine(line: string): SignatureLine | undefined {
  const [, name, text] = /^— ([^ ]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
  const bytes = text === undefined ? undefined : decodeBase64(text);
  if (name === undefined || !isKeyName(name) || bytes === undefined || bytes.length < 5) return undefined;
  return { name, keyId: bytes.subarray(0, 4), signature: bytes.subarray(4) };
}

/** signed-note: verifiers accept at least 16 signatures and may refuse more than they like to check. */
const MAX_SIGNATURES = 100;

/** Splits a note at its last empty line. Undefined for what does not follow signed-note, "Format", to the byte. */
export function parseNote(note: string): SignedNote | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: signed-note, "Format": none but the newline.
  if (/[\u0000-\u0009\u000b-\u001f]/.test(note) || !isUnicode(note)) return undefined;
  const at = note.lastIndexOf('\n\n');
  if (at < 0 || !note.endsWith('\n')) return undefined;
  const lines = note.slice(at + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) return undefined;
  const signatures = lines.map(parseSignatureLine);
  const whole = signatures.filter((line) => line !== undefined);
  return whole.length === lines.length ? { text: note.slice(0, at + 1), signatures: whole } : undefined;
}

/** True when a line was made by this key's owner, by name and id; says nothing of its signature. */
export function isBy(verifier: Verifier, line: SignatureLine): boolean {
  return line.name === verifier.name && line.keyId.equals(verifier.keyId);
}

/**
 * signed-note, "Signatures": the keys among the given that signed the note. Lines of unknown keys are passed over; one of
 * a known key that does not verify makes the whole note invalid, as does having none (both: undefined).
 */
export function verifyNote(note: SignedNote, verifiers: readonly Verifier[]): Verifier[] | undefined {
  const by: Verifier[] = [];
  for (const line of note.signatures) {
    const verifier = verifiers.find((known) => known.type === ED25519 && isBy(known, line));
    if (!verifier || by.includes(verifier)) continue;
    if (!verifyEd25519(verifier.publicKey, Buffer.from(note.text), line.signature)) return undefined;
    by.push(verifier);
  }
  return by.length > 0 ? by : undefined;
}
