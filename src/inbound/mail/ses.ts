/**
 * Amazon SES notifications that SNS delivers by mail: JSON in the body.
 * @see https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
 */
import { z } from 'zod';
import { isAddress } from './address.js';
import { type Headers, parseHeaders } from './headers.js';

/** RFC 5321 §4.5.3.1.8: a server need not take more recipients at once. */
const MAX_RECIPIENTS = 100;

const notification = z.object({
  notificationType: z.enum(['Bounce', 'Complaint', 'Delivery']),
  mail: z
    .object({ headers: z.array(z.object({ name: z.string(), value: z.string() })).default([]) })
    .default({ headers: [] }),
  bounce: z
    .object({
      bounceType: z.string().default(''),
      bouncedRecipients: z.array(
        z.object({
          emailAddress: z.string(),
          action: z.string().optional(),
          status: z.string().optional(),
          diagnosticCode: z.string().default(''),
        }),
      ),
    })
    .optional(),
  complaint: z
    .object({
      complainedRecipients: z.array(z.object({ emailAddress: z.string() })),
      complaintFeedbackType: z.string().nullish(),
    })
    .optional(),
});

export interface SesNotification {
  type: 'Bounce' | 'Complaint' | 'Delivery';
  recipients: { address: string; action?: string | undefined; status?: string | undefined; diagnostic: string }[];
  feedbackType: string;
  originalHeaders: Headers;
}

/** Reads the notification, bare or inside the SNS envelope (`Message`); undefined when the text holds none. */
export function readSesNotification(text: string): SesNotification | undefined {
  if (!text.includes('notificationType')) return undefined;
  const parsed = notification.safeParse(jsonIn(text));
  if (!parsed.success) return undefined;
  const { data } = parsed;
  const recipients =
    data.bounce?.bouncedRecipients.map((r) => ({
      address: r.emailAddress,
      action: r.action,
      status: r.status,
      diagnostic: r.diagnosticCode,
    })) ?? data.complaint?.complainedRecipients.map((r) => ({ address: r.emailAddress, diagnostic: '' }));
  return {
    type: data.notificationType,
    recipients: (recipients ?? []).filter((r) => isAddress(r.address)).slice(0, MAX_RECIPIENTS),
    feedbackType: data.complaint?.complaintFeedbackType ?? 'abuse',
    originalHeaders: parseHeaders(data.mail.headers.map((h) => `${h.name}: ${h.value.replace(/[\r\n]+/g, ' ')}`)),
  };
}

/** The first JSON object of the text. Some mail servers fold its long line with `!` and a blank; that is undone. */
function jsonIn(text: string): unknown {
  const unfolded = text.replaceAll('!\n ', '');
  const start = unfolded.indexOf('{');
  const footer = unfolded.indexOf('\n--\n', start);
  const end = unfolded.lastIndexOf('}', footer < 0 ? unfolded.length : footer);
  if (start < 0 || end <= start) return undefined;
  try {
    const outer: unknown = JSON.parse(unfolded.slice(start, end + 1));
    const envelope = z.object({ Message: z.string() }).safeParse(outer);
    return envelope.success ? JSON.parse(envelope.data.Message) : outer;
  } catch {
    return undefined;
  }
}
