import { afterEach, describe, expect, test } from '@jest/globals';
import type { Entry } from '../../../src/sync/destination.js';
import { tiktok } from '../../../src/sync/destinations/tiktok.js';
import { startTiktok } from '../../support/stand-ins/tiktok.js';
import { batch, bind, build, conformance, entry, faultOf, never, strictSettings } from './conformance.js';
import { hashedEmail, nothingReadable, sha256 } from './hashes.js';

for (const use of ['exclusion', 'seed', 'retargeting'] as const) {
  conformance(`TikTok, ${use}`, {
    secrets: ['tiktok-stand-in-token'],
    form: hashedEmail,
    lifts: use === 'exclusion',
    async make({ wrongSecret } = {}) {
      const server = await startTiktok();
      const binding = bind({ audience: 'aud-9', use });
      const settings = {
        accessToken: wrongSecret ? 'another-token' : server.token,
        advertiser: '7001',
        baseUrl: server.url,
      };
      return {
        destination: build(tiktok, settings, [binding]),
        binding,
        nowhere: bind({ audience: 'gone', use }),
        server,
        suppressed: () => [...(use === 'exclusion' ? server.members : server.removed)],
        close: server.close,
      };
    },
  });
}

describe('TikTok', () => {
  strictSettings(tiktok, { accessToken: 'x', advertiser: '1' }, { audience: '1', use: 'retargeting' });
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });
  const start = async (use: string) => {
    const server = await startTiktok();
    open.push(server);
    const binding = bind({ audience: 'aud-9', use });
    const settings = { accessToken: server.token, advertiser: '7001', baseUrl: server.url };
    return { server, binding, destination: build(tiktok, settings, [binding]) };
  };

  test('numbers are hashed in E.164 with their plus, addresses in lower case; nothing readable leaves', async () => {
    const { server, binding, destination } = await start('exclusion');
    const phone: Entry = { ...entry('+1 415-555-2671', 1), type: 'phone' };
    await destination.send(binding, 'suppress', [entry('Ana.Maria+x@Example.com'), phone], never());
    expect([...server.members].sort()).toEqual(['ana.maria+x@example.com', '+14155552671'].map(sha256).sort());
    expect(nothingReadable(server.asked, ['example.com', '555', 'ref-', 'opted_out'])).toBe(true);
  });

  test('a lift puts nobody into a seed or retargeting audience', async () => {
    for (const use of ['seed', 'retargeting']) {
      const { server, binding, destination } = await start(use);
      expect(await destination.send(binding, 'lift', batch(2), never())).toEqual({ status: 'in_force' });
      expect(server.asked).toEqual([]);
    }
  });

  test('the code in the answer decides, though its status is 200', async () => {
    const { server, binding, destination } = await start('exclusion');
    const said = async (code: number) => {
      server.fault({ kind: 'answer', answer: { status: 200, json: { code, message: 'x' } } });
      return (await faultOf(destination.send(binding, 'suppress', batch(2), never()))).fault;
    };
    expect(await said(40_100)).toBe('rate_limited');
    expect(await said(40_105)).toBe('credentials');
    expect(await said(50_000)).toBe('unavailable');
  });
});
