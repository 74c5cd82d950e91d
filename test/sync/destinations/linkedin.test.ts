import { afterEach, describe, expect, test } from '@jest/globals';
import { linkedin } from '../../../src/sync/destinations/linkedin.js';
import { startLinkedin } from '../../support/stand-ins/linkedin.js';
import { batch, bind, build, conformance, entry, faultOf, never, strictSettings } from './conformance.js';
import { hashedEmail, nothingReadable, sha256 } from './hashes.js';

for (const use of ['exclusion', 'seed', 'retargeting'] as const) {
  conformance(`LinkedIn, ${use}`, {
    secrets: ['linkedin-stand-in-token'],
    form: hashedEmail,
    lifts: use === 'exclusion',
    async make({ wrongSecret } = {}) {
      const server = await startLinkedin();
      const binding = bind({ audience: '804', use });
      const settings = { accessToken: wrongSecret ? 'another-token' : server.token, baseUrl: server.url };
      return {
        destination: build(linkedin, settings, [binding]),
        binding,
        nowhere: bind({ audience: '805', use }),
        server,
        suppressed: () => [...(use === 'exclusion' ? server.members : server.removed)],
        close: server.close,
      };
    },
  });
}

describe('LinkedIn', () => {
  strictSettings(linkedin, { accessToken: 'x' }, { audience: '804', use: 'seed' });
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });
  const start = async (use: string) => {
    const server = await startLinkedin();
    open.push(server);
    const binding = bind({ audience: '804', use });
    return {
      server,
      binding,
      destination: build(linkedin, { accessToken: server.token, baseUrl: server.url }, [binding]),
    };
  };

  test('addresses are hashed in lower case, and nothing readable leaves', async () => {
    const { server, binding, destination } = await start('exclusion');
    expect(destination.accepts).toEqual(['email']);
    await destination.send(binding, 'suppress', [entry(' Ana.Maria+x@Example.COM')], never());
    expect([...server.members]).toEqual([sha256('ana.maria+x@example.com')]);
    expect(nothingReadable(server.asked, ['example.com', 'ref-', 'opted_out'])).toBe(true);
  });

  test('a lift puts nobody into a seed or retargeting audience', async () => {
    for (const use of ['seed', 'retargeting']) {
      const { server, binding, destination } = await start(use);
      expect(await destination.send(binding, 'lift', batch(2), never())).toEqual({ status: 'in_force' });
      expect(server.asked).toEqual([]);
    }
  });

  test('answers are read one by one: a refusal parks one person, a passing failure has all sent again', async () => {
    const { server, binding, destination } = await start('exclusion');
    server.answered.set(hashedEmail('person1@example.com'), 400);
    const sent = await destination.send(binding, 'suppress', batch(3), never());
    expect(sent.parked).toEqual([{ ref: 'ref-1', why: '400 not taken' }]);
    server.answered.set(hashedEmail('person1@example.com'), 429);
    expect((await faultOf(destination.send(binding, 'suppress', batch(3), never()))).fault).toBe('unavailable');
  });
});
