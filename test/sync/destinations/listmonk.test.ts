import { afterEach, describe, expect, test } from '@jest/globals';
import { listmonk } from '../../../src/sync/destinations/listmonk.js';
import { startListmonk } from '../../support/stand-ins/listmonk.js';
import { bind, build, conformance, entry, faultOf, never, ODD, strictSettings } from './conformance.js';

for (const target of [{}, { lists: [3, 4] }]) {
  const isList = 'lists' in target;
  conformance(`listmonk, ${isList ? 'lists' : 'the blocklist'}`, {
    secrets: ['listmonk-stand-in-token'],
    bad: { address: 'broken@nowhere.invalid', outcome: 'parked' },
    without: ODD.filter((address) => address.includes('"')),
    async make({ wrongSecret } = {}) {
      const server = await startListmonk();
      const binding = bind(target);
      const settings = { baseUrl: server.url, username: server.user, token: wrongSecret ? 'other' : server.token };
      return {
        destination: build(listmonk, settings, [binding]),
        binding,
        ...(isList ? { nowhere: bind({ lists: [3, 99] }) } : {}),
        server,
        suppressed: () =>
          [...server.people.values()]
            .filter((one) =>
              isList
                ? one.lists.get(3) === 'unsubscribed' && one.lists.get(4) === 'unsubscribed'
                : one.status === 'blocklisted',
            )
            .map((one) => one.email),
        plant: (address) => {
          if (isList)
            server.put(
              address,
              'enabled',
              [3, 4].map((list) => [list, 'unsubscribed']),
            );
          else server.put(address, 'blocklisted');
        },
        close: server.close,
      };
    },
  });
}

describe('listmonk', () => {
  strictSettings(listmonk, { baseUrl: 'http://listmonk:9000', username: 'x', token: 'x' }, { lists: [3] });
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });
  const start = async (target: Record<string, unknown>) => {
    const server = await startListmonk();
    open.push(server);
    const binding = bind(target);
    const settings = { baseUrl: server.url, username: server.user, token: server.token };
    return { server, binding, destination: build(listmonk, settings, [binding]) };
  };

  test('an address cannot leave the text it is quoted in', async () => {
    const { server, binding, destination } = await start({});
    const wicked = "x');delete-from/subscribers--'@example.com";
    server.put(wicked);
    server.put('other@example.com');
    await destination.send(binding, 'suppress', [entry(wicked)], never());
    expect([...server.people.values()].map((one) => [one.email, one.status])).toEqual([
      [wicked, 'blocklisted'],
      ['other@example.com', 'enabled'],
    ]);
  });

  test('who is not there yet is created suppressed, and on no list', async () => {
    const blocklist = await start({});
    await blocklist.destination.send(blocklist.binding, 'suppress', [entry('New@example.com')], never());
    expect(blocklist.server.byEmail('new@example.com')).toMatchObject({ status: 'blocklisted', lists: new Map() });
    const lists = await start({ lists: [3] });
    await lists.destination.send(lists.binding, 'suppress', [entry('new@example.com')], never());
    expect(lists.server.byEmail('new@example.com')).toMatchObject({
      status: 'enabled',
      lists: new Map([[3, 'unsubscribed']]),
    });
  });

  test('a lift returns to the lists left, unconfirmed, and touches no other subscription', async () => {
    const { server, binding, destination } = await start({ lists: [3, 4] });
    server.put('a@example.com', 'enabled', [
      [3, 'unsubscribed'],
      [4, 'confirmed'],
    ]);
    server.put('never.on@example.com');
    await destination.send(binding, 'lift', ['a@example.com', 'never.on@example.com'].map(entry), never());
    expect(Object.fromEntries(server.byEmail('a@example.com')?.lists ?? [])).toEqual({
      3: 'unconfirmed',
      4: 'confirmed',
    });
    expect(server.byEmail('never.on@example.com')?.lists.size).toBe(0);
  });

  test('where told to leave it, a lift does nothing', async () => {
    const { server, binding, destination } = await start({ lists: [3], onLift: 'leave' });
    server.put('a@example.com', 'enabled', [[3, 'unsubscribed']]);
    await destination.send(binding, 'lift', [entry('a@example.com')], never());
    expect(server.byEmail('a@example.com')?.lists.get(3)).toBe('unsubscribed');
  });

  test('a listmonk without PATCH is named as too old, and nobody is parked for it', async () => {
    const { server, binding, destination } = await start({});
    server.put('a@example.com', 'blocklisted');
    server.fault({ kind: 'answer', answer: { status: 405, json: { message: 'Method Not Allowed' } } }, 1);
    const error = await faultOf(destination.send(binding, 'lift', [entry('a@example.com')], never()));
    expect(error).toMatchObject({ fault: 'credentials', message: expect.stringContaining('6.1') });
  });
});
