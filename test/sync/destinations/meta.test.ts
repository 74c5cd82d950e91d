import { afterEach, describe, expect, test } from '@jest/globals';
import type { Entry } from '../../../src/sync/destination.js';
import { meta } from '../../../src/sync/destinations/meta.js';
import { startMeta } from '../../support/stand-ins/meta.js';
import { batch, bind, build, conformance, entry, faultOf, never, strictSettings } from './conformance.js';
import { hashedEmail, nothingReadable, sha256 } from './hashes.js';

for (const use of ['exclusion', 'seed', 'retargeting'] as const) {
  conformance(`Meta, ${use}`, {
    secrets: ['meta-stand-in-token', 'meta-stand-in-secret'],
    form: hashedEmail,
    lifts: use === 'exclusion',
    async make({ wrongSecret } = {}) {
      const server = await startMeta();
      const binding = bind({ audience: '4567', use });
      const settings = {
        accessToken: wrongSecret ? 'another-token' : server.token,
        appSecret: server.appSecret,
        baseUrl: server.url,
      };
      return {
        destination: build(meta, settings, [binding]),
        binding,
        nowhere: bind({ audience: '9999', use }),
        server,
        suppressed: () => [...(use === 'exclusion' ? server.members : server.removed)],
        close: server.close,
      };
    },
  });
}

describe('Meta', () => {
  strictSettings(meta, { accessToken: 'x' }, { audience: '1', use: 'exclusion' });
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });
  const start = async (use: string) => {
    const server = await startMeta();
    open.push(server);
    const binding = bind({ audience: '4567', use });
    const settings = { accessToken: server.token, appSecret: server.appSecret, baseUrl: server.url };
    return { server, binding, destination: build(meta, settings, [binding]) };
  };
  const phone = (address: string, index: number): Entry => ({ ...entry(address, index), type: 'phone' });

  test('numbers are hashed as digits with their country, addresses in lower case; nothing readable leaves', async () => {
    const { server, binding, destination } = await start('exclusion');
    const entries = [entry(' Ana.Maria+x@GMail.com', 0), phone('+1 (415) 555-2671', 1), phone('+43660123456', 2)];
    await destination.send(binding, 'suppress', entries, never());
    expect([...server.members].sort()).toEqual(
      ['ana.maria+x@gmail.com', '14155552671', '43660123456'].map(sha256).sort(),
    );
    expect(nothingReadable(server.asked, ['gmail', '415', '43660123456', 'ref-', 'opted_out'])).toBe(true);
  });

  test('the calls of one batch are one session, and only the last ends it', async () => {
    const { server, binding, destination } = await start('exclusion');
    await destination.send(binding, 'suppress', [...batch(2), phone('+43660123456', 9)], never());
    const [first, second] = server.sessions;
    expect(first?.id).toBe(second?.id);
    expect(server.sessions.map(({ seq, last }) => [seq, last])).toEqual([
      [1, false],
      [2, true],
    ]);
  });

  test('a lift puts nobody into a seed or retargeting audience', async () => {
    for (const use of ['seed', 'retargeting']) {
      const { server, binding, destination } = await start(use);
      expect(await destination.send(binding, 'lift', batch(2), never())).toEqual({ status: 'in_force' });
      expect(server.asked).toEqual([]);
    }
  });

  test('the code of an error decides what it is, and a limit tells how long to wait', async () => {
    const { server, binding, destination } = await start('exclusion');
    const said = async (code: number, headers: Record<string, string> = {}) => {
      server.fault({ kind: 'answer', answer: { status: 400, headers, json: { error: { code, message: 'x' } } } });
      const { fault, retryAfter } = await faultOf(destination.send(binding, 'suppress', batch(2), never()));
      return [fault, retryAfter];
    };
    const used = JSON.stringify({ 123: [{ type: 'custom_audience', estimated_time_to_regain_access: 19 }] });
    expect(await said(80_003, { 'x-business-use-case-usage': used })).toEqual(['rate_limited', 1140]);
    expect(await said(17)).toEqual(['rate_limited', undefined]);
    expect(await said(190)).toEqual(['credentials', undefined]);
    expect(await said(294)).toEqual(['credentials', undefined]);
    expect(await said(2)).toEqual(['unavailable', undefined]);
  });

  test('entries that Meta counts as invalid refuse the batch, so that they are found', async () => {
    const { server, binding, destination } = await start('exclusion');
    const json = { audience_id: '4567', num_received: 3, num_invalid_entries: 1 };
    server.fault({ kind: 'answer', answer: { status: 200, json } });
    expect((await faultOf(destination.send(binding, 'suppress', batch(3), never()))).fault).toBe('refused');
  });
});
