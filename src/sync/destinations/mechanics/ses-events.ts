import { z } from 'zod';
import type { Binding } from '../../destination.js';
import { bounced, complained, evidence, listed, type Reading, timeField } from './reports.js';

const recipients = z.array(
  z.object({ emailAddress: z.string().min(1), status: z.string().optional(), diagnosticCode: z.string().nullish() }),
);
const preferences = z.object({
  unsubscribeAll: z.boolean().default(false),
  topicSubscriptionStatus: z.array(z.object({ topicName: z.string(), subscriptionStatus: z.string() })).default([]),
});

/** Feedback notifications say `notificationType`, event publishing says `eventType`; the rest is the same. */
export const sesEvent = z.object({
  notificationType: z.string().optional(),
  eventType: z.string().optional(),
  mail: z.object({ destination: z.array(z.string()).default([]), messageId: z.string().optional() }).optional(),
  bounce: z
    .object({
      bounceType: z.string(),
      bounceSubType: z.string().optional(),
      bouncedRecipients: recipients,
      timestamp: timeField,
      feedbackId: z.string().optional(),
    })
    .optional(),
  complaint: z
    .object({ complainedRecipients: recipients, complaintSubType: z.string().nullish(), timestamp: timeField })
    .optional(),
  subscription: z
    .object({
      contactList: z.string(),
      timestamp: timeField,
      source: z.string().optional(),
      newTopicPreferences: preferences,
      oldTopicPreferences: preferences.optional(),
    })
    .optional(),
});

const IGNORED = new Set([
  'Delivery',
  'Send',
  'Open',
  'Click',
  'Reject',
  'Rendering Failure',
  'DeliveryDelay',
  'AmazonSnsSubscriptionSucceeded',
]);

/** @see https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html */
export function readSesEvent(
  event: z.infer<typeof sesEvent>,
  messageId: string,
  bound: (contactList: string, topic: string | undefined) => readonly Binding[],
): Reading {
  const kind = event.eventType ?? event.notificationType ?? 'unnamed';
  const reports = (readings: readonly Reading[]) => readings.flatMap((one) => (Array.isArray(one) ? one : []));
  if (kind === 'Bounce' && event.bounce) {
    const { bounce } = event;
    // The mail was not sent since the address is on the account's list, where we may have put it ourselves.
    if (bounce.bounceSubType === 'OnAccountSuppressionList') return 'ignored';
    return reports(
      bounce.bouncedRecipients.map((one, i) =>
        bounced(
          {
            address: one.emailAddress,
            at: bounce.timestamp,
            id: `${messageId}/${i}`,
            evidence: evidence({ type: bounce.bounceType, subType: bounce.bounceSubType, status: one.status }),
          },
          bounce.bounceType === 'Permanent' ? 'hard' : 'soft',
          one.diagnosticCode,
        ),
      ),
    );
  }
  if (kind === 'Complaint' && event.complaint) {
    const { complaint } = event;
    if (complaint.complaintSubType === 'OnAccountSuppressionList') return 'ignored';
    return reports(
      complaint.complainedRecipients.map((one, i) =>
        complained({ address: one.emailAddress, at: complaint.timestamp, id: `${messageId}/${i}` }),
      ),
    );
  }
  if (kind === 'Subscription' && event.subscription)
    return readSubscription(event, event.subscription, messageId, bound);
  return IGNORED.has(kind) ? 'ignored' : { unknown: kind };
}

function readSubscription(
  event: z.infer<typeof sesEvent>,
  change: NonNullable<z.infer<typeof sesEvent>['subscription']>,
  messageId: string,
  bound: (contactList: string, topic: string | undefined) => readonly Binding[],
): Reading {
  const address = event.mail?.destination[0] ?? '';
  const facts = {
    address,
    at: change.timestamp,
    id: messageId,
    evidence: evidence({ list: change.contactList, source: change.source }),
  };
  const before = change.oldTopicPreferences;
  const found: Reading[] = [];
  if (change.newTopicPreferences.unsubscribeAll)
    found.push(listed('opted_out', facts, bound(change.contactList, undefined)));
  else if (before?.unsubscribeAll) found.push(listed('opted_in', facts, bound(change.contactList, undefined)));
  for (const topic of change.newTopicPreferences.topicSubscriptionStatus) {
    const was = before?.topicSubscriptionStatus.find((one) => one.topicName === topic.topicName)?.subscriptionStatus;
    if (was === topic.subscriptionStatus) continue;
    const type = /out/i.test(topic.subscriptionStatus) ? 'opted_out' : 'opted_in';
    found.push(
      listed(type, { ...facts, id: `${messageId}/${topic.topicName}` }, bound(change.contactList, topic.topicName)),
    );
  }
  return found.flatMap((one) => (Array.isArray(one) ? one : []));
}
