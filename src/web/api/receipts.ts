import { z } from 'zod';
import { HushError } from '../../core/errors.js';
import { contactKeyText } from '../../core/keys.js';
import { wholeScope } from '../../core/scope.js';
import type { Receipt, Receipts } from '../../preferences/receipts.js';
import { iso } from './requests.js';
import type { ApiRoutes } from './route.js';

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
    ...(event.writerId === undefined ? {} : { writerId: event.writerId }),
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

export function receiptRoutes(routes: ApiRoutes, parts: { readonly receipts: Receipts }): void {
  routes.add({
    method: 'get',
    path: '/receipts/:id',
    summary: 'What happened, when, through what, and which destinations know it',
    scope: 'receipts',
    answer: z
      .object({
        id: z.string(),
        type: z.string(),
        at: z.string(),
        recordedAt: z.string(),
        destinations: z.array(z.object({}).loose()),
      })
      .loose(),
    async handle({ params }) {
      const receipt = await parts.receipts.get(params.id ?? '');
      if (!receipt)
        throw new HushError('not_found', 'there is no such receipt', {
          remedy: 'check the number; it has 20 letters and digits',
        });
      return receiptJson(receipt);
    },
  });
}
