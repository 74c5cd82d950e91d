import { createHmac } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import { machine } from '../../../src/machine.js';
import { klaviyo } from '../../../src/sync/destinations/klaviyo.js';
import { startKlaviyo } from '../../support/stand-ins/klaviyo.js';
import { providerDescription, startPrism } from '../../support/stand-ins/prism.js';
import { batch, bind, build, conformance, entry, faultOf, never, ODD, settle, strictSettings } from './conformance.js';
import { inbound, NOW, receiving } from './receiving.js';

for (const target of [{ global: true }, { list: 'L1st' }]) {
  const isList = 'list' in target;
  conformance(`Klaviyo, ${isList ? 'a list' : 'global'}`, {
    secrets: ['pk_stand_in_key'],
    lifts: !isList,
    ...(isList ? {} : { bad: { address: 'broken@nowhere.invalid', outcome: 'refused' as const } }),
    async make({ wrongSecret } = {}) {
      const server = await startKlaviyo();
      const binding = bind(target);
      return {
        destination: build(klaviyo, { apiKey: wrongSecret ? 'pk_other' : server.apiKey, baseUrl: server.url }, [
          binding,
        ]),
        binding,
        ...(isList ? { nowhere: bind({ list: 'gone' }) } : {}),
        server,
        suppressed: () => [...(isList ? server.left : server.suppressed).keys()],
        plant: (address) => (isList ? server.left.set(address, 'L1st') : server.suppressed.set(address, 'UNSUBSCRIBE')),
        close: server.close,
      };
    },
  });
}

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

describe('Klaviyo', () => {
  strictSettings(klaviyo, { apiKey: 'x' }, { list: 'L1st' });
  const start = async (target: Record<string, unknown>) => {
    const server = await startKlaviyo();
    open.push(server);
    const binding = bind(target);
    return { server, binding, destination: build(klaviyo, { apiKey: server.apiKey, baseUrl: server.url }, [binding]) };
  };

  test('who is not on the list is left alone, since Klaviyo would take them off everything', async () => {
    const { server, binding, destination } = await start({ list: 'L1st' });
    server.members((address) => address.startsWith('on.'));
    await destination.send(binding, 'suppress', ['on.list@example.com', 'off.list@example.com'].map(entry), never());
    expect([...server.left.keys()]).toEqual(['on.list@example.com']);
    expect([...server.suppressed.keys()]).toEqual([]);
  });

  test('a lift on a list does nothing: it would subscribe somebody', async () => {
    const { server, binding, destination } = await start({ list: 'L1st' });
    expect(await destination.send(binding, 'lift', [entry('a@example.com')], never())).toEqual({ status: 'in_force' });
    expect(server.asked).toEqual([]);
  });

  test('a lift leaves what the person did themselves', async () => {
    const { server, binding, destination } = await start({ global: true });
    server.suppressed.set('self@example.com', 'UNSUBSCRIBE').set('ours@example.com', 'USER_SUPPRESSED');
    await settle(destination, binding, 'lift', ['self@example.com', 'ours@example.com'].map(entry));
    expect([...server.suppressed.keys()]).toEqual(['self@example.com']);
  });

  test('a batch is accepted first, and in force once its job is done; a lost job is sent again', async () => {
    const { server, binding, destination } = await start({ global: true });
    const sent = await destination.send(binding, 'suppress', batch(2), never());
    expect(sent).toMatchObject({ status: 'accepted', job: expect.stringContaining('bulk-create-jobs/') });
    expect(await destination.poll?.(sent.job ?? '', never())).toBe('working');
    expect(server.suppressed.size).toBe(0);
    expect(await destination.poll?.(sent.job ?? '', never())).toBe('done');
    expect(server.suppressed.size).toBe(2);
    server.cancelJobs();
    expect(await destination.poll?.(sent.job ?? '', never())).toBe('failed');
  });

  test('bounces and complaints come back under their own kind', async () => {
    const { server, binding, destination } = await start({ global: true });
    server.suppressed.set('gone@example.com', 'HARD_BOUNCE').set('angry@example.com', 'SPAM_COMPLAINT');
    expect((await destination.readBack?.(binding, undefined, never()))?.entries).toEqual([
      { address: 'gone@example.com', kind: 'bounced', at: Date.UTC(2026, 2, 1, 10) },
      { address: 'angry@example.com', kind: 'complained', at: Date.UTC(2026, 2, 1, 10) },
    ]);
  });
});

describe('Klaviyo’s own description', () => {
  const calls = [
    ['klaviyo-bulk_suppress_profiles.json', 'suppress'],
    ['klaviyo-bulk_unsuppress_profiles.json', 'lift'],
  ] as const;
  for (const [name, action] of calls) {
    const described = providerDescription(name);
    described.test(`allows what is sent to ${action}`, async () => {
      const prism = await startPrism(described.path);
      open.push(prism);
      const binding = bind({ global: true });
      const destination = build(klaviyo, { apiKey: 'pk_x', baseUrl: prism.url }, [binding]);
      const sent = await destination.send(binding, action, ODD.slice(0, 3).map(entry), never());
      expect(sent).toMatchObject({ status: 'accepted', job: expect.stringMatching(/^profile-suppression-bulk-/) });
    });
  }

  const leaving = providerDescription('klaviyo-bulk_unsubscribe_profiles.json');
  leaving.test('allows what is sent to leave a list', async () => {
    const prism = await startPrism(leaving.path);
    const standIn = await startKlaviyo();
    open.push(prism, standIn);
    const binding = bind({ list: 'L1st' });
    // The membership is asked for at the stand-in, since the description has only the job.
    const through = klaviyo.create(
      klaviyo.settings.parse({ apiKey: standIn.apiKey }),
      {
        http: {
          async request({ url, method, headers, json }) {
            const base = method === 'POST' ? prism.url : standIn.url;
            const answer = await fetch(url.replace('https://a.klaviyo.com', base), {
              method,
              headers: { ...headers },
              ...(json ? { body: JSON.stringify(json) } : {}),
            });
            const text = await answer.text();
            if (!answer.ok) throw new Error(`${answer.status} ${text}`);
            return { status: answer.status, headers: answer.headers, json: text ? JSON.parse(text) : undefined, text };
          },
        },
        now: Date.now,
        machine,
        name: 'klaviyo',
        dataDir: '.',
      },
      [binding],
    );
    expect(await through.send(binding, 'suppress', batch(2), never())).toEqual({ status: 'accepted' });
  });

  const job = providerDescription('klaviyo-get_bulk_suppress_profiles_job.json');
  job.test('allows how a job is asked about', async () => {
    const prism = await startPrism(job.path);
    open.push(prism);
    const destination = build(klaviyo, { apiKey: 'pk_x', baseUrl: prism.url }, []);
    expect(['working', 'done', 'failed']).toContain(
      await destination.poll?.('profile-suppression-bulk-create-jobs/01GSQPBF74KQ5YTDEPP41T1BZH', never()),
    );
  });

  const suppress = providerDescription('klaviyo-bulk_suppress_profiles.json');
  suppress.test('is strict: a batch of something else is refused', async () => {
    const prism = await startPrism(suppress.path);
    open.push(prism);
    const binding = bind({ global: true });
    const destination = build(klaviyo, { apiKey: 'pk_x', baseUrl: prism.url }, [binding]);
    const broken = [{ ...entry('a@example.com'), address: undefined }];
    // @ts-expect-error no address on purpose
    expect((await faultOf(destination.send(binding, 'suppress', broken, never()))).fault).toBe('refused');
  });
});

describe('Klaviyo webhook', () => {
  const webhookSecret = 'a-secret-of-the-webhook';
  const bindings = [bind({ global: true }, 'all'), bind({ list: 'L1st' }, 'offers')];
  const destination = () => build(klaviyo, { apiKey: 'x', webhookSecret }, bindings);
  const signed = (body: string, at: number) => {
    const full = body.replace(
      '"META"',
      JSON.stringify({ timestamp: new Date(at).toISOString(), klaviyo_webhook_id: 'w' }),
    );
    // As seen in the wild: the header's clock is hours off.
    const stamp = new Date(at + 5 * 3_600_000).toUTCString();
    const signature = createHmac('sha256', webhookSecret).update(full).update(stamp).digest('hex');
    return inbound(full, { 'klaviyo-signature': signature, 'klaviyo-timestamp': stamp });
  };
  const event = (topic: string, told: Record<string, unknown> = {}, id = topic) => ({
    topic: `event:klaviyo.${topic}`,
    external_id: id,
    payload: {
      data: { type: 'event', id, attributes: { timestamp: 1_777_000_000, event_properties: told } },
      included: [{ type: 'profile', id: 'p', attributes: { email: 'ana@example.com' } }],
    },
  });
  const body = (...events: unknown[]) => JSON.stringify({ meta: 'META', data: events });
  const read = async (...events: unknown[]) => destination().receive?.(signed(body(...events), NOW), NOW);

  receiving({
    destination,
    sign: signed,
    genuine: body(event('unsubscribed_from_email_marketing'), event('bounced_email')),
    unknown: { body: body(event('teleported')), kind: 'event:klaviyo.teleported' },
    window: 600,
    proof: ['klaviyo-signature', 'klaviyo-timestamp'],
  });

  test('leaving all email marketing, a bound list, and a list nobody knows', async () => {
    const found = await read(
      event('unsubscribed_from_email_marketing'),
      event('unsubscribed_from_list', { list_id: 'L1st' }, 'b'),
      event('unsubscribed_from_list', { list_id: 'Else' }, 'c'),
    );
    expect(found?.reports.map((one) => [one.type, one.scope])).toEqual([
      ['opted_out', { channel: 'email', purpose: 'marketing' }],
      ['opted_out', bindings[1]?.scope],
      ['opted_out', { channel: 'email', purpose: 'marketing' }],
    ]);
  });

  test('returning opens what it names and nothing else', async () => {
    expect((await read(event('subscribed_to_email_marketing')))?.reports.map((one) => one.scope)).toEqual([
      bindings[0]?.scope,
    ]);
    expect((await read(event('subscribed_to_list', { list_id: 'L1st' })))?.reports.map((one) => one.scope)).toEqual([
      bindings[1]?.scope,
    ]);
    expect((await read(event('subscribed_to_list', {})))?.reports).toEqual([]);
  });

  test('complaints, bounces, and the address that was written to', async () => {
    const found = await read(
      event('marked_email_as_spam'),
      event('bounced_email', { 'Bounce Type': 'Hard', email_address: 'old@example.com' }),
      event('bounced_email', { 'Bounce Type': 'Soft' }, 's'),
      event('manually_suppressed_from_email_marketing'),
      event('opened_email'),
    );
    expect(found?.reports.map((one) => [one.type, one.kind, one.address.value])).toEqual([
      ['complained', undefined, 'ana@example.com'],
      ['bounced', 'hard', 'old@example.com'],
      ['bounced', 'soft', 'ana@example.com'],
    ]);
    expect(found?.unknown).toEqual([]);
  });
});
