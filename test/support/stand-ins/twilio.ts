import { z } from 'zod';
import { refuse, startServer } from './server.js';

const ID = /^[0-9a-f]{32}$/;
/** A date, or a time in ISO 8601. */
const WHEN = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))?$/;
const item = z.strictObject({
  contact_id: z.string(),
  correlation_id: z.string(),
  sender_id: z.string(),
  status: z.string(),
  source: z.string(),
  date_of_consent: z.string().optional(),
});
const SOURCES = ['website', 'offline', 'opt-in-message', 'opt-out-message', 'others'];

export interface Consent {
  readonly number: string;
  readonly sender: string;
  readonly status: string;
  readonly source: string;
  readonly at?: string | undefined;
}

/** Twilio's Consent Management with one messaging service and one number. Each item of a request has an answer of its own. */
export async function startTwilio(keySid = `SK${'0'.repeat(32)}`, keySecret = 'twilio-stand-in-secret') {
  const sender = `MG${'1'.repeat(32)}`;
  const senders = new Set([sender, '+19205550100']);
  const consents = new Map<string, Consent>();
  /** Numbers that are none, and those that Twilio fails at. */
  const invalid = new Set<string>();
  const failing = new Set<string>();
  const seen = new Set<string>();
  const basic = `Basic ${Buffer.from(`${keySid}:${keySecret}`).toString('base64')}`;
  const bad = (message: string) => refuse(400, { code: 20001, message, status: 400 });

  function take(text: string) {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      return bad('Items must be JSON');
    }
    const parsed = item.safeParse(json);
    if (!parsed.success) return bad(`unknown or missing field: ${parsed.error.issues[0]?.path.join('.')}`);
    const { contact_id, correlation_id, sender_id, status, source, date_of_consent } = parsed.data;
    if (!ID.test(correlation_id) || seen.has(correlation_id)) return bad('correlation_id must be unique');
    seen.add(correlation_id);
    if (failing.has(contact_id))
      return { correlation_id, error_code: 30647, error_messages: ['SERVICE_TEMPORARILY_UNAVAILABLE'] };
    const error_messages = [
      ...(/^\+[1-9]\d{7,14}$/.test(contact_id) && !invalid.has(contact_id) ? [] : ['INVALID_CONTACT_ID']),
      ...(senders.has(sender_id) ? [] : ['INVALID_SENDER_ID']),
      ...(['opt-in', 'opt-out'].includes(status) ? [] : ['INVALID_STATUS']),
      ...(SOURCES.includes(source) ? [] : ['INVALID_SOURCE']),
      ...(date_of_consent === undefined || WHEN.test(date_of_consent) ? [] : ['INVALID_DATE_OF_CONSENT']),
    ];
    if (error_messages.length > 0) return { correlation_id, error_code: 30646, error_messages };
    consents.set(`${sender_id} ${contact_id}`, {
      number: contact_id,
      sender: sender_id,
      status,
      source,
      at: date_of_consent,
    });
    return { correlation_id, error_code: 0, error_messages: [] };
  }

  const server = await startServer({
    authorised: ({ headers }) => headers.authorization === basic,
    unauthorised: { status: 401, json: { code: 20003, message: 'Authenticate', status: 401 } },
    routes: {
      'POST /v1/Consents/Bulk': ({ raw, headers }) => {
        if (headers['content-type'] !== 'application/x-www-form-urlencoded') return bad('wrong content type');
        const fields = [...new URLSearchParams(raw.toString())];
        if (fields.some(([name]) => name !== 'Items')) return bad('unknown field');
        if (fields.length === 0 || fields.length > 25) return bad('Items must have 1 to 25 objects');
        return { status: 201, json: { items: fields.map(([, text]) => take(text)) } };
      },
    },
  });
  return {
    ...server,
    keySid,
    keySecret,
    sender,
    consents,
    invalid,
    failing,
    /** Numbers that a sender may not text. */
    stopped: (of = sender) =>
      [...consents.values()].filter((one) => one.sender === of && one.status === 'opt-out').map(({ number }) => number),
  };
}
