import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { deriveKey, type Keyring, rootOf } from './keys.js';

const IV = 12;
const TAG = 16;

/** AES-256-GCM under one key: nonce, ciphertext, tag. The context is authenticated: a sealed value moved elsewhere does not open. */
export function sealWith(key: Uint8Array, plain: Uint8Array, context: Uint8Array): Buffer {
  const iv = randomBytes(IV);
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

/** Seals under the installation's keys: by key id, so that keys can rotate. */
export interface Sealer {
  seal(plain: Uint8Array, context: Uint8Array): Buffer;
  open(sealed: Uint8Array, context: Uint8Array): Buffer | undefined;
}

export function createSealer(keyring: Keyring, use: string): Sealer {
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
  return {
    seal(plain, context) {
      const key = keyOf(keyring.current);
      if (!key) throw new Error(`the keyring lacks its current key ${keyring.current}`);
      return Buffer.concat([Buffer.from([keyring.current]), sealWith(key, plain, context)]);
    },
    open(sealed, context) {
      const key = keyOf(sealed[0] ?? -1);
      return key && openWith(key, sealed.subarray(1), context);
    },
  };
}
