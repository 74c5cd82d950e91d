import { afterEach, describe, expect, test } from '@jest/globals';
import { webhook } from '../../../src/sync/destinations/webhook.js';
import { startReceiver } from '../../support/stand-ins/webhook.js';
import { batch, bind, build, conformance, faultOf, never, strictSettings } from './conformance.js';

const binding = bind({ list: 'main' });
const otherSecret = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;

conformance('Webhook', {
  secrets: [otherSecret],
  bad: { address: 'broken@nowhere.invalid', outcome: 'refused' },
  async make({ wrongSecret } = {}) {
    const server = await startReceiver();
    const settings = {
      baseUrl: `${server.url}/receive`,
      secret: wrongSecret ? otherSecret : server.secret,
      allowPrivate: true,
    };
    return {
      destination: build(webhook, settings, [binding]),
      binding,
      server,
      suppressed: () => [...server.suppressed],
      close: server.close,
    };
  },
});

describe('Webhook', () => {
  const open: { close(): Promise<void> }[] = [];
  const receiver = async () => {
    const server = await startReceiver();
    open.push(server);
    return server;
  };
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });
  strictSettings(webhook, { baseUrl: 'https://example.com/x', secret: otherSecret }, { list: 'a' });

  test('a short or strange secret is refused', () => {
    for (const secret of ['whsec_c2hvcnQ=', 'secret', `whsec_${Buffer.alloc(65).toString('base64')}`]) {
      expect(webhook.settings.safeParse({ baseUrl: 'https://example.com', secret }).success).toBe(false);
    }
  });

  test('private addresses are refused, by name, number and notation, and nothing arrives', async () => {
    const server = await receiver();
    const port = new URL(server.url).port;
    for (const host of [
      '127.0.0.1',
      'localhost',
      '[::1]',
      '2130706433',
      '0x7f.1',
      '[::ffff:127.0.0.1]',
      '0.0.0.0',
      '169.254.169.254',
    ]) {
      const destination = build(webhook, { baseUrl: `http://${host}:${port}/receive`, secret: server.secret }, [
        binding,
      ]);
      expect((await faultOf(destination.send(binding, 'suppress', batch(1), never()))).fault).toBe('credentials');
    }
    expect(server.asked).toEqual([]);
  });

  test('every call has an id of its own, so that a receiver that drops known ids loses nothing', async () => {
    const server = await receiver();
    const destination = build(
      webhook,
      { baseUrl: `${server.url}/receive`, secret: server.secret, allowPrivate: true },
      [binding],
    );
    await destination.send(binding, 'suppress', batch(1), never());
    await destination.send(binding, 'lift', batch(1), never());
    await destination.send(binding, 'suppress', batch(1), never());
    expect(server.ids.size).toBe(3);
    expect(server.suppressed.size).toBe(1);
  });

  test('410 Gone stops the destination', async () => {
    const server = await receiver();
    server.fault({ kind: 'answer', answer: { status: 410 } });
    const destination = build(
      webhook,
      { baseUrl: `${server.url}/receive`, secret: server.secret, allowPrivate: true },
      [binding],
    );
    expect((await faultOf(destination.send(binding, 'suppress', batch(1), never()))).fault).toBe('credentials');
  });

  test('a redirect is not followed', async () => {
    const server = await receiver();
    server.fault({ kind: 'answer', answer: { status: 307, headers: { location: `${server.url}/receive` } } });
    const destination = build(webhook, { baseUrl: `${server.url}/moved`, secret: server.secret, allowPrivate: true }, [
      binding,
    ]);
    await faultOf(destination.send(binding, 'suppress', batch(1), never()));
    expect(server.suppressed.size).toBe(0);
  });
});
