import { afterEach, describe, expect, test } from '@jest/globals';
import { braze } from '../../../src/sync/destinations/braze.js';
import { startBraze } from '../../support/stand-ins/braze.js';
import { bind, build, conformance, entry, never, strictSettings } from './conformance.js';
import { inbound, NOW, receiving } from './receiving.js';

for (const target of [{ global: true }, { group: 'grp-7' }]) {
  const isGroup = 'group' in target;
  conformance(`Braze, ${isGroup ? 'a subscription group' : 'global'}`, {
    secrets: ['braze-stand-in-key'],
    bad: { address: 'broken@nowhere.invalid', outcome: 'refused' },
    async make({ wrongSecret } = {}) {
      const server = await startBraze();
      const binding = bind(target);
      const list = isGroup ? server.group : server.states;
      return {
        destination: build(braze, { apiKey: wrongSecret ? 'another-key' : server.apiKey, baseUrl: server.url }, [
          binding,
        ]),
        binding,
        ...(isGroup ? { nowhere: bind({ group: 'gone' }) } : {}),
        server,
        suppressed: () => [...list].filter(([, state]) => state === 'unsubscribed').map(([address]) => address),
        plant: (address) => list.set(address, 'unsubscribed'),
        close: server.close,
      };
    },
  });
}

describe('Braze', () => {
  const server = 'https://rest.iad-01.braze.com';
  strictSettings(braze, { apiKey: 'x', baseUrl: server }, { group: 'x' });
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
  });

  test('a lift claims no consent: the address is neither opted in nor out', async () => {
    const standIn = await startBraze();
    open.push(standIn);
    const binding = bind({ global: true });
    const destination = build(braze, { apiKey: standIn.apiKey, baseUrl: standIn.url }, [binding]);
    await destination.send(binding, 'lift', [entry('a@example.com')], never());
    expect(standIn.states.get('a@example.com')).toBe('subscribed');
  });

  test('where told to leave it, a lift puts nobody back into a group', async () => {
    const standIn = await startBraze();
    open.push(standIn);
    const binding = bind({ group: 'grp-7', onLift: 'leave' });
    const destination = build(braze, { apiKey: standIn.apiKey, baseUrl: standIn.url }, [binding]);
    await destination.send(binding, 'lift', [entry('a@example.com')], never());
    expect(standIn.asked).toEqual([]);
  });

  test('with a group bound there is no read-back, so that nothing is taken for missing', () => {
    const both = [bind({ global: true }), bind({ group: 'grp-7' }, 'offers')];
    expect(build(braze, { apiKey: 'x', baseUrl: server }, both).readBack).toBeUndefined();
    expect(build(braze, { apiKey: 'x', baseUrl: server }, both.slice(0, 1)).readBack).toBeDefined();
  });
});

describe('Braze Currents', () => {
  const webhookToken = 'the-token-of-the-connector';
  const bindings = [bind({ global: true }, 'all'), bind({ group: 'grp-7' }, 'offers')];
  const destination = () => build(braze, { apiKey: 'x', baseUrl: 'https://rest.example', webhookToken }, bindings);
  const signed = (body: string) => inbound(body, { authorization: `Bearer ${webhookToken}` });
  const event = (event_type: string, properties: Record<string, unknown> = {}, id = event_type) => ({
    event_type,
    id,
    time: 1_777_000_000,
    user: { user_id: 'u1' },
    properties: { email_address: 'ana@example.com', ...properties },
  });
  const body = (...events: unknown[]) => JSON.stringify({ events });
  const read = async (...events: unknown[]) => destination().receive?.(signed(body(...events)), NOW);

  receiving({
    destination,
    sign: signed,
    genuine: body(event('users.messages.email.Unsubscribe'), event('users.messages.email.Bounce')),
    unknown: { body: body(event('users.Teleported')), kind: 'users.Teleported' },
    coversBody: false,
    proof: ['authorization'],
  });

  test('changes of state count for what is bound to them', async () => {
    const group = 'users.behaviors.subscriptiongroup.StateChange';
    const found = await read(
      event('users.behaviors.subscription.GlobalStateChange', {
        subscription_status: 'Unsubscribed',
        channel: 'email',
      }),
      event(group, { subscription_group_id: 'grp-7', subscription_status: 'Unsubscribed' }, 'b'),
      event(group, { subscription_group_id: 'grp-7', subscription_status: 'Subscribed' }, 'c'),
      event(group, { subscription_group_id: 'else', subscription_status: 'Unsubscribed' }, 'd'),
    );
    expect(found?.reports.map((one) => [one.type, one.scope])).toEqual([
      ['opted_out', bindings[0]?.scope],
      ['opted_out', bindings[1]?.scope],
      ['opted_in', bindings[1]?.scope],
      ['opted_out', { channel: 'email', purpose: 'marketing' }],
    ]);
  });

  test('what came through the interface is an echo; other channels are not email', async () => {
    const type = 'users.behaviors.subscription.GlobalStateChange';
    const echo = await read(event(type, { subscription_status: 'Unsubscribed', state_change_source: 'REST API' }));
    expect(echo).toMatchObject({ reports: [], unknown: [] });
    expect((await read(event(type, { subscription_status: 'Unsubscribed', channel: 'sms' })))?.reports).toEqual([]);
  });

  test('complaints and bounces', async () => {
    const kinds = ['MarkAsSpam', 'Bounce', 'SoftBounce', 'Open'].map((kind) => event(`users.messages.email.${kind}`));
    expect((await read(...kinds))?.reports.map((one) => [one.type, one.kind])).toEqual([
      ['complained', undefined],
      ['bounced', 'hard'],
      ['bounced', 'soft'],
    ]);
  });
});
