import { createHash, createHmac } from 'node:crypto';
import { z } from 'zod';
import { type Asked, looksLikeEmail, refuse, startServer } from './server.js';

const put = z.strictObject({ EmailAddress: z.string(), Reason: z.enum(['BOUNCE', 'COMPLAINT']) });
const preferences = z.array(
  z.strictObject({ TopicName: z.string(), SubscriptionStatus: z.enum(['OPT_IN', 'OPT_OUT']) }),
);
const contactBody = z.strictObject({
  EmailAddress: z.string().optional(),
  TopicPreferences: preferences.optional(),
  UnsubscribeAll: z.boolean().optional(),
});
const listBody = z.strictObject({
  PageSize: z.number().max(1000).optional(),
  NextToken: z.string().optional(),
  Filter: z
    .strictObject({ FilteredStatus: z.string(), TopicFilter: z.strictObject({ TopicName: z.string() }).optional() })
    .optional(),
});

export const AWS_KEY = { accessKeyId: 'AKIASTANDIN', secretAccessKey: 'stand/in+secret' };

/** Signature Version 4, computed again from the request as it came over the wire. */
function signedBy(secret: string, { method, path, query, headers, raw }: Asked): boolean {
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/ses\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    );
  if (!match) return false;
  const [, id, day = '', region = '', names = '', signature] = match;
  if (id !== AWS_KEY.accessKeyId || !names.split(';').includes('host')) return false;
  const encode = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const sorted = [...query].map(([k, v]) => `${encode(k)}=${encode(v)}`).sort();
  const lines = names.split(';').map((name) => `${name}:${String(headers[name] ?? '').trim()}\n`);
  const digest = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
  const canonical = `${method}\n${path.split('/').map(encode).join('/')}\n${sorted.join('&')}\n${lines.join('')}\n${names}\n${digest(raw)}`;
  const toSign = `AWS4-HMAC-SHA256\n${String(headers['x-amz-date'])}\n${day}/${region}/ses/aws4_request\n${digest(canonical)}`;
  let key: Buffer | string = `AWS4${secret}`;
  for (const part of [day, region, 'ses', 'aws4_request']) key = createHmac('sha256', key).update(part).digest();
  return createHmac('sha256', key).update(toSign).digest('hex') === signature;
}

interface Contact {
  topics: Map<string, string>;
  all: boolean;
}

/** Amazon SES: the account's suppression list and one contact list, `main`. */
export async function startSes() {
  const suppressed = new Map<string, string>();
  const contacts = new Map<string, Contact>();
  const key = (address = '') => address.toLowerCase();
  const checked = (address: string | undefined) =>
    looksLikeEmail(address) && !address.endsWith('.invalid')
      ? key(address)
      : refuse(400, { message: `${address} is not valid` });
  const inMain = (list = '') => list === 'main' || refuse(404, { message: 'no such contact list' });
  const shown = ([EmailAddress, { topics, all }]: [string, Contact]) => ({
    EmailAddress,
    TopicPreferences: [...topics].map(([TopicName, SubscriptionStatus]) => ({ TopicName, SubscriptionStatus })),
    UnsubscribeAll: all,
    LastUpdatedTimestamp: 1_700_000_000.5,
  });
  const store = (address: string, json: unknown) => {
    const { TopicPreferences = [], UnsubscribeAll = false } = contactBody.parse(json);
    contacts.set(address, {
      topics: new Map(TopicPreferences.map((one) => [one.TopicName, one.SubscriptionStatus])),
      all: UnsubscribeAll,
    });
  };
  const slice = <T>(all: readonly T[], token: string | null | undefined, size: number) => {
    const from = token ? Number(Buffer.from(token, 'base64').toString()) : 0;
    const next = from + size < all.length ? Buffer.from(String(from + size)).toString('base64') : undefined;
    return { items: all.slice(from, from + size), next };
  };

  const server = await startServer({
    authorised: (asked) => signedBy(AWS_KEY.secretAccessKey, asked),
    unauthorised: { status: 403, json: { message: 'The request signature we calculated does not match' } },
    routes: {
      'PUT /v2/email/suppression/addresses': ({ json }) => {
        const { EmailAddress, Reason } = put.parse(json);
        checked(EmailAddress);
        suppressed.set(EmailAddress, Reason);
        return { status: 200, json: {} };
      },
      'GET /v2/email/suppression/addresses': ({ query }) => {
        const size = Number(query.get('PageSize') ?? 100);
        if (size > 1000) return refuse(400, { message: 'PageSize' });
        const { items, next } = slice([...suppressed], query.get('NextToken'), size);
        return {
          status: 200,
          json: {
            SuppressedDestinationSummaries: items.map(([EmailAddress, Reason]) => ({
              EmailAddress,
              Reason,
              LastUpdateTime: 1_700_000_000.5,
            })),
            NextToken: next,
          },
        };
      },
      'GET /v2/email/suppression/addresses/:address': ({ params }) => {
        const address = params.address ?? '';
        const Reason = suppressed.get(address) ?? refuse(404, { message: 'not on the list' });
        return {
          status: 200,
          json: { SuppressedDestination: { EmailAddress: address, Reason, LastUpdateTime: 1_700_000_000 } },
        };
      },
      'DELETE /v2/email/suppression/addresses/:address': ({ params }) =>
        suppressed.delete(params.address ?? '')
          ? { status: 200, json: {} }
          : refuse(404, { message: 'not on the list' }),
      'GET /v2/email/contact-lists/:list': ({ params }) => {
        inMain(params.list);
        const Topics = ['news', 'offers'].map((TopicName) => ({ TopicName, DefaultSubscriptionStatus: 'OPT_IN' }));
        return { status: 200, json: { ContactListName: 'main', Topics } };
      },
      'POST /v2/email/contact-lists/:list/contacts': ({ params, json }) => {
        inMain(params.list);
        const address = checked(contactBody.parse(json).EmailAddress);
        if (contacts.has(address)) return refuse(400, { message: 'AlreadyExistsException' });
        store(address, json);
        return { status: 200, json: {} };
      },
      'POST /v2/email/contact-lists/:list/contacts/list': ({ params, json }) => {
        inMain(params.list);
        const { Filter, NextToken, PageSize } = listBody.parse(json);
        const topic = Filter?.TopicFilter?.TopicName;
        const all = [...contacts].filter(
          ([, one]) => topic === undefined || one.topics.get(topic) === Filter?.FilteredStatus,
        );
        const { items, next } = slice(all, NextToken, PageSize ?? 100);
        return { status: 200, json: { Contacts: items.map(shown), NextToken: next } };
      },
      'GET /v2/email/contact-lists/:list/contacts/:address': ({ params }) => {
        inMain(params.list);
        const found = contacts.get(key(params.address)) ?? refuse(404, { message: 'no such contact' });
        return { status: 200, json: shown([key(params.address), found]) };
      },
      'PUT /v2/email/contact-lists/:list/contacts/:address': ({ params, json }) => {
        inMain(params.list);
        if (!contacts.has(key(params.address))) return refuse(404, { message: 'no such contact' });
        store(key(params.address), json);
        return { status: 200, json: {} };
      },
    },
  });
  return { ...server, suppressed, contacts };
}
