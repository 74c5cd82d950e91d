import type { Hush } from '../support/hush.js';
import type { startSendgrid } from '../support/stand-ins/sendgrid.js';
import { until } from '../support/until.js';

export type Sendgrid = Awaited<ReturnType<typeof startSendgrid>>;

export interface Progress {
  readonly state: string;
  readonly phase?: string;
  readonly dryRun?: boolean;
  readonly startedAt?: string;
  readonly read?: number;
  readonly share?: number;
  readonly drift?: number;
  readonly why?: string;
  readonly nextAt?: string;
  readonly found?: Readonly<Record<string, number>>;
  readonly last?: { readonly drift: number };
}

export interface Described {
  readonly name: string;
  readonly state: string;
  readonly pending: number;
  readonly backfill?: { readonly total: number; readonly done: number };
  readonly lastError?: { readonly kind: string; readonly message: string };
  readonly reconciliation: Progress;
}

export const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };

/** SendGrid's global list, bound to offers of JM Facets. */
export const sender = (server: Sendgrid, more: object = {}) => ({
  name: 'sender',
  adapter: 'sendgrid',
  role: 'processor',
  settings: { apiKey: server.apiKey, baseUrl: server.url },
  bindings: [{ name: 'offers', ...OFFERS, target: { global: true } }],
  ...more,
});

export const optOut = (email: string, at?: string) => ({
  contact: { email },
  type: 'opted_out',
  scope: OFFERS,
  ...(at === undefined ? {} : { at }),
});
export const optIn = (email: string) => ({ contact: { email }, type: 'opted_in', scope: OFFERS });

export async function stateOf(hush: Pick<Hush, 'ask'>, name = 'sender'): Promise<Described> {
  const { destinations } = await hush.ask<{ destinations: Described[] }>('/v1/destinations');
  const found = destinations.find((one) => one.name === name);
  if (!found) throw new Error(`no destination ${name}`);
  return found;
}

/** Records, projects and tells. */
export async function happen(hush: Hush, events: readonly object[]): Promise<void> {
  const { rejected } = await hush.ask<{ rejected: unknown[] }>('/v1/events', { events });
  if (rejected.length > 0) throw new Error(JSON.stringify(rejected));
  await hush.settle();
}

/** Asks for a comparison, waits until it is finished and everything is told, and returns what it found. */
export async function compare(hush: Hush, options: { dryRun?: boolean; name?: string } = {}): Promise<Progress> {
  const name = options.name ?? 'sender';
  const before = (await stateOf(hush, name)).reconciliation.startedAt;
  await hush.ask(`/v1/destinations/${name}/reconcile`, { dryRun: options.dryRun ?? false });
  const { reconciliation } = await until(async () => {
    await hush.hush.reconciling.once();
    const now = await stateOf(hush, name);
    return now.reconciliation.state === 'finished' && now.reconciliation.startedAt !== before && now;
  });
  await hush.settle();
  return reconciliation;
}
