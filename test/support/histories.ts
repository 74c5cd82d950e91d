import fc from 'fast-check';
import type { ContactEvent } from '../../src/core/event.js';
import { CHANNELS, PURPOSES } from '../../src/core/scope.js';

const DAY = 86_400_000;
export const START = Date.parse('2025-01-01T00:00:00Z');
/** Few distinct times, so that equal ones are common. */
const time = fc.integer({ min: 0, max: 40 }).map((n) => START + n * 20 * DAY);

export const scope = fc.record({
  brand: fc.constantFrom('*', '*', 'jmf', 'shipping'),
  channel: fc.constantFrom('*', '*', 'email', 'sms', 'voice', 'ads' as const),
  purpose: fc.constantFrom('*', 'marketing', 'marketing', 'promotion', 'retargeting', 'service' as const),
  topic: fc.constantFrom('*', '*', 'news', 'tips'),
});
const source = fc.constantFrom(
  { kind: 'api' },
  { kind: 'one_click' },
  { kind: 'webhook', destination: 'sendgrid' },
  { kind: 'webhook', destination: 'ses' },
);
const lifts = fc.constantFrom(undefined, 'any', 'same_source', 'none');
const later = fc.option(time, { nil: undefined });

const body = fc.oneof(
  fc.record({ type: fc.constantFrom('opted_out', 'consent_withdrawn', 'objected'), scope }),
  fc.record({ type: fc.constantFrom('opted_out', 'opted_in'), scope, lifts }),
  fc.record({ type: fc.constant('consent_granted'), scope, lifts, until: later }),
  fc.record({ type: fc.constant('paused'), scope, until: time }),
  fc.record({ type: fc.constantFrom('complained', 'gpc_received', 'restricted', 'restriction_lifted', 'erased') }),
  fc.record({ type: fc.constant('bounced'), kind: fc.constantFrom('hard', 'soft') }),
  fc.record({ type: fc.constantFrom('unreachable', 'reachable'), channel: fc.constantFrom('email', 'voice') }),
  fc.record({
    type: fc.constantFrom('registry_listed', 'registry_unlisted'),
    registry: fc.constantFrom('us-national', 'us-wi'),
  }),
  fc.record({
    type: fc.constant('profile'),
    relationship: fc.constantFrom(undefined, 'customer', 'recipient', 'prospect', 'former'),
    jurisdiction: fc.constantFrom(undefined, 'DE', 'CA-ON', 'US-WI'),
    minor: fc.constantFrom(undefined, undefined, true, false),
    implied: fc.constantFrom(undefined, 'purchase', 'inquiry'),
  }),
);

/** What may have happened to one contact, in no order. */
export const history = fc.array(fc.record({ body, at: time, source }), { maxLength: 14 }).map((list) =>
  list.map(({ body: fields, at, source: from }, index): ContactEvent => {
    const present = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
    return {
      ...present,
      at,
      source: from,
      id: `e${String(index).padStart(2, '0')}`,
      recorded: index,
    } as unknown as ContactEvent;
  }),
);
export const question = fc.record({
  brand: fc.constantFrom('jmf', 'shipping'),
  channel: fc.constantFrom(...CHANNELS),
  purpose: fc.constantFrom(...PURPOSES),
  topic: fc.constantFrom('*', 'news', 'tips'),
  at: time,
});
