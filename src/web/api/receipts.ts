import { z } from 'zod';
import type { Proofs } from '../../audit/proofs.js';
import { HushError } from '../../core/errors.js';
import { contactKeyText, type EventId } from '../../core/keys.js';
import { wholeScope } from '../../core/scope.js';
import type { Receipt, Receipts } from '../../preferences/receipts.js';
import { iso } from './requests.js';
import type { ApiRequest, ApiRoutes } from './route.js';

/** A receipt as the API and the downloads give it: nothing personal is in it. */
export function receiptJson(receipt: Receipt): Record<string, unknown> {
  const { event } = receipt;
  return {
    id: receipt.id,
    event: `e_${event.id}`,
    contact: contactKeyText(receipt.key),
    type: event.type,
    at: iso(event.at),
    recordedAt: iso(receipt.recordedAt),
    scope: wholeScope(event.scope),
    source: event.source,
    ...(event.until === undefined ? {} : { until: iso(event.until) }),
    ...(event.lifts === undefined ? {} : { lifts: event.lifts }),
    ...(event.reach === undefined ? {} : { reach: event.reach }),
    ...(event.notice === undefined ? {} : { notice: event.notice }),
    ...(event.link === undefined ? {} : { link: event.link }),
    ...(receipt.writerId === undefined ? {} : { writerId: receipt.writerId }),
    ledger: receipt.number === undefined ? { status: 'pending' } : { status: 'recorded', number: receipt.number },
    destinations: receipt.destinations.map(({ destination, binding, suppressed, status, at }) => ({
      destination,
      binding,
      suppressed,
      status,
      ...(at === undefined ? {} : { at: iso(at) }),
    })),
  };
}

interface ReceiptParts {
  readonly receipts: Receipts;
  readonly proofs: Proofs;
  /** The consent receipt as a JWS; undefined for what is no consent. */
  readonly consentReceipt: (receipt: Receipt) => Promise<string | undefined>;
}

async function findReceipt(parts: Pick<ReceiptParts, 'receipts'>, id: string | undefined): Promise<Receipt> {
  const receipt = await parts.receipts.get(id ?? '');
  if (receipt) return receipt;
  throw new HushError('not_found', 'there is no such receipt', {
    remedy: 'check the number; it has 20 letters and digits',
  });
}

/** Half a second after its acknowledgement, as a rule. */
function notYet() {
  return new HushError('not_found', 'this event is not under a published checkpoint yet', {
    retryAfter: 1,
    remedy: 'ask again in a second',
  });
}

async function showReceipt(
  parts: Pick<ReceiptParts, 'proofs' | 'consentReceipt' | 'receipts'>,
  { params }: ApiRequest<undefined>,
) {
  const receipt = await findReceipt(parts, params.id);
  const [opening, consentReceipt] = await Promise.all([
    parts.proofs.openingFor(receipt.event.id as EventId),
    parts.consentReceipt(receipt),
  ]);
  return {
    ...receiptJson(receipt),
    ...(opening ? { opening: { ...opening, salt: opening.salt.toString('hex') } } : {}),
    ...(consentReceipt === undefined ? {} : { consentReceipt }),
  };
}

async function showProof(
  parts: Pick<ReceiptParts, 'proofs' | 'receipts'>,
  { params, response }: ApiRequest<undefined>,
) {
  const { event } = await findReceipt(parts, params.id);
  const proof = await parts.proofs.proofFor(event.id as EventId);
  if (proof === undefined) throw notYet();
  response.type('text/plain; charset=utf-8').send(proof);
  return undefined;
}

async function showEntry(
  parts: Pick<ReceiptParts, 'proofs' | 'receipts'>,
  { params, response }: ApiRequest<undefined>,
) {
  const { event } = await findReceipt(parts, params.id);
  const entry = await parts.proofs.entryFor(event.id as EventId);
  if (entry === undefined) throw notYet();
  response.type('application/octet-stream').send(entry);
  return undefined;
}

export function receiptRoutes(routes: ApiRoutes, parts: ReceiptParts): void {
  routes.add({
    method: 'get',
    path: '/receipts/:id',
    operationId: 'getReceipt',
    tag: 'Receipts',
    summary: 'What happened, when, through what, and which destinations know it',
    description:
      '`opening` holds the salt and the text that the log entry commits to: with /proof and /entry anybody can check the event without asking us. A consent comes with a signed receipt in the terms of ISO/IEC TS 27560.',
    scope: 'receipts',
    answer: z
      .object({
        id: z.string(),
        type: z.string(),
        at: z.string(),
        recordedAt: z.string(),
        destinations: z.array(z.object({}).loose()),
        opening: z.object({ index: z.number(), salt: z.string(), canonical: z.string() }).optional(),
        consentReceipt: z.string().optional(),
      })
      .loose(),
    handle: (call) => showReceipt(parts, call),
  });

  routes.add({
    method: 'get',
    path: '/receipts/:id/proof',
    operationId: 'getReceiptProof',
    tag: 'Receipts',
    summary: 'Proof that the event is in the log (C2SP tlog-proof)',
    scope: 'receipts',
    answer: 'text/plain',
    handle: (call) => showProof(parts, call),
  });

  routes.add({
    method: 'get',
    path: '/receipts/:id/entry',
    operationId: 'getReceiptEntry',
    tag: 'Receipts',
    summary: 'The log entry the proof is about, as bytes',
    scope: 'receipts',
    answer: 'application/octet-stream',
    handle: (call) => showEntry(parts, call),
  });
}
