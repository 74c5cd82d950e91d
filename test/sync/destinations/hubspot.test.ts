import { createHmac } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { hubspot } from '../../../src/sync/destinations/hubspot.js';
import { startHubspot } from '../../support/stand-ins/hubspot.js';
import { batch, bind, build, conformance, entry, faultOf, never, strictSettings } from './conformance.js';
import { inbound, NOW, receiving } from './receiving.js';

for (const target of [{ all: true }, { subscription: 7 }]) {
  const isTopic = 'subscription' in target;
  conformance(`HubSpot, ${isTopic ? 'a subscription type' : 'all email'}`, {
    secrets: ['pat-stand-in-token'],
    lifts: isTopic,
    bad: { address: 'broken@nowhere.invalid', outcome: 'parked' },
    async make({ wrongSecret } = {}) {
      const server = await startHubspot();
      const binding = bind(target);
      return {
        destination: build(hubspot, { accessToken: wrongSecret ? 'pat-other' : server.token, baseUrl: server.url }, [
          binding,
        ]),
        binding,
        ...(isTopic ? { nowhere: bind({ subscription: 8 }) } : {}),
        server,
        suppressed: () =>
          isTopic
            ? [...server.topic].filter(([, state]) => state === 'UNSUBSCRIBED').map(([address]) => address)
            : [...server.all.keys()],
        plant: (address) =>
          isTopic ? server.topic.set(address, 'UNSUBSCRIBED') : server.all.set(address, server.idOf(address)),
        close: server.close,
      };
    },
  });
}

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

describe('HubSpot', () => {
  strictSettings(hubspot, { accessToken: 'x' }, { subscription: 7 });
  const start = async (target: Record<string, unknown>) => {
    const server = await startHubspot();
    open.push(server);
    const binding = bind(target);
    return {
      server,
      binding,
      destination: build(hubspot, { accessToken: server.token, baseUrl: server.url }, [binding]),
    };
  };

  test('a lift claims no consent unless the catalog names the legal basis', async () => {
    const plain = await start({ subscription: 7 });
    await plain.destination.send(plain.binding, 'lift', [entry('a@example.com')], never());
    expect([plain.server.topic.get('a@example.com'), plain.server.bases.get('a@example.com')]).toEqual([
      'NOT_SPECIFIED',
      undefined,
    ]);
    const based = await start({ subscription: 7, legalBasis: 'CONSENT_WITH_NOTICE' });
    await based.destination.send(based.binding, 'lift', [entry('a@example.com')], never());
    expect([based.server.topic.get('a@example.com'), based.server.bases.get('a@example.com')]).toEqual([
      'SUBSCRIBED',
      'CONSENT_WITH_NOTICE',
    ]);
  });

  test('an opt-out from all email is never lifted: only the person can', async () => {
    const { server, binding, destination } = await start({ all: true });
    await destination.send(binding, 'suppress', [entry('a@example.com')], never());
    expect(await destination.send(binding, 'lift', [entry('a@example.com')], never())).toEqual({ status: 'in_force' });
    expect([...server.all.keys()]).toEqual(['a@example.com']);
  });

  test('an error that names nobody refuses the batch, so that it is halved', async () => {
    const { server, binding, destination } = await start({ all: true });
    const json = { results: [], errors: [{ message: 'one input was refused' }] };
    server.fault({ kind: 'answer', answer: { status: 207, json } });
    expect((await faultOf(destination.send(binding, 'suppress', batch(4), never()))).fault).toBe('refused');
  });
});

describe('HubSpot webhook', () => {
  const clientSecret = 'the-secret-of-the-app';
  const bindings = [bind({ all: true }, 'all'), bind({ subscription: 7 }, 'offers')];
  const url = 'https://hush.example/hooks/hubspot';
  let server: Awaited<ReturnType<typeof startHubspot>>;
  beforeAll(async () => {
    server = await startHubspot();
    server.idOf('ana@example.com');
  });
  afterAll(() => server.close());
  const destination = () => build(hubspot, { accessToken: server.token, baseUrl: server.url, clientSecret }, bindings);
  const signed = (body: string, at: number) => {
    const signature = createHmac('sha256', clientSecret).update(`POST${url}${body}${at}`).digest('base64');
    return inbound(body, { 'x-hubspot-signature-v3': signature, 'x-hubspot-request-timestamp': String(at) }, url);
  };
  const event = (fields: Record<string, unknown> = {}) => ({
    eventId: 1,
    subscriptionId: 25,
    portalId: 33,
    occurredAt: 1_777_000_000_000,
    subscriptionType: 'contact.propertyChange',
    attemptNumber: 0,
    objectId: 100,
    changeSource: 'EMAIL',
    propertyName: 'hs_email_optout',
    propertyValue: 'true',
    ...fields,
  });
  const read = async (...events: unknown[]) => destination().receive?.(signed(JSON.stringify(events), NOW), NOW);

  receiving({
    destination,
    sign: signed,
    genuine: JSON.stringify([event(), event({ propertyName: 'hs_email_optout_7', eventId: 2 })]),
    unknown: { body: JSON.stringify([event({ subscriptionType: 'contact.teleport' })]), kind: 'contact.teleport' },
    window: 300,
    proof: ['x-hubspot-signature-v3', 'x-hubspot-request-timestamp'],
  });

  test('the address is asked for, since a webhook names only HubSpot’s id', async () => {
    const found = await read(
      event(),
      event({ propertyName: 'hs_email_optout_7' }),
      event({ propertyName: 'hs_email_optout_9' }),
    );
    expect(found?.reports.map((one) => [one.type, one.address.value, one.scope])).toEqual([
      ['opted_out', 'ana@example.com', bindings[0]?.scope],
      ['opted_out', 'ana@example.com', bindings[1]?.scope],
      ['opted_out', 'ana@example.com', { channel: 'email', purpose: 'marketing' }],
    ]);
    expect((await read(event({ propertyValue: 'false' })))?.reports.map((one) => one.type)).toEqual(['opted_in']);
    expect((await read(event({ propertyName: 'hs_email_optout_9', propertyValue: 'false' })))?.reports).toEqual([]);
  });

  test('what an app wrote, ourselves included, is not the word of the person', async () => {
    expect((await read(event({ changeSource: 'INTEGRATION' }), event({ propertyName: 'firstname' })))?.reports).toEqual(
      [],
    );
  });
});
