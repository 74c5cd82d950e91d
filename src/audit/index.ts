import type { Logger } from 'pino';
import type { Catalog } from '../core/catalog.js';
import type { Clock } from '../core/clock.js';
import type { Keyring } from '../core/keys.js';
import type { Machine } from '../core/machine.js';
import { parseVerifier } from '../core/note.js';
import type { Policy } from '../core/policy.js';
import { evidenceOf } from '../preferences/contact-address.js';
import type { PrivateParts } from '../preferences/private-part.js';
import type { Receipt } from '../preferences/receipts.js';
import type { Queues } from '../queues.js';
import type { Contact, StoredEvent } from '../store/contacts.js';
import type { Stores } from '../store/open.js';
import { createConsentReceipts } from './consent-receipt.js';
import { createExportJobs } from './export-job.js';
import { createLogSigner, originOf } from './log-keys.js';
import { createForget, createProofs } from './proofs.js';
import { createRetention } from './retention.js';
import { createSealerLoop } from './sealer-loop.js';
import { createWitness } from './witness.js';

/** The proof of what happened: the log with its keys and witnesses, receipts, exports, and how long the trail is kept. */
export function createAudit(parts: {
  readonly stores: Stores;
  readonly keyring: Keyring;
  readonly privateParts: PrivateParts;
  readonly catalog: Catalog;
  readonly policy: Policy;
  /** The log is named after it, so it must not change with a port that was left to the machine. */
  readonly publicUrl: string;
  readonly witnesses: readonly { readonly url: string; readonly vkey: string }[];
  readonly queues: Pick<Queues, 'add'>;
  /** ms between two rounds of the sealer; its own pace unless given. */
  readonly sealMs?: number;
  readonly clock: Clock;
  readonly machine: Machine;
  readonly log: Logger;
}) {
  const { stores, keyring, catalog, policy, publicUrl, clock, machine, log } = parts;
  const origin = originOf(publicUrl);
  const signer = createLogSigner({ keyring, origin, checkpoints: stores.log.checkpoints, clock });
  const consentReceipts = createConsentReceipts({ keyring, catalog, origin, publicUrl });

  /** The wording of a consent as it was kept; gone after an erasure. */
  function shownOf(contact: Contact, event: StoredEvent): string | undefined {
    const wording = evidenceOf(parts.privateParts, contact, event)?.evidence?.wording;
    return typeof wording === 'string' ? wording : undefined;
  }

  return {
    signer,
    proofs: createProofs({ stores: stores.log }),
    forget: createForget({ stores: stores.log }),
    sealing: createSealerLoop({
      stores: stores.log,
      signer,
      clock,
      machine,
      log,
      leader: stores.leaders.leaderFor('sealer'),
      ...(parts.sealMs === undefined ? {} : { intervalMs: parts.sealMs }),
      witnesses: parts.witnesses.flatMap(({ url, vkey }) => {
        const verifier = parseVerifier(vkey);
        return verifier ? [createWitness({ url, verifier, stores: stores.log, machine, log })] : [];
      }),
    }),
    exportJobs: createExportJobs({
      store: stores.auditExports,
      log: stores.log,
      verifiers: () => signer.verifiers,
      clock,
      machine,
      keepDays: policy.auditExportDays,
      onQueued: () => parts.queues.add('export'),
      logger: log,
    }),
    retention: createRetention({ trail: stores.trail, policy, clock, log }),

    /** Keys with which consent receipts are signed. */
    jwks: () => consentReceipts.jwks(),
    /** The consent receipt as a JWS; undefined for what is no consent. */
    async consentReceipt({ key, contact, event }: Receipt): Promise<string | undefined> {
      const content = consentReceipts.receiptOf(key, contact.type, event, 'en', shownOf(contact, event));
      return content && consentReceipts.sign(content);
    },
  };
}

export type Audit = ReturnType<typeof createAudit>;
