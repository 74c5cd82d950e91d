import { z } from 'zod';
import type { Binding } from '../../destination.js';
import { bounced, complained, evidence, listed, optedOut, type Reading, timeField } from './reports.js';

const properties = z.record(z.string(), z.unknown());
/** One topic of a system webhook, with the event as `GET /api/events/{id}` gives it. */
export const klaviyoEvent = z.object({
  topic: z.string(),
  external_id: z.string().min(1),
  payload: z.object({
    data: z.object({
      attributes: z.object({ timestamp: timeField, event_properties: properties.default({}) }),
    }),
    included: z.array(z.object({ type: z.string(), attributes: properties.optional() })).default([]),
  }),
});

/** Topics of what happens all the time, and echoes of what we or the account's staff did. */
const IGNORED =
  /^event:klaviyo\.(received_email|opened_email|clicked_email|email_delivered|dropped_email|manually_(un)?suppressed_from_email_marketing|updated_email_preferences|(sent|received|clicked)_sms)$/;

const text = (value: unknown) => (typeof value === 'string' ? value : undefined);

/** @see https://developers.klaviyo.com/en/docs/working_with_system_webhooks#common-webhook-topics */
export function readKlaviyoEvent(
  { topic, external_id, payload }: z.infer<typeof klaviyoEvent>,
  bound: (list: string | undefined) => readonly Binding[],
): Reading {
  const { timestamp, event_properties: properties } = payload.data.attributes;
  const person = payload.included.find((one) => one.type === 'profile')?.attributes;
  const list = text(properties.list_id) ?? text(properties.$list_id);
  const facts = {
    // The address written to, should the profile have another one by now.
    address: text(properties.email_address) ?? text(properties['Recipient Email Address']) ?? text(person?.email) ?? '',
    at: timestamp,
    id: external_id,
    evidence: evidence({ topic, list, bounce: text(properties['Bounce Type']) }),
  };
  switch (topic.replace('event:klaviyo.', '')) {
    case 'unsubscribed_from_email_marketing':
      return optedOut(facts);
    case 'subscribed_to_email_marketing':
      return listed('opted_in', facts, bound(undefined));
    case 'unsubscribed_from_list':
      return listed('opted_out', facts, list === undefined ? [] : bound(list));
    case 'subscribed_to_list':
      return listed('opted_in', facts, list === undefined ? [] : bound(list));
    case 'marked_email_as_spam':
      return complained(facts);
    case 'bounced_email':
      return bounced(facts, /soft/i.test(text(properties['Bounce Type']) ?? '') ? 'soft' : 'hard');
    default:
      return IGNORED.test(topic) ? 'ignored' : { unknown: topic };
  }
}
