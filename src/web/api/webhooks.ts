import { isIP } from 'node:net';
import { z } from 'zod';
import { HushError } from '../../core/errors.js';
import { isPublicAddress } from '../../core/ip-address.js';
import type { Changes, FeedPosition } from '../../store/changes.js';
import type { WebhookSubscription, WebhookSubscriptions } from '../../store/webhook-subscriptions.js';
import { cursorPosition, cursorText, positionRefusal } from '../../suppression/change-entry.js';
import type { WebhooksOut } from '../../sync/webhooks-out.js';
import { iso } from './requests.js';
import type { ApiRequest, ApiRoutes } from './route.js';

/** Subscriptions of an installation: each is a cursor that is looked at twice a second. */
const MAX_LISTED = 100;

const subscriptionSchema = z
  .object({
    id: z.string(),
    url: z.string(),
    description: z.string().optional(),
    state: z.enum(['active', 'failing', 'disabled']),
    disabledReason: z.string().optional(),
    disabledAt: z.string().optional(),
    createdAt: z.string(),
    cursor: z.string(),
    behind: z.number(),
    failures: z.number(),
    failingSince: z.string().optional(),
    lastError: z.string().optional(),
    nextAttemptAt: z.string().optional(),
    lastDeliveredAt: z.string().optional(),
    secretRotatesUntil: z.string().optional(),
  })
  .openapi('Webhook', { description: '`behind` counts the changes that are yet to be delivered.' });
const withSecret = subscriptionSchema.extend({ secret: z.string() });

const subscribeBody = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: 'give an https:// URL' }).max(2000),
  description: z.string().max(200).optional(),
  after: z.string().optional(),
});

const replayBody = z.strictObject({ after: z.string() });

interface WebhookParts {
  readonly subscriptions: WebhookSubscriptions;
  readonly webhooksOut: WebhooksOut;
  readonly changes: Changes;
  /** HTTPS and public addresses only. */
  readonly production: boolean;
}

function checkedUrl(parts: Pick<WebhookParts, 'production'>, text: string): string {
  const url = new URL(text);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const refuse = (why: string, remedy: string): never => {
    throw new HushError('invalid', why, { field: 'url', remedy });
  };
  if (url.username !== '' || url.password !== '')
    refuse('a URL with a password in it', 'deliveries are signed: check the signature');
  if (!parts.production) return url.href;
  if (url.protocol !== 'https:') refuse('the URL is not HTTPS', 'give an https:// URL');
  if (host === 'localhost' || (isIP(host) !== 0 && !isPublicAddress(host)))
    refuse('the URL leads to a private address', 'give one that is on the public internet');
  return url.href;
}

/** The position that `after` names, and the feed's head; the head itself where it names none. */
async function positionAfter(
  { changes }: Pick<WebhookParts, 'changes'>,
  cursor: string | undefined,
): Promise<{ after: FeedPosition; head: FeedPosition }> {
  const position = cursor === undefined ? undefined : cursorPosition(cursor);
  if (cursor !== undefined && !position) {
    throw new HushError('invalid', 'this is no cursor of the feed', {
      field: 'after',
      remedy: 'give a cursor of a delivery, of /v1/changes or of an export, or n0 for the whole feed',
    });
  }
  if (!position) {
    const head = await changes.head();
    return { after: head, head };
  }
  const { head, state } = await changes.after(position, 1);
  const refusal = positionRefusal(position, state);
  if (refusal) throw refusal;
  return { after: position, head };
}

async function subscriptionOf(
  { subscriptions }: Pick<WebhookParts, 'subscriptions'>,
  id: string | undefined,
): Promise<WebhookSubscription> {
  const found = id === undefined ? undefined : await subscriptions.get(id);
  if (!found) throw new HushError('not_found', 'there is no such webhook', { remedy: 'see GET /v1/webhooks' });
  return found;
}

function webhookJson(one: WebhookSubscription, head: FeedPosition) {
  const times = {
    disabledAt: one.disabledAt,
    failingSince: one.failingSince,
    lastDeliveredAt: one.lastDeliveredAt,
    nextAttemptAt: one.state === 'active' && one.failures > 0 ? one.dueAt : undefined,
    secretRotatesUntil: one.previousUntil,
  };
  return {
    id: one.id,
    url: one.url,
    ...(one.description === undefined ? {} : { description: one.description }),
    state: one.state === 'active' && one.failures > 0 ? 'failing' : one.state,
    ...(one.disabledReason === undefined ? {} : { disabledReason: one.disabledReason }),
    createdAt: iso(one.createdAt),
    cursor: cursorText(one.position),
    behind: Math.max(0, head.number - one.position.number),
    failures: one.failures,
    ...(one.lastError === undefined ? {} : { lastError: one.lastError }),
    ...Object.fromEntries(
      Object.entries(times).flatMap(([name, time]) => (time === undefined ? [] : [[name, iso(time)]])),
    ),
  };
}

async function describeWebhook(parts: Pick<WebhookParts, 'changes' | 'subscriptions'>, id: string) {
  const { changes } = parts;
  return webhookJson(await subscriptionOf(parts, id), await changes.head());
}

async function subscribe(parts: WebhookParts, { body }: ApiRequest<z.infer<typeof subscribeBody>>) {
  const { subscriptions, webhooksOut } = parts;
  if ((await subscriptions.count()) >= MAX_LISTED) {
    throw new HushError('conflict', `there are ${MAX_LISTED} webhooks already`, {
      remedy: 'delete one that nobody needs',
    });
  }
  const url = checkedUrl(parts, body.url);
  const { after, head } = await positionAfter(parts, body.after);
  const { subscription, secret } = await webhooksOut.subscribe({
    url,
    description: body.description,
    position: after,
  });
  return { ...webhookJson(subscription, head), secret };
}

async function list({ changes, subscriptions }: Pick<WebhookParts, 'changes' | 'subscriptions'>) {
  const head = await changes.head();
  return { webhooks: (await subscriptions.list()).map((one) => webhookJson(one, head)) };
}

async function remove(parts: Pick<WebhookParts, 'subscriptions'>, { params }: ApiRequest<undefined>) {
  const { subscriptions } = parts;
  const { id } = await subscriptionOf(parts, params.id);
  await subscriptions.remove(id);
  return { deleted: id };
}

async function rotateSecret(
  parts: Pick<WebhookParts, 'webhooksOut' | 'subscriptions' | 'changes'>,
  { params }: ApiRequest<undefined>,
) {
  const { webhooksOut } = parts;
  const one = await subscriptionOf(parts, params.id);
  const { secret } = await webhooksOut.rotate(one);
  return { ...(await describeWebhook(parts, one.id)), secret };
}

async function enable(parts: Pick<WebhookParts, 'subscriptions' | 'changes'>, { params }: ApiRequest<undefined>) {
  const { subscriptions } = parts;
  const { id } = await subscriptionOf(parts, params.id);
  await subscriptions.enable(id);
  return describeWebhook(parts, id);
}

async function replay(
  parts: Pick<WebhookParts, 'subscriptions' | 'changes'>,
  { params, body }: ApiRequest<z.infer<typeof replayBody>>,
) {
  const { subscriptions } = parts;
  const { id } = await subscriptionOf(parts, params.id);
  await subscriptions.replay(id, (await positionAfter(parts, body.after)).after);
  return describeWebhook(parts, id);
}

export function webhookRoutes(routes: ApiRoutes, parts: WebhookParts): void {
  routes.add({
    method: 'post',
    path: '/webhooks',
    operationId: 'createWebhook',
    tag: 'Webhooks',
    summary: 'Subscribe a URL to the change feed',
    description:
      'Deliveries follow Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`. The body is `{type: "contacts.changed", timestamp, data: {changes, cursor}}`: ask for the decision of each contact. In order, at least once; answer 2xx within 15 seconds. `after` begins after a cursor, else with the next change. The secret is shown in this answer only.',
    scope: 'webhooks',
    conflict: 'There are as many webhooks as there may be, or the feed cannot go on after this cursor',
    body: subscribeBody,
    answer: withSecret,
    handle: (call) => subscribe(parts, call),
  });

  routes.add({
    method: 'get',
    path: '/webhooks',
    operationId: 'listWebhooks',
    tag: 'Webhooks',
    summary: 'All subscriptions, and how far each has the feed',
    scope: 'webhooks',
    answer: z.object({ webhooks: z.array(subscriptionSchema) }),
    handle: () => list(parts),
  });

  routes.add({
    method: 'get',
    path: '/webhooks/:id',
    operationId: 'getWebhook',
    tag: 'Webhooks',
    summary: 'One subscription',
    scope: 'webhooks',
    answer: subscriptionSchema,
    handle: ({ params }) => describeWebhook(parts, params.id ?? ''),
  });

  routes.add({
    method: 'delete',
    path: '/webhooks/:id',
    operationId: 'deleteWebhook',
    tag: 'Webhooks',
    summary: 'End a subscription',
    scope: 'webhooks',
    answer: z.object({ deleted: z.string() }),
    handle: (call) => remove(parts, call),
  });

  routes.add({
    method: 'post',
    path: '/webhooks/:id/rotate-secret',
    operationId: 'rotateWebhookSecret',
    tag: 'Webhooks',
    summary: 'Give a subscription a new secret',
    description: 'Shown in this answer only. For a day deliveries carry a signature by the former secret too.',
    scope: 'webhooks',
    answer: withSecret,
    handle: (call) => rotateSecret(parts, call),
  });

  routes.add({
    method: 'post',
    path: '/webhooks/:id/enable',
    operationId: 'enableWebhook',
    tag: 'Webhooks',
    summary: 'Deliver again',
    description:
      'After it was disabled, or to try a failing receiver at once. Goes on after the last change that was delivered: nothing is left out.',
    scope: 'webhooks',
    answer: subscriptionSchema,
    handle: (call) => enable(parts, call),
  });

  routes.add({
    method: 'post',
    path: '/webhooks/:id/replay',
    operationId: 'replayWebhook',
    tag: 'Webhooks',
    summary: 'Deliver again what came after a cursor',
    scope: 'webhooks',
    conflict: 'The feed cannot go on after this cursor; begin again with /v1/suppressions',
    body: replayBody,
    answer: subscriptionSchema,
    handle: (call) => replay(parts, call),
  });
}
