import type { Hush } from '../../support/hush.js';
import { until } from '../../support/until.js';

/** A customer with an email address, a phone, a number and a postal address, and something of a history. */
export async function makeCustomer(hush: Hush, name: string) {
  const first = name.toLowerCase();
  const email = { email: `${first}@example.com` };
  const phone = {
    phone: `+1920555${String(100 + [...first].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 900, 7)).padStart(4, '0')}`,
  };
  const id = { id: `customer:${first}-4731` };
  const postal = {
    postal: {
      name: `${name} Doe`,
      line1: '12 Main Street',
      city: 'Neenah',
      region: 'WI',
      postalCode: '54956-1234',
      country: 'US',
    },
  };
  const day = 86_400_000;
  const ago = (days: number) => new Date(Date.now() - days * day).toISOString();
  const event = (contact: object, type: string, at: string, more: object = {}) => ({
    contact,
    type,
    at,
    source: { kind: 'api', evidence: { page: 'shipping portal' } },
    ...more,
  });
  await hush.ask('/v1/events', {
    events: [
      event(email, 'profile', ago(180), { relationship: 'customer', jurisdiction: 'US-WI' }),
      event(email, 'consent_granted', ago(170), {
        scope: { brand: 'jmf', channel: 'email', purpose: 'promotion' },
        notice: { id: 'newsletter', version: '1' },
      }),
      event(email, 'gpc_received', ago(70)),
      event(email, 'opted_out', ago(3), {
        scope: { brand: 'jmf', channel: 'email', purpose: 'promotion' },
        source: { kind: 'one_click' },
      }),
      event(phone, 'profile', ago(180), { relationship: 'customer' }),
      event(id, 'profile', ago(180), { relationship: 'customer' }),
      event(postal, 'profile', ago(180), { relationship: 'customer' }),
    ],
  });
  await hush.ask('/v1/contacts/link', { contacts: [email, phone, id, postal] });
  return { email, phone, id, postal, keyOf: (contact: object) => keyOf(hush, contact) };
}

/** The key (`c_…`) of a contact. */
export async function keyOf(hush: Hush, contact: object): Promise<string> {
  return (await hush.ask<{ contact: string }>('/v1/contacts/lookup', { contact })).contact;
}

/** Resolves when everything recorded is sealed, published and counted. */
export async function follow(hush: Hush): Promise<void> {
  const { connection, contacts, log, ledger, statistics } = hush.hush.stores;
  await until(async () => {
    await hush.settle();
    if ((await contacts.backlog()).count > 0) return false;
    if ((await ledger.collection.countDocuments({ unsealed: { $exists: true } })) > 0) return false;
    // The log's size moves on only after its entries have their leaves.
    const { size } = await log.leaves.reached();
    if (size < (await connection.collection('log_entries').countDocuments())) return false;
    const published = (await log.checkpoints.latest())?.size ?? 0;
    return published >= size && (await statistics.next()) >= size;
  });
}
