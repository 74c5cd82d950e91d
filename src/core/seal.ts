import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { HushError } from './errors.js';
import { deriveKey, type Keyring, rootOf } from './keys.js';
import type { Machine } from './machine.js';

const IV = 12;
const TAG = 16;

/** AES-256-GCM under one key: nonce, ciphertext, tag. The context is authenticated: a sealed value moved elsewhere does not open. */
export function sealWith(
  machine: Pick<Machine, 'randomBytes'>,
  key: Uint8Array,
  plain: Uint8Array,
  context: Uint8Array,
): Buffer {
  const iv = machine.randomBytes(IV);
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG });
  cipher.setAAD(context);
  return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Undefined when the key, the context or a single bit is not the one it was sealed with. */
export function openWith(key: Uint8Array, sealed: Uint8Array, context: Uint8Array): Buffer | undefined {
  if (sealed.length < IV + TAG) return undefined;
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length);
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV), { authTagLength: TAG });
  decipher.setAAD(context);
  decipher.setAuthTag(bytes.subarray(-TAG));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(IV, -TAG)), decipher.final()]);
  } catch {
    return undefined;
  }
}

/**
 * What is sealed is sound, and this process lacks its key: a rotation that has not reached it. Nothing may be concluded from
 * it, and nothing written over it; a process with the whole key ring opens it.
 */
export class MissingKeyError extends HushError {
  constructor(readonly keyId: number) {
    super('unavailable', `This is sealed under root ${keyId}, which this process lacks.`, {
      remedy: `add root ${keyId} to HUSH_SECRETS_FILE of every process; meanwhile ask one that has it`,
      retryAfter: 30,
    });
    this.name = 'MissingKeyError';
  }
}

/** Seals under the installation's keys: by key id, so that keys can rotate. */
export interface Cipher {
  seal(plain: Uint8Array, context: Uint8Array): Buffer;
  /** Undefined for what was changed or sealed elsewhere. Throws MissingKeyError for a key id that the ring lacks. */
  open(sealed: Uint8Array, context: Uint8Array): Buffer | undefined;
  /** 16 random bytes after the id of the current key: `derive` makes the same of them whichever key is current then. */
  seed(): Buffer;
  /** 32 bytes that only whoever has this sealed value, or this seed, and its key can make. Throws MissingKeyError. */
  derive(sealed: Uint8Array, context: Uint8Array): Buffer;
}

export function createCipher(keyring: Keyring, use: string): Cipher {
  const keys = new Map<number, Buffer>();
  const keyOf = (kid: number): Buffer | undefined => {
    const known = keys.get(kid);
    if (known) return known;
    const root = rootOf(keyring, kid);
    if (!root) return undefined;
    const key = deriveKey(root, use);
    keys.set(kid, key);
    return key;
  };
  /** The key that something is sealed under; undefined for what no key of ours could have sealed. */
  function keyFor(sealed: Uint8Array): Buffer | undefined {
    const [kid = 0] = sealed;
    const key = keyOf(kid);
    // Key ids begin at 1.
    if (!key && kid > 0) throw new MissingKeyError(kid);
    return key;
  }
  return {
    seal(plain, context) {
      const key = keyOf(keyring.current);
      if (!key) throw new Error(`the keyring lacks its current key ${keyring.current}`);
      return Buffer.concat([Buffer.from([keyring.current]), sealWith(keyring, key, plain, context)]);
    },
    open(sealed, context) {
      const key = keyFor(sealed);
      return key && openWith(key, sealed.subarray(1), context);
    },
    seed: () => Buffer.concat([Buffer.from([keyring.current]), keyring.randomBytes(16)]),
    derive(sealed, context) {
      const key = keyFor(sealed);
      if (!key) throw new Error('nothing of ours was sealed like this');
      return createHmac('sha256', key).update('derive').update(context).update(sealed).digest();
    },
  };
}
