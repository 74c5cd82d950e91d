import { createSign, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { machine } from '../../../src/machine.js';
import { ses } from '../../../src/sync/destinations/ses.js';
import { createHttp } from '../../../src/sync/http.js';
import { AWS_KEY, startSes } from '../../support/stand-ins/ses.js';
import { bind, build, conformance, entry, never, strictSettings } from './conformance.js';
import { inbound, NOW, receiving } from './receiving.js';

for (const target of [{ account: true }, { contactList: 'main' }, { contactList: 'main', topic: 'offers' }]) {
  conformance(`SES, ${Object.keys(target).join(' and ')}`, {
    secrets: [AWS_KEY.secretAccessKey],
    bad: { address: 'broken@nowhere.invalid', outcome: 'parked' },
    ...('account' in target ? { kind: 'complained' } : {}),
    async make({ wrongSecret } = {}) {
      const server = await startSes();
      const binding = bind(target);
      const settings = {
        ...AWS_KEY,
        ...(wrongSecret ? { secretAccessKey: 'another' } : {}),
        region: 'eu-west-1',
        baseUrl: server.url,
        contactCallsPerSecond: 10_000,
      };
      return {
        destination: build(ses, settings, [binding]),
        binding,
        ...('account' in target
          ? {}
          : {
              nowhere: bind(
                target.topic === undefined ? { contactList: 'gone' } : { contactList: 'main', topic: 'gone' },
              ),
            }),
        server,
        suppressed: () => {
          if ('account' in target) return [...server.suppressed.keys()].map((address) => address.toLowerCase());
          const out = [...server.contacts].filter(([, one]) =>
            target.topic === undefined ? one.all : one.topics.get(target.topic) === 'OPT_OUT',
          );
          return out.map(([address]) => address);
        },
        plant: (address) => {
          if ('account' in target) server.suppressed.set(address, 'COMPLAINT');
          else
            server.contacts.set(address, { all: target.topic === undefined, topics: new Map([['offers', 'OPT_OUT']]) });
        },
        close: server.close,
      };
    },
  });
}

describe('SES', () => {
  strictSettings(ses, { ...AWS_KEY, region: 'us-east-1' }, { contactList: 'main' });

  test('a change of one topic keeps the others, which UpdateContact would remove', async () => {
    const server = await startSes();
    const binding = bind({ contactList: 'main', topic: 'offers' });
    const destination = build(ses, { ...AWS_KEY, region: 'eu-west-1', baseUrl: server.url }, [binding]);
    server.contacts.set('a@example.com', {
      all: false,
      topics: new Map([
        ['news', 'OPT_OUT'],
        ['offers', 'OPT_IN'],
      ]),
    });
    await destination.send(binding, 'suppress', [entry('a@example.com')], never());
    await server.close();
    expect(Object.fromEntries(server.contacts.get('a@example.com')?.topics ?? [])).toEqual({
      news: 'OPT_OUT',
      offers: 'OPT_OUT',
    });
  });

  test('a lift finds the address in the letter case it has there', async () => {
    const server = await startSes();
    const binding = bind({ account: true });
    const destination = build(ses, { ...AWS_KEY, region: 'eu-west-1', baseUrl: server.url }, [binding]);
    const given = entry('Jane.Doe@Example.com');
    for (const there of ['Jane.Doe@Example.com', 'Jane.Doe@example.com', 'jane.doe@example.com']) {
      server.suppressed.set(there, 'COMPLAINT');
      expect(await destination.lookup?.(binding, [given.address], never())).toMatchObject([{ address: there }]);
      await destination.send(binding, 'lift', [given], never());
      expect([...server.suppressed.keys()]).toEqual([]);
    }
    await server.close();
  });

  test('a lift and a lookup find a spelling that only the list knows', async () => {
    const server = await startSes();
    const binding = bind({ account: true });
    const destination = build(ses, { ...AWS_KEY, region: 'eu-west-1', baseUrl: server.url }, [binding]);
    server.suppressed.set('JANE@Example.com', 'BOUNCE');
    server.suppressed.set('John@Example.com', 'BOUNCE');
    expect(await destination.lookup?.(binding, ['jane@example.com'], never())).toMatchObject([
      { address: 'JANE@Example.com', kind: 'bounced' },
    ]);
    await destination.send(binding, 'lift', [entry('jane@example.com')], never());
    expect([...server.suppressed.keys()]).toEqual(['John@Example.com']);
    // Put there since the list was read: a reconciliation sees it, and the lift that follows takes it away.
    server.suppressed.set('ANN@example.com', 'BOUNCE');
    await destination.readBack?.(binding, undefined, never());
    await destination.send(binding, 'lift', [entry('ann@example.com'), entry('john@example.com')], never());
    expect([...server.suppressed.keys()]).toEqual([]);
    await server.close();
  });
});

describe('SES notifications by SNS', () => {
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pem = keys.publicKey.export({ format: 'pem', type: 'spki' }).toString();
  const topic = 'arn:aws:sns:eu-west-1:123456789012:ses';
  const fetched: string[] = [];
  const bindings = [bind({ contactList: 'main', topic: 'offers' }, 'offers'), bind({ contactList: 'main' }, 'all')];
  const destination = () => {
    const http = createHttp({
      now: () => NOW,
      fetch: async (url) => {
        fetched.push(String(url));
        return new Response(pem);
      },
    });
    const settings = ses.settings.parse({ ...AWS_KEY, region: 'eu-west-1', topics: [topic] });
    return ses.create(settings, { http, now: () => NOW, machine, name: 'ses', dataDir: '.' }, bindings);
  };
  const envelope = (fields: Record<string, string>, at = NOW) => {
    const message: Record<string, string> = {
      Type: 'Notification',
      MessageId: `22b80b92-fdea-4c2c-8f9d-${at}`,
      TopicArn: topic,
      Message: '{}',
      Timestamp: new Date(at).toISOString(),
      SignatureVersion: '2',
      SigningCertURL: 'https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-abc.pem',
      ...fields,
    };
    const names =
      message.Type === 'Notification'
        ? ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type']
        : ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'];
    const text = names.flatMap((name) => (message[name] === undefined ? [] : [`${name}\n${message[name]}\n`])).join('');
    const Signature = createSign(message.SignatureVersion === '1' ? 'RSA-SHA1' : 'RSA-SHA256')
      .update(text)
      .sign(keys.privateKey, 'base64');
    return inbound(JSON.stringify({ ...message, Signature }), { 'content-type': 'text/plain' });
  };
  const signed = (body: string, at: number) => envelope({ Message: body }, at);
  const read = async (event: unknown) => destination().receive?.(signed(JSON.stringify(event), NOW), NOW);
  const bounce = (type: string, subType = 'General') => ({
    notificationType: 'Bounce',
    bounce: {
      bounceType: type,
      bounceSubType: subType,
      bouncedRecipients: [{ emailAddress: 'ana@example.com', status: '5.1.1' }, { emailAddress: 'bo@example.com' }],
      timestamp: '2026-04-30T10:00:00.000Z',
    },
  });

  receiving({
    destination,
    sign: signed,
    genuine: JSON.stringify(bounce('Permanent')),
    unknown: { body: JSON.stringify({ eventType: 'Teleport' }), kind: 'Teleport' },
    window: 7200,
    proof: [],
    unproven: [
      envelope({ TopicArn: 'arn:aws:sns:eu-west-1:999999999999:mine' }),
      envelope({ SigningCertURL: 'https://sns.eu-west-1.amazonaws.com.evil.example/x.pem' }),
      envelope({ SigningCertURL: 'https://evil.example/sns.eu-west-1.amazonaws.com/x.pem' }),
      envelope({ SigningCertURL: 'http://sns.eu-west-1.amazonaws.com/x.pem' }),
      envelope({ SigningCertURL: 'https://sns.eu-west-1.amazonaws.com@evil.example/x.pem' }),
    ],
  });

  test('certificates come from Amazon only, and once', async () => {
    fetched.length = 0;
    const one = destination();
    await one.receive?.(signed('{}', NOW), NOW);
    await one.receive?.(signed('{}', NOW), NOW);
    await one.receive?.(envelope({ SigningCertURL: 'https://evil.example/x.pem' }), NOW).catch(() => undefined);
    expect(fetched).toEqual(['https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-abc.pem']);
  });

  test('signature version 1 is read too', async () => {
    const request = envelope({ Message: JSON.stringify(bounce('Permanent')), SignatureVersion: '1' });
    expect((await destination().receive?.(request, NOW))?.reports).toHaveLength(2);
  });

  test('a new subscription is confirmed at Amazon and nowhere else', async () => {
    fetched.length = 0;
    const handshake = (SubscribeURL: string) =>
      envelope({ Type: 'SubscriptionConfirmation', Token: 't', SubscribeURL });
    const url = 'https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t';
    expect(await destination().receive?.(handshake(url), NOW)).toMatchObject({ reports: [], unknown: [] });
    expect(fetched).toContain(url);
    fetched.length = 0;
    await expect(destination().receive?.(handshake('https://evil.example/'), NOW)).rejects.toMatchObject({
      kind: 'unauthorized',
    });
    expect(fetched.filter((one) => one.includes('evil'))).toEqual([]);
  });

  test('permanent bounces are hard, others soft, and echoes of the suppression list are nothing', async () => {
    expect((await read(bounce('Permanent')))?.reports.map((one) => [one.address.value, one.kind])).toEqual([
      ['ana@example.com', 'hard'],
      ['bo@example.com', 'hard'],
    ]);
    expect((await read(bounce('Transient')))?.reports[0]?.kind).toBe('soft');
    expect((await read(bounce('Permanent', 'OnAccountSuppressionList')))?.reports).toEqual([]);
  });

  test('complaints are complaints', async () => {
    const found = await read({
      eventType: 'Complaint',
      complaint: { complainedRecipients: [{ emailAddress: 'ana@example.com' }], timestamp: '2026-04-30T10:00:00.000Z' },
    });
    expect(found?.reports).toMatchObject([{ type: 'complained', address: { value: 'ana@example.com' } }]);
  });

  test('changes of topics are reported for what is bound to them, and unchanged topics are not', async () => {
    const status = (offers: string, news: string) => [
      { topicName: 'offers', subscriptionStatus: offers },
      { topicName: 'news', subscriptionStatus: news },
    ];
    const change = (before: unknown[], after: unknown[], all = false, wasAll = false) => ({
      eventType: 'Subscription',
      mail: { destination: ['ana@example.com'] },
      subscription: {
        contactList: 'main',
        timestamp: '2026-04-30T10:00:00.000Z',
        source: 'UnsubscribeHeader',
        newTopicPreferences: { unsubscribeAll: all, topicSubscriptionStatus: after },
        oldTopicPreferences: { unsubscribeAll: wasAll, topicSubscriptionStatus: before },
      },
    });
    expect((await read(change(status('OptIn', 'OptIn'), status('OptOut', 'OptIn'))))?.reports).toMatchObject([
      { type: 'opted_out', scope: bindings[0]?.scope },
    ]);
    expect((await read(change(status('OptOut', 'OptIn'), status('OptIn', 'OptIn'))))?.reports).toMatchObject([
      { type: 'opted_in', scope: bindings[0]?.scope },
    ]);
    expect((await read(change(status('OptIn', 'OptIn'), status('OptIn', 'OptOut'))))?.reports).toMatchObject([
      { type: 'opted_out', scope: { channel: 'email', purpose: 'marketing' } },
    ]);
    expect((await read(change([], [], true)))?.reports).toMatchObject([
      { type: 'opted_out', scope: bindings[1]?.scope },
    ]);
    expect((await read(change([], [], false, true)))?.reports).toMatchObject([
      { type: 'opted_in', scope: bindings[1]?.scope },
    ]);
  });
});
