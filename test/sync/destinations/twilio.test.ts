import { afterEach, describe, expect, test } from '@jest/globals';
import { knownNumber } from '../../../src/core/phone-spellings.js';
import { twilio } from '../../../src/sync/destinations/twilio.js';
import { startTwilio } from '../../support/stand-ins/twilio.js';
import { bind, build, conformance, entry, faultOf, never, phones, settle, strictSettings } from './conformance.js';

type Twilio = Awaited<ReturnType<typeof startTwilio>>;
const settingsOf = (server: Pick<Twilio, 'url' | 'keySid' | 'keySecret'>, more: object = {}) => ({
  keySid: server.keySid,
  keySecret: server.keySecret,
  baseUrl: server.url,
  callsPerSecond: 1000,
  ...more,
});

conformance('Twilio', {
  secrets: ['twilio-stand-in-secret', `SK${'0'.repeat(32)}`],
  contacts: 'phone',
  form: knownNumber,
  bad: { address: '+14155550199', outcome: 'parked' },
  async make({ wrongSecret } = {}) {
    const server = await startTwilio();
    server.invalid.add('+14155550199');
    const binding = bind({ sender: server.sender });
    const more = wrongSecret ? { keySecret: 'a-secret-of-another' } : {};
    return {
      destination: build(twilio, settingsOf(server, more), [binding]),
      binding,
      nowhere: bind({ sender: `MG${'9'.repeat(32)}` }),
      server,
      suppressed: () => [...new Set(server.stopped().map(knownNumber))],
      close: server.close,
    };
  },
});

describe('Twilio', () => {
  const sender = `MG${'1'.repeat(32)}`;
  strictSettings(
    twilio,
    settingsOf({ url: 'http://x.example', keySid: `AC${'0'.repeat(32)}`, keySecret: 'x'.repeat(32) }),
    { sender },
  );
  const open: Twilio[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.close();
  });
  const start = async (target: object = {}) => {
    const server = await startTwilio();
    open.push(server);
    const binding = bind({ sender: server.sender, ...target });
    return { server, binding, destination: build(twilio, settingsOf(server), [binding]) };
  };

  test('a STOP is told with its time, sender and source, and a lift as an opt-in without a time', async () => {
    const { server, binding, destination } = await start({ source: 'website' });
    const one = entry('+14155550100');
    await settle(destination, binding, 'suppress', [one]);
    const key = `${server.sender} +14155550100`;
    expect(server.consents.get(key)).toEqual({
      number: '+14155550100',
      sender: server.sender,
      status: 'opt-out',
      source: 'website',
      at: '2026-03-03T00:00:00Z',
    });
    await settle(destination, binding, 'lift', [one]);
    expect(server.consents.get(key)).toMatchObject({ status: 'opt-in', at: undefined });
  });

  test.each([
    ['+5215512345678', ['+5215512345678', '+525512345678']],
    ['+551187654321', ['+551187654321', '+5511987654321']],
    ['+5511987654321', ['+5511987654321', '+551187654321']],
    ['+541123456789', ['+541123456789', '+5491123456789']],
  ])('%s stops under every spelling of it', async (given, numbers) => {
    const { server, binding, destination } = await start();
    await settle(destination, binding, 'suppress', [entry(given)]);
    expect(server.stopped().sort()).toEqual([...numbers].sort());
  });

  test('spellings beyond 25 numbers go in a second request', async () => {
    const { server, binding, destination } = await start();
    const people = Array.from({ length: 25 }, (_, n) => entry(`+5255123456${10 + n}`, n));
    await settle(destination, binding, 'suppress', [...people.slice(0, 20), ...phones(5, 100)]);
    expect(server.asked).toHaveLength(1);
    const argentine = Array.from({ length: 20 }, (_, n) => entry(`+54112345${1000 + n}`, n));
    await settle(destination, binding, 'suppress', argentine);
    expect(server.asked).toHaveLength(3);
    expect(server.stopped()).toHaveLength(65);
  });

  test('a number of which one spelling is none is taken all the same', async () => {
    const { server, binding, destination } = await start();
    server.invalid.add('+551187654321');
    const { parked } = await settle(destination, binding, 'suppress', [entry('+5511987654321', 1), ...phones(1, 7)]);
    expect(parked).toEqual([]);
    expect(server.stopped()).toContain('+5511987654321');
  });

  test('numbers that are all refused are no fault of theirs, one alone is', async () => {
    const { server, binding, destination } = await start();
    for (const { address } of phones(3)) server.invalid.add(address);
    expect((await faultOf(destination.send(binding, 'suppress', phones(3), never()))).fault).toBe('credentials');
    const { parked } = await settle(destination, binding, 'suppress', phones(1));
    expect(parked).toEqual([{ ref: 'ref-0', why: '30646 INVALID_CONTACT_ID' }]);
  });

  test('what fails at Twilio is said again, and nobody is parked for it', async () => {
    const { server, binding, destination } = await start();
    server.failing.add('+14155550001');
    const people = [entry('+14155550001', 1), entry('+14155550002', 2)];
    expect((await faultOf(destination.send(binding, 'suppress', people, never()))).fault).toBe('unavailable');
    server.failing.clear();
    await settle(destination, binding, 'suppress', people);
    expect(server.stopped()).toHaveLength(2);
  });

  test('an answer that leaves a number out leaves its outcome unknown', async () => {
    const { server, binding, destination } = await start();
    server.fault({ kind: 'answer', answer: { status: 201, json: { items: [] } } });
    expect((await faultOf(destination.send(binding, 'suppress', phones(1), never()))).fault).toBe('unavailable');
  });

  test('an account without the pilot stops the destination for good, and says whom to ask', async () => {
    const { server, binding, destination } = await start();
    server.fault({ kind: 'answer', answer: { status: 404, json: { code: 20404 } } });
    const error = await faultOf(destination.send(binding, 'suppress', phones(2), never()));
    expect([error.fault, error.untilResumed]).toEqual(['credentials', true]);
    expect(error.message).toMatch(/ask Twilio for access/);
  });

  test('where a lift is left to the person, nothing is said', async () => {
    const { server, binding, destination } = await start({ onLift: 'leave' });
    expect(destination.liftsNothing?.(binding)).toBe(true);
    await settle(destination, binding, 'lift', phones(2));
    expect(server.asked).toEqual([]);
  });

  test('no request holds a key of the contact', async () => {
    const { server, binding, destination } = await start();
    await settle(destination, binding, 'suppress', [{ ...entry('+14155550100'), ref: 'a1'.repeat(16) }]);
    expect(server.asked.map(({ raw }) => raw.toString()).join()).not.toContain('a1'.repeat(16));
  });
});
