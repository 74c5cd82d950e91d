import { afterEach, describe, expect, test } from '@jest/globals';
import { machine } from '../../../src/machine.js';
import { mailchimp } from '../../../src/sync/destinations/mailchimp.js';
import { startMailchimp } from '../../support/stand-ins/mailchimp.js';
import { bind, build, conformance, entry, faultOf, never, strictSettings } from './conformance.js';
import { inbound, NOW, receiving } from './receiving.js';

const LIST = 'a1b2c3';

conformance('Mailchimp', {
  secrets: ['mailchimp-stand-in-us21'],
  bad: { address: 'broken@nowhere.invalid', outcome: 'parked' },
  async make({ wrongSecret } = {}) {
    const server = await startMailchimp();
    const binding = bind({ list: LIST });
    return {
      destination: build(mailchimp, { apiKey: wrongSecret ? 'other-us21' : server.apiKey, baseUrl: server.url }, [
        binding,
      ]),
      binding,
      nowhere: bind({ list: 'gone' }),
      server,
      suppressed: () =>
        [...server.members.values()]
          .filter((one) => one.status === 'unsubscribed')
          .map((one) => one.email.toLowerCase()),
      plant: (address) => server.put(address, 'unsubscribed'),
      close: server.close,
    };
  },
});

describe('Mailchimp', () => {
  strictSettings(mailchimp, { apiKey: 'x-us1' }, { list: LIST });
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });
  const start = async (onLift?: string) => {
    const server = await startMailchimp();
    open.push(server);
    const binding = bind({ list: LIST, ...(onLift ? { onLift } : {}) });
    return {
      server,
      binding,
      destination: build(mailchimp, { apiKey: server.apiKey, baseUrl: server.url }, [binding]),
    };
  };

  test('a lift asks the person; who is not in the audience or subscribed already is left alone', async () => {
    const { server, binding, destination } = await start();
    server.put('out@example.com', 'unsubscribed');
    server.put('in@example.com', 'subscribed');
    server.put('gone@example.com', 'cleaned');
    const all = ['out@example.com', 'in@example.com', 'gone@example.com', 'never@example.com'];
    await destination.send(binding, 'lift', all.map(entry), never());
    expect(all.map(server.statusOf)).toEqual(['pending', 'subscribed', 'cleaned', undefined]);
  });

  test('where told to resubscribe it does, but who left by themselves is asked', async () => {
    const { server, binding, destination } = await start('resubscribe');
    server.put('ours@example.com', 'unsubscribed');
    server.put('self@example.com', 'unsubscribed', true);
    await destination.send(binding, 'lift', ['ours@example.com', 'self@example.com'].map(entry), never());
    expect(['ours@example.com', 'self@example.com'].map(server.statusOf)).toEqual(['subscribed', 'pending']);
  });

  test('where told to leave it, a lift does nothing at all', async () => {
    const { server, binding, destination } = await start('leave');
    await destination.send(binding, 'lift', [entry('out@example.com')], never());
    expect(server.asked).toEqual([]);
  });

  test('an address that Mailchimp throttles is tried again, never parked', async () => {
    const { server, binding, destination } = await start();
    const error =
      "a@example.com has signed up to a lot of lists very recently; we're not allowing more signups for now";
    server.fault({
      kind: 'answer',
      answer: { status: 200, json: { errors: [{ email_address: 'a@example.com', error }] } },
    });
    expect((await faultOf(destination.send(binding, 'suppress', [entry('a@example.com')], never()))).fault).toBe(
      'unavailable',
    );
  });

  test('an address that was erased there for good counts as suppressed', async () => {
    const { server, binding, destination } = await start();
    const error = 'a@example.com was permanently deleted and cannot be re-imported.';
    server.fault({
      kind: 'answer',
      answer: { status: 200, json: { errors: [{ email_address: 'a@example.com', error }] } },
    });
    expect(await destination.send(binding, 'suppress', [entry('a@example.com')], never())).toEqual({
      status: 'in_force',
    });
  });

  test('the data center is the end of the key', async () => {
    const seen: string[] = [];
    const http = {
      request: async ({ url }: { url: string }) => {
        seen.push(new URL(url).host);
        return { status: 200, headers: new Headers(), json: { errors: [] }, text: '' };
      },
    };
    const destination = mailchimp.create(
      mailchimp.settings.parse({ apiKey: '0123-us21' }),
      { http, now: Date.now, machine, name: 'mailchimp', dataDir: '.' },
      [],
    );
    await destination.send(bind({ list: LIST }), 'suppress', [entry('a@example.com')], never());
    expect(seen).toEqual(['us21.api.mailchimp.com']);
  });
});

describe('Mailchimp webhook', () => {
  const secret = 'a-long-secret-in-the-url';
  const bindings = [bind({ list: LIST }, 'offers'), bind({ list: LIST }, 'shows', 'shows')];
  const destination = () => build(mailchimp, { apiKey: 'x-us1', webhookSecret: secret }, bindings);
  const url = `https://hush.example/hooks/mailchimp?secret=${secret}`;
  const signed = (body: string) => inbound(body, { 'content-type': 'application/x-www-form-urlencoded' }, url);
  const body = (type: string, data: Record<string, string> = {}) =>
    new URLSearchParams({
      type,
      fired_at: '2026-04-30 10:00:00',
      ...Object.fromEntries(
        Object.entries({ list_id: LIST, email: 'ana+x@example.com', ...data }).map(([k, v]) => [`data[${k}]`, v]),
      ),
    }).toString();
  const read = async (type: string, data?: Record<string, string>) =>
    (await destination().receive?.(signed(body(type, data)), NOW))?.reports ?? [];

  receiving({
    destination,
    sign: signed,
    genuine: body('unsubscribe', { action: 'unsub', reason: 'manual' }),
    unknown: { body: body('teleport'), kind: 'teleport' },
    coversBody: false,
    proof: [],
    malformed: 'nothing=here',
  });

  test('the validator’s GET is answered and reports nothing, but needs the secret too', async () => {
    const get = { ...signed(''), method: 'GET' };
    expect(await destination().receive?.(get, NOW)).toEqual({ reports: [], unknown: [] });
    await expect(
      destination().receive?.({ ...get, url: 'https://hush.example/hooks/mailchimp' }, NOW),
    ).rejects.toMatchObject({ kind: 'unauthorized' });
  });

  test('leaving and returning count for every scope bound to the audience', async () => {
    const left = await read('unsubscribe', { action: 'unsub', reason: 'manual' });
    expect(left.map((one) => [one.type, one.scope, one.at, one.address.value])).toEqual(
      bindings.map(({ scope }) => ['opted_out', scope, Date.UTC(2026, 3, 30, 10), 'ana+x@example.com']),
    );
    expect((await read('subscribe')).map((one) => one.type)).toEqual(['opted_in', 'opted_in']);
  });

  test('another audience means all email marketing when left, and opens nothing when joined', async () => {
    expect(await read('unsubscribe', { list_id: 'else' })).toMatchObject([
      { type: 'opted_out', scope: { channel: 'email', purpose: 'marketing' } },
    ]);
    expect(await read('subscribe', { list_id: 'else' })).toEqual([]);
  });

  test('who was deleted by the account’s staff has said nothing', async () => {
    expect(await read('unsubscribe', { action: 'delete', reason: 'manual' })).toEqual([]);
  });

  test('cleaned is a hard bounce or a complaint', async () => {
    expect((await read('cleaned', { reason: 'hard' })).map((one) => [one.type, one.kind])).toEqual([
      ['bounced', 'hard'],
    ]);
    expect((await read('cleaned', { reason: 'abuse' })).map((one) => one.type)).toEqual(['complained']);
    expect((await read('unsubscribe', { action: 'unsub', reason: 'abuse' })).map((one) => one.type)).toEqual([
      'complained',
    ]);
  });
});
