import { createHash } from 'node:crypto';
import { CONTACT_KEYS_WASM } from './contact-keys-wasm.js';
import type { Keyring } from './keys.js';
import type { MailboxRule } from './policy.js';

/** What became of an address: docs/decisions/decision-index.md, "Ordinary addresses". */
export const ADDRESS_KIND = {
  /** `normaliseContact` has to read it. */
  odd: 0,
  /** Its key is made, and it belongs to no group of spellings. */
  alone: 1,
  /** Its key and the id of its group are made. */
  grouped: 2,
  /** Its key is made; the rules have to say which group it belongs to. */
  maybeGrouped: 3,
} as const;

/** Makes the keys of many ordinary email addresses at once. One at a time uses it: what it holds is good until the next turn. */
export interface AddressKeys {
  /** Addresses, one behind the other, as ASCII. */
  readonly text: Uint8Array;
  /** Where each begins in the text, and its length. */
  readonly spans: Uint32Array;
  /** Of each address one of `ADDRESS_KIND`. */
  readonly kinds: Uint8Array;
  /** Of each address four words: the 16 bytes of its key, read from the first one on (big-endian). */
  readonly keys: Uint32Array;
  /** The same of its group. */
  readonly groups: Uint32Array;
  /** Makes the keys of the first `count` addresses. */
  make(count: number): void;
}

/** What `wasm/contact-keys.ts` exports. */
interface Program {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly [place: string]: { readonly value: number } | unknown;
}
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: object };
};

/** Bytes of the longest domain that the program compares with. */
const MAX_DOMAIN_BYTES = 60;
const MAX_DOMAINS = 64;
const DOMAIN_BYTES = 128;
const CANONICAL_AT = 64;
/** What the program does with a domain. */
const DOTS_IGNORED = 1;
const ASK_THE_RULES = 2;

let compiledOnce: object | undefined;

function instance(): Program & Record<'makeKeys' | 'setKey' | 'prepare', (count?: number) => void> {
  compiledOnce ??= new WebAssembly.Module(Buffer.from(CONTACT_KEYS_WASM, 'base64'));
  const { exports } = new WebAssembly.Instance(compiledOnce);
  return exports as ReturnType<typeof instance>;
}

/** The rules as the program needs them: undefined where every address has to be looked at by `createAliasGroups`. */
function domainsIn(rules: readonly MailboxRule[]): { domain: string; action: number; canonical: string }[] | undefined {
  const names = [...new Set(rules.flatMap(({ domains }) => domains))];
  if (names.includes('*') || names.length > MAX_DOMAINS) return undefined;
  if (names.some((name) => name.length > MAX_DOMAIN_BYTES)) return undefined;
  return names.map((domain) => {
    const applied = rules.filter(({ domains }) => domains.includes(domain));
    const simple = applied.every(({ tags, dots }) => tags === undefined && dots === 'ignored');
    // As in `mailboxOf`: the first rule that names the domain says how it is called.
    return { domain, action: simple ? DOTS_IGNORED : ASK_THE_RULES, canonical: applied[0]?.domains[0] ?? domain };
  });
}

/** @param rules those of `createAliasGroups`, whose ids of groups these are */
export function createAddressKeys({ lookup }: Pick<Keyring, 'lookup'>, rules: readonly MailboxRule[]): AddressKeys {
  const program = instance();
  const { buffer } = program.memory;
  const place = (name: string): number => (program[name] as { readonly value: number }).value;
  const count = place('MAX_ITEMS');
  const text = new Uint8Array(buffer, place('text'), place('MAX_TEXT'));
  const kinds = new Uint8Array(buffer, place('kinds'), count);
  program.prepare();
  text.fill(0, 0, 64);
  // RFC 2104 §2: a key that is longer than a block is hashed first.
  text.set(lookup.length > 64 ? createHash('sha256').update(lookup).digest() : lookup);
  program.setKey();
  const domains = domainsIn(rules);
  (domains ?? []).forEach(({ domain, action, canonical }, index) => {
    const entry = new Uint8Array(buffer, place('domains') + index * DOMAIN_BYTES, DOMAIN_BYTES);
    entry.set([domain.length, action, canonical.length, 0, ...Buffer.from(domain)]);
    entry.set(Buffer.from(canonical), CANONICAL_AT);
  });
  new Uint32Array(buffer, place('domainCount'), 1)[0] = domains?.length ?? 0;
  return {
    text,
    spans: new Uint32Array(buffer, place('spans'), count * 2),
    kinds,
    keys: new Uint32Array(buffer, place('keys'), count * 4),
    groups: new Uint32Array(buffer, place('groups'), count * 4),
    make(items) {
      program.makeKeys(items);
      if (domains) return;
      for (let item = 0; item < items; item++) {
        if (kinds[item] === ADDRESS_KIND.alone) kinds[item] = ADDRESS_KIND.maybeGrouped;
      }
    },
  };
}
