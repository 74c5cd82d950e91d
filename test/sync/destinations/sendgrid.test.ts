import { generateKeyPairSync, sign } from 'node:crypto';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { sendgrid } from '../../../src/sync/destinations/sendgrid.js';
import { providerDescription, startPrism } from '../../support/stand-ins/prism.js';
import { startSendgrid } from '../../support/stand-ins/sendgrid.js';
import { batch, bind, build, conformance, entry, faultOf, never, ODD, strictSettings } from './conformance.js';
import { inbound, NOW, receiving } from './receiving.js';

for (const target of [{ global: true }, { group: 7 }]) {
  conformance(`SendGrid, ${'group' in target ? 'a group' : 'global'}`, {
    secrets: ['SG.stand-in-key'],
    bad: { address: 'broken@nowhere.invalid', outcome: 'refused' },
    async make({ wrongSecret } = {}) {
      const server = await startSendgrid();
      const binding = bind(target);
      const list = 'group' in target ? (server.groups.get('7') ?? new Map<string, number>()) : server.global;
      return {
        destination: build(sendgrid, { apiKey: wrongSecret ? 'SG.other' : server.apiKey, baseUrl: server.url }, [
          binding,
        ]),
        binding,
        server,
        suppressed: () => [...list.keys()],
        plant: (address) => list.set(address, 1_700_000_000),
        close: server.close,
      };
    },
  });
}

describe('SendGrid', () => {
  strictSettings(sendgrid, { apiKey: 'x' }, { group: 7 });
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });

  test('a group that does not exist is a fault of the catalog, and nobody lands on the global list', async () => {
    const server = await startSendgrid();
    open.push(server);
    const binding = bind({ group: 8 });
    const destination = build(sendgrid, { apiKey: server.apiKey, baseUrl: server.url }, [binding]);
    expect((await faultOf(destination.send(binding, 'suppress', batch(2), never()))).fault).toBe('credentials');
    expect(server.global.size).toBe(0);
  });

  test('read-back of the global list brings bounces under their own kind', async () => {
    const server = await startSendgrid();
    open.push(server);
    const binding = bind({ global: true });
    const destination = build(sendgrid, { apiKey: server.apiKey, baseUrl: server.url }, [binding]);
    server.bounces.set('gone@example.com', 1_700_000_123);
    await destination.send(binding, 'suppress', [entry('a@example.com')], never());
    const pages = [await destination.readBack?.(binding, undefined, never())];
    while (pages.at(-1)?.next) pages.push(await destination.readBack?.(binding, pages.at(-1)?.next, never()));
    const found = pages.flatMap((page) => page?.entries ?? []);
    expect(found).toContainEqual({ address: 'gone@example.com', at: 1_700_000_123_000, kind: 'bounced' });
    expect(found).toHaveLength(2);
  });
});

describe('SendGrid’s own description', () => {
  const described = providerDescription('sendgrid-suppressions.json');
  let starting: ReturnType<typeof startPrism> | undefined;
  afterAll(async () => (await starting)?.close());
  const at = async (target: Record<string, unknown>) => {
    const binding = bind(target);
    starting ??= startPrism(described.path);
    const { url } = await starting;
    return { binding, destination: build(sendgrid, { apiKey: 'SG.x', baseUrl: url }, [binding]) };
  };

  described.test('allows what is sent to suppress, globally and in a group', async () => {
    for (const target of [{ global: true }, { group: 7 }]) {
      const { binding, destination } = await at(target);
      const sent = await destination.send(binding, 'suppress', ODD.slice(0, 3).map(entry), never());
      expect(sent).toEqual({ status: 'in_force' });
    }
  });

  described.test('allows what is sent to lift', async () => {
    for (const target of [{ global: true }, { group: 7 }]) {
      const { binding, destination } = await at(target);
      expect(await destination.send(binding, 'lift', batch(2), never())).toEqual({ status: 'in_force' });
    }
  });

  described.test('allows how lists are read back and addresses looked up', async () => {
    for (const target of [{ global: true }, { group: 7 }]) {
      const { binding, destination } = await at(target);
      expect((await destination.readBack?.(binding, undefined, never()))?.entries.length).toBeGreaterThanOrEqual(0);
      expect(await destination.lookup?.(binding, ['a@example.com'], never())).toBeDefined();
    }
  });

  described.test('is strict: a batch of something else is refused', async () => {
    const { binding, destination } = await at({ global: true });
    const broken = [{ ...entry('a@example.com'), address: undefined }];
    // @ts-expect-error no address on purpose
    expect((await faultOf(destination.send(binding, 'suppress', broken, never()))).fault).toBe('refused');
  });
});

describe('SendGrid event webhook', () => {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const webhookKey = keys.publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
  const bindings = [
    bind({ group: 7 }, 'offers'),
    bind({ group: 7 }, 'also-offers', 'shows'),
    bind({ global: true }, 'all'),
  ];
  const destination = () => build(sendgrid, { apiKey: 'x', webhookKey }, bindings);
  const signed = (body: string, at: number) => {
    const timestamp = String(Math.floor(at / 1000));
    return inbound(body, {
      'x-twilio-email-event-webhook-timestamp': timestamp,
      'x-twilio-email-event-webhook-signature': sign('sha256', Buffer.from(timestamp + body), keys.privateKey).toString(
        'base64',
      ),
    });
  };
  const event = (fields: Record<string, unknown>) => ({
    email: 'ana@example.com',
    timestamp: 1_777_000_000,
    sg_event_id: 'e1',
    ...fields,
  });
  const read = async (...events: Record<string, unknown>[]) =>
    destination().receive?.(signed(JSON.stringify(events.map(event)), NOW), NOW);

  receiving({
    destination,
    sign: signed,
    genuine: JSON.stringify([
      event({ event: 'unsubscribe' }),
      event({ event: 'group_unsubscribe', asm_group_id: 7, sg_event_id: 'e2' }),
    ]),
    unknown: { body: JSON.stringify([event({ event: 'teleported' })]), kind: 'teleported' },
    window: 600,
    proof: ['x-twilio-email-event-webhook-signature', 'x-twilio-email-event-webhook-timestamp'],
  });

  test('an unsubscribe denies all email marketing', async () => {
    expect((await read({ event: 'unsubscribe' }))?.reports).toMatchObject([
      { type: 'opted_out', scope: { channel: 'email', purpose: 'marketing' }, at: 1_777_000_000_000, id: 'e1' },
    ]);
  });

  test('leaving a group denies every scope bound to it; leaving an unknown group denies all email marketing', async () => {
    const known = await read({ event: 'group_unsubscribe', asm_group_id: 7 });
    expect(known?.reports.map((one) => one.scope)).toEqual([bindings[0]?.scope, bindings[1]?.scope]);
    const unknown = await read({ event: 'group_unsubscribe', asm_group_id: 99 });
    expect(unknown?.reports.map((one) => one.scope)).toEqual([{ channel: 'email', purpose: 'marketing' }]);
  });

  test('returning to a group is reported for its scopes; returning to an unknown group opens nothing', async () => {
    expect((await read({ event: 'group_resubscribe', asm_group_id: 7 }))?.reports.map((one) => one.type)).toEqual([
      'opted_in',
      'opted_in',
    ]);
    expect((await read({ event: 'group_resubscribe', asm_group_id: 99 }))?.reports).toEqual([]);
  });

  test('bounces are hard, blocks are soft, complaints are complaints', async () => {
    const found = await read(
      { event: 'bounce', type: 'bounce', sg_event_id: '1' },
      { event: 'bounce', type: 'blocked', sg_event_id: '2' },
      { event: 'spamreport', sg_event_id: '3' },
      { event: 'dropped', reason: 'Bounced Address', sg_event_id: '4' },
      { event: 'dropped', reason: 'Spam Reporting Address', sg_event_id: '5' },
    );
    expect(found?.reports.map((one) => [one.type, one.kind])).toEqual([
      ['bounced', 'hard'],
      ['bounced', 'soft'],
      ['complained', undefined],
      ['bounced', 'hard'],
      ['complained', undefined],
    ]);
  });

  test('a drop that echoes our own suppression makes no opt-out of it', async () => {
    const found = await read(
      { event: 'dropped', reason: 'Unsubscribed Address' },
      { event: 'delivered', sg_event_id: '2' },
    );
    expect(found).toMatchObject({ reports: [], unknown: [] });
  });

  test('one malformed event does not lose its neighbours', async () => {
    const found = await read(
      { event: 'unsubscribe', timestamp: 'yesterday' },
      { event: 'unsubscribe', sg_event_id: '2' },
    );
    expect(found?.reports.map((one) => one.id)).toEqual(['2']);
    expect(found?.unknown).toEqual(['malformed']);
  });
});
