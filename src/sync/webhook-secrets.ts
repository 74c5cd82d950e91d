import { DAY_MS } from '../core/calendar.js';
import type { Clock } from '../core/clock.js';
import type { Keyring } from '../core/keys.js';
import type { Machine } from '../core/machine.js';
import { createCipher } from '../core/seal.js';
import type { FeedPosition } from '../store/changes.js';
import type { WebhookSubscription, WebhookSubscriptions } from '../store/webhook-subscriptions.js';

/** How long (ms) the secret before a rotation still signs. */
const CHANGE_OVER_MS = DAY_MS;

/** A new signing secret, as the receiver gets it. */
const newSecret = (machine: Pick<Machine, 'randomBytes'>): string =>
  `whsec_${machine.randomBytes(32).toString('base64')}`;

/** Subscriptions with their signing secrets, which are kept sealed and shown once. */
export function createWebhookSecrets(parts: {
  readonly subscriptions: WebhookSubscriptions;
  readonly keyring: Keyring;
  readonly clock: Clock;
  readonly machine: Pick<Machine, 'randomBytes'>;
}) {
  const { subscriptions, clock, machine } = parts;
  const cipher = createCipher(parts.keyring, 'webhook-secret');
  const seal = (id: string, secret: string) => cipher.seal(Buffer.from(secret), Buffer.from(id));
  const open = (id: string, sealed: Buffer) => cipher.open(sealed, Buffer.from(id))?.toString('utf8');

  return {
    /** The secrets that sign now, the newest first; none where they do not open. */
    inForce(one: WebhookSubscription): string[] {
      const isChangingOver = (one.previousUntil ?? 0) > clock.now();
      const sealed = [one.secret, ...(isChangingOver && one.previousSecret ? [one.previousSecret] : [])];
      return sealed.flatMap((value) => open(one.id, value) ?? []);
    },

    /** Subscribes a URL from a cursor on. The secret is shown now and never again. */
    async subscribe(wanted: {
      readonly url: string;
      readonly description?: string | undefined;
      readonly position: FeedPosition;
    }): Promise<{ subscription: WebhookSubscription; secret: string }> {
      const id = `wh_${machine.randomBytes(12).toString('hex')}`;
      const secret = newSecret(machine);
      const subscription: WebhookSubscription = {
        id,
        url: wanted.url,
        ...(wanted.description === undefined ? {} : { description: wanted.description }),
        createdAt: clock.now(),
        secret: seal(id, secret),
        position: wanted.position,
        state: 'active',
        failures: 0,
        dueAt: 0,
      };
      await subscriptions.insert(subscription);
      return { subscription, secret };
    },

    /** A new secret; the one before signs too for a day (ms of its end). */
    async rotate(one: WebhookSubscription): Promise<{ secret: string; previousUntil: number }> {
      const secret = newSecret(machine);
      const previousUntil = clock.now() + CHANGE_OVER_MS;
      await subscriptions.rotate(one.id, seal(one.id, secret), one.secret, previousUntil);
      return { secret, previousUntil };
    },
  };
}

export type WebhookSecrets = ReturnType<typeof createWebhookSecrets>;
