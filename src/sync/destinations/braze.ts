import { z } from 'zod';
import { DAY_MS, utcDay } from '../../core/calendar.js';
import type { Adapter, Binding, Destination, ReadBackEntry } from '../destination.js';
import { ProviderError } from '../destination.js';
import { createApi, misconfigured, read, targetReader } from './mechanics/api.js';
import { each, inForce } from './mechanics/each.js';
import { checkBearer, configured, jsonBody, type RequestHead } from './mechanics/incoming.js';
import {
  bounced,
  collect,
  complained,
  evidence,
  listed,
  optedOut,
  type Reading,
  timeField,
} from './mechanics/reports.js';

const settings = z.strictObject({
  /** With `email.status`, `email.unsubscribe` and, for groups, `subscription.status.set` and `subscription.status.get`. */
  apiKey: z.string().min(1),
  /** The REST endpoint of the cluster, such as `https://rest.iad-01.braze.com`. */
  baseUrl: z.url(),
  /** Bearer token given to the Currents connector "Custom HTTP". */
  webhookToken: z.string().min(16).optional(),
});
const target = z.union([
  /** All email. */
  z.strictObject({ global: z.literal(true) }),
  z.strictObject({
    /** Id of an email subscription group. */
    group: z.string().min(1),
    /** `subscribe` puts the person back into the group, `leave` does nothing. */
    onLift: z.enum(['subscribe', 'leave']).default('subscribe'),
  }),
]);

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

const unsubscribes = z.object({
  emails: z.array(z.object({ email: z.string(), unsubscribed_at: timeField.optional().catch(undefined) })),
});
const groupStatus = z.object({ status: z.record(z.string(), z.string()) });
/** "An Array of up to 50 email addresses to modify." */
const BATCH = 50;
/** "Defaults to 100, maximum is 500." */
const PAGE = 500;
const WIDTH = 8;

/**
 * Braze: the email subscription state of an address, or an email subscription group. 50 addresses a call; a 429 says in
 * `X-RateLimit-Reset` when to come back. An address that nobody has yet keeps its state until somebody has it.
 * @see https://www.braze.com/docs/api/endpoints/email/post_email_subscription_status
 * @see https://www.braze.com/docs/api/endpoints/subscription_groups/post_update_user_subscription_group_status_v2
 * @see https://www.braze.com/docs/api/endpoints/email/get_query_unsubscribed_email_addresses
 */
export const braze: Adapter<Settings, Target> = {
  settings,
  target,
  reportsAs: 'webhook',
  create(options, parts, bindings): Destination {
    const api = createApi(parts.http, options.baseUrl, { authorization: `Bearer ${options.apiKey}` });
    const targetOf = targetReader(target);

    async function setGroup(
      group: string,
      state: string,
      emails: readonly string[],
      signal: AbortSignal,
    ): Promise<void> {
      try {
        await api('POST', '/v2/subscription/status/set', signal, {
          json: { subscription_groups: [{ subscription_group_id: group, subscription_state: state, emails }] },
        });
      } catch (error) {
        if (error instanceof ProviderError && error.fault === 'refused' && /subscription.?group/i.test(error.message))
          throw misconfigured(`subscription group ${group} is not accepted there: correct the catalog`);
        throw error;
      }
    }

    async function pageOf(query: Readonly<Record<string, string | number>>, signal: AbortSignal) {
      // "Treated as midnight in UTC": today's come before the day after tomorrow's.
      const end_date = utcDay(parts.now() + 2 * DAY_MS);
      const found = read(
        unsubscribes,
        await api('GET', '/email/unsubscribes', signal, { query: { ...query, end_date } }),
      );
      return found.emails.map(
        (one): ReadBackEntry => ({
          address: one.email,
          kind: 'unsubscribed',
          ...(one.unsubscribed_at === undefined ? {} : { at: one.unsubscribed_at }),
        }),
      );
    }

    async function inGroup(group: string, email: string, signal: AbortSignal): Promise<ReadBackEntry[]> {
      const query = { subscription_group_id: group, email };
      const { status } = read(groupStatus, await api('GET', '/subscription/status/get', signal, { query }));
      const out = Object.values(status).some((text) => /^unsubscribed$/i.test(text));
      return out ? [{ address: email, kind: 'unsubscribed' }] : [];
    }

    const admit = (head: RequestHead) => {
      checkBearer(head, configured(options.webhookToken, 'webhookToken'));
      return true;
    };

    return {
      accepts: ['email'],
      form: 'readable',
      limits: { suppress: BATCH, lift: BATCH },
      liftsNothing(binding) {
        const where = targetOf(binding);
        return 'group' in where && where.onLift === 'leave';
      },

      async send(binding, action, entries, signal) {
        const where = targetOf(binding);
        const emails = entries.map((entry) => entry.address);
        if ('group' in where) {
          if (action === 'suppress') await setGroup(where.group, 'unsubscribed', emails, signal);
          else if (where.onLift === 'subscribe') await setGroup(where.group, 'subscribed', emails, signal);
          return inForce();
        }
        // `subscribed` says "not specifically opted in or out"; `opted_in` would claim a consent.
        const subscription_state = action === 'suppress' ? 'unsubscribed' : 'subscribed';
        await api('POST', '/email/status', signal, { json: { email: emails, subscription_state } });
        return inForce();
      },

      // A group's members can only be asked for one by one.
      ...(bindings.every((binding) => 'global' in targetOf(binding))
        ? {
            async readBack(_binding: Binding, cursor: string | undefined, signal: AbortSignal) {
              const offset = Number(cursor ?? 0);
              const query = { start_date: '2011-01-01', limit: PAGE, offset, sort_direction: 'asc' };
              const entries = await pageOf(query, signal);
              return { entries, ...(entries.length === PAGE ? { next: String(offset + PAGE) } : {}) };
            },
          }
        : {}),

      async lookup(binding, addresses, signal) {
        const where = targetOf(binding);
        const found = await each(addresses, WIDTH, signal, (email) =>
          'group' in where ? inGroup(where.group, email, signal) : pageOf({ email }, signal),
        );
        return found.flat();
      },

      admit,

      async receive(request) {
        admit(request);
        const { events } = jsonBody(request.body, z.object({ events: z.array(z.unknown()) }));
        return collect(events, event, (one) =>
          readEvent(one, (group) =>
            bindings.filter((binding) => {
              const where = targetOf(binding);
              return 'group' in where ? where.group === group : group === undefined;
            }),
          ),
        );
      },
    };
  },
};

const event = z.object({
  event_type: z.string(),
  id: z.string().min(1),
  time: timeField,
  properties: z
    .object({
      email_address: z.string().optional(),
      channel: z.string().optional(),
      subscription_group_id: z.string().optional(),
      subscription_status: z.string().optional(),
      state_change_source: z.string().optional(),
      bounce_reason: z.string().optional(),
    })
    .default({}),
});

/** @see https://www.braze.com/docs/user_guide/data/distribution/braze_currents/event_glossary/message_engagement_events/ */
function readEvent(one: z.infer<typeof event>, bound: (group: string | undefined) => readonly Binding[]): Reading {
  const { properties } = one;
  const facts = {
    address: properties.email_address ?? '',
    at: one.time,
    id: one.id,
    evidence: evidence({
      type: one.event_type,
      source: properties.state_change_source,
      group: properties.subscription_group_id,
    }),
  };
  switch (one.event_type) {
    case 'users.messages.email.Unsubscribe':
      return optedOut(facts);
    case 'users.messages.email.MarkAsSpam':
      return complained(facts);
    case 'users.messages.email.Bounce':
      return bounced(facts, 'hard', properties.bounce_reason);
    case 'users.messages.email.SoftBounce':
      return bounced(facts, 'soft');
    case 'users.behaviors.subscription.GlobalStateChange':
    case 'users.behaviors.subscriptiongroup.StateChange': {
      if (properties.channel !== undefined && properties.channel !== 'email')
        return { unknown: `${one.event_type} ${properties.channel}` };
      // Written through the interface, most likely by ourselves.
      if (/rest|api/i.test(properties.state_change_source ?? '')) return 'ignored';
      const out = /^unsubscribed$/i.test(properties.subscription_status ?? '');
      return listed(out ? 'opted_out' : 'opted_in', facts, bound(properties.subscription_group_id));
    }
    default:
      return /^users\.messages\.email\.(Send|Delivery|Open|Click|Abort|Deferral|Retry)$/.test(one.event_type)
        ? 'ignored'
        : { unknown: one.event_type };
  }
}
