import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { normaliseContact } from '../../../src/core/contact-point.js';
import { referenceOf } from '../../../src/rights/requests/reference.js';
import type { Hush } from '../../support/hush.js';
import {
  again,
  ask,
  attach,
  DAY,
  email,
  mailsTo,
  OFFICER,
  pressLink,
  startWithClock,
  steps,
  tokenIn,
  watchOnce,
} from '../setting.js';

let hush: Hush;
let time: { now: number };
beforeAll(async () => {
  ({ hush, time } = await startWithClock());
});
afterAll(() => hush?.stop());

const rights = () => hush.hush.rights;

describe('what only denies', () => {
  test.each([
    ['opt_out', 'opted_out'],
    ['objection', 'objected'],
    ['consent_withdrawal', 'opted_out'],
  ] as const)(
    '%s: in force on receipt, unverified, closed with its receipts, and one mail says so',
    async (kind, reason) => {
      const address = `${kind}@example.com`;
      const record = await ask(hush, kind, address);
      expect(await hush.decide({ email: address })).toMatchObject({ allowed: false, reason });
      expect(record).toMatchObject({ state: 'fulfilled', kind });
      expect(record.closedAt).toBeDefined();
      expect(record.verifiedAt).toBeUndefined();
      expect(record.receipts).toHaveLength(1);
      const receipt = await hush.ask<{ source: unknown }>(`/v1/receipts/r_${record.receipts[0]}`);
      expect(JSON.stringify(receipt)).toContain('form');
      const mails = await mailsTo(hush, address);
      expect(mails).toHaveLength(1);
      expect(mails[0]).toContain(record.receipts[0]);
      expect(mails[0]).toContain(referenceOf(record.id));
      expect(steps(record)).toEqual(['received', 'in_force', 'fulfil', 'complete', 'letter']);
    },
  );

  test('service messages go on', async () => {
    expect(await hush.decide({ email: 'opt_out@example.com' }, 'service')).toMatchObject({ allowed: true });
  });

  test('reaches all contacts of the person', async () => {
    const contacts = [{ email: 'whole@example.com' }, { phone: '+19205550111' }];
    await hush.ask('/v1/contacts/link', { contacts });
    await ask(hush, 'opt_out', 'whole@example.com');
    expect(await hush.decide(contacts[1] ?? {}, 'promotion', { channel: 'voice' })).toMatchObject({
      reason: 'opted_out',
    });
  });

  test('cut off anywhere after it was written down, the worker brings it home, once', async () => {
    const { records } = rights();
    const store = hush.hush.stores.requests;
    // Killed right after the request was durable.
    const change = store.change;
    store.change = async () => {
      throw new Error('killed');
    };
    const failed = await ask(hush, 'opt_out', 'cut@example.com').catch((error: unknown) => error);
    store.change = change;
    expect(failed).toBeInstanceOf(Error);
    const key = (await hush.hush.stores.requests.list({ open: true }, 0, 100)).find(({ kind }) => kind === 'opt_out');
    expect(key?.state).toBe('received');
    time.now += 60_000;
    await watchOnce(hush);
    const done = await records.get(key?.id ?? '');
    expect(done.state).toBe('fulfilled');
    expect(await mailsTo(hush, 'cut@example.com')).toHaveLength(1);
    await hush.settle();
    const contact = await hush.hush.stores.contacts.get(done.contacts[0]?.key ?? Buffer.alloc(16));
    // The denial was accepted before the kill; what came after made no second one.
    expect(contact?.entries).toBe(1);
  });
});

describe('what shows, changes or deletes', () => {
  test.each(['access', 'deletion', 'correction', 'restriction', 'automated_decision_review'] as const)(
    '%s: nothing is done before it was verified; the mail’s button verifies it',
    async (kind) => {
      const address = `${kind}@example.com`;
      const record = await ask(hush, kind, address);
      expect(record).toMatchObject({ state: 'verifying' });
      expect(record.acknowledgedAt).toBeDefined();
      const work = rights().fulfilment;
      for (const attempt of [
        () => work.erase(record, OFFICER),
        () => work.correct(record, OFFICER, { relationship: 'customer', explanation: 'x' }),
        () => work.restrict(record, OFFICER, ''),
        () => work.access(record, OFFICER, 'download'),
        () => work.review(record, OFFICER, { outcome: 'upheld', note: 'x' }),
        () => rights().answers.deny(record, OFFICER, { reason: 'legal_claims', explanation: '' }),
      ]) {
        await expect(attempt()).rejects.toThrow(/request|allow/);
      }
      expect((await again(hush, record)).rev).toBe(record.rev);
      const verified = await pressLink(hush, address, /confirm/i);
      expect(verified).toMatchObject({ state: 'in_progress', verifiedBy: 'link' });
      expect(verified?.contacts.every((contact) => contact.verified)).toBe(true);
      // Pressed again it changes nothing.
      expect((await pressLink(hush, address, /confirm/i))?.rev).toBe(verified?.rev);
    },
  );

  test('a claimed address that the link did not prove stays claimed', async () => {
    const other = { point: normaliseContact({ phone: '+19205550123' }, 'US') };
    const record = await ask(hush, 'deletion', 'mine@example.com', { contacts: [email('mine@example.com'), other] });
    const verified = await pressLink(hush, 'mine@example.com', /confirm/i);
    expect(verified?.contacts.map((contact) => contact.verified)).toEqual([true, false]);
    const erasing = await rights().fulfilment.erase(verified ?? record, OFFICER);
    await hush.settle();
    expect(await hush.decide({ email: 'mine@example.com' })).toMatchObject({ reason: 'erased' });
    expect(await hush.decide({ phone: '+19205550123' }, 'promotion', { channel: 'mail' })).not.toMatchObject({
      reason: 'erased',
    });
    expect(erasing.contacts).toHaveLength(2);
  });

  test('a link of another request, or of another kind, verifies nothing', async () => {
    const one = await ask(hush, 'access', 'one@example.com');
    await ask(hush, 'access', 'two@example.com');
    const { links, clock } = hush.hush;
    const stranger = normaliseContact({ email: 'two@example.com' }, 'US');
    const scope = { brand: 'jmf', channel: '*', purpose: '*', topic: '*' } as const;
    // Genuine tokens that name request and address which do not go together, or are for looking only.
    for (const [kind, point] of [
      ['verify', stranger],
      ['request', normaliseContact({ email: 'one@example.com' }, 'US')],
      ['fresh', normaliseContact({ email: 'one@example.com' }, 'US')],
    ] as const) {
      const link = links.read(links.seal(kind, point, scope, one.id, clock.now() + DAY), clock.now());
      expect(link && (await rights().verification.byLink(link))).toBeUndefined();
    }
    expect((await again(hush, one)).state).toBe('verifying');
  });

  test('the link ends after two weeks', async () => {
    await ask(hush, 'access', 'slow@example.com');
    const token = tokenIn((await mailsTo(hush, 'slow@example.com')).find((raw) => /confirm that it is you/i.test(raw)));
    const { links, clock } = hush.hush;
    expect(links.read(token, clock.now() + 14 * DAY)).toBeDefined();
    expect(links.read(token, clock.now() + 16 * DAY)).toBeUndefined();
  });

  test('knowledge: as many points as the kind needs, and codes are what is kept', async () => {
    const record = await ask(hush, 'access', 'known@example.com', { way: 'phone' }, OFFICER);
    const { verification } = rights();
    await expect(
      verification.byKnowledge(record, OFFICER, { checks: ['policy_number', 'shipment', 'shipment'], note: '' }),
    ).rejects.toThrow('needs 3');
    const verified = await verification.byKnowledge(record, OFFICER, {
      checks: ['policy_number', 'shipment', 'called_back'],
      note: 'Policy JM-12345 matched.',
    });
    expect(verified).toMatchObject({ state: 'in_progress', verifiedBy: 'knowledge' });
    expect(verified.history.at(-1)?.facts).toMatchObject({ checks: 'policy_number shipment called_back' });
    const raw = await hush.hush.stores.requests.models[0].collection.findOne({ _id: record.id as never });
    expect(JSON.stringify(raw)).not.toContain('JM-12345');
    expect(JSON.stringify(raw)).not.toContain('Ana');
    expect(JSON.stringify(raw)).not.toContain('known@');
  });
});

describe('an agent', () => {
  const agent = { name: 'Lee Attorney', email: 'lee@law.example' };
  const document = Buffer.from('%PDF-1.7\npower of attorney\n%%EOF\n');

  test('needs a document and the person’s own word, in either order', async () => {
    for (const order of ['document first', 'word first']) {
      const address = `${order.replace(' ', '-')}@example.com`;
      const record = await ask(hush, 'deletion', address, { agent });
      expect(record).toMatchObject({ byAgent: true, state: 'verifying' });
      const { verification } = rights();
      await expect(
        verification.byKnowledge(record, OFFICER, { checks: ['shipment', 'policy_number'], note: '' }),
      ).rejects.toThrow('authority');
      const file = await attach(hush, record, OFFICER, 'poa.pdf', document);
      const word = () => pressLink(hush, address, /act for you/i);
      const paper = async () => verification.authority(await again(hush, record), OFFICER, file);
      const first = order === 'word first' ? await word() : await paper();
      expect(first?.state).toBe('verifying');
      const second = order === 'word first' ? await paper() : await word();
      expect(second).toMatchObject({ state: 'in_progress', verifiedBy: 'agent', authority: file });
    }
  });

  test('hears from us; only the question goes to the person', async () => {
    await ask(hush, 'access', 'principal@example.com', { agent: { ...agent, email: 'clerk@law.example' } });
    expect(await mailsTo(hush, 'clerk@law.example')).toHaveLength(1);
    const mails = await mailsTo(hush, 'principal@example.com');
    expect(mails).toHaveLength(1);
    expect(mails[0]).toMatch(/act for you/i);
  });

  test('a document that is not with the request is none', async () => {
    const record = await ask(hush, 'access', 'nodoc@example.com', { agent });
    await expect(rights().verification.authority(record, OFFICER, 'f_0000000000000000')).rejects.toThrow(
      'not with this',
    );
    const other = await ask(hush, 'access', 'otherdoc@example.com', { agent });
    const file = await attach(hush, other, OFFICER, 'a.pdf', document);
    await expect(rights().verification.authority(record, OFFICER, file)).rejects.toThrow('not with this');
  });
});

describe('answers', () => {
  const inProgress = async (
    kind: 'access' | 'correction' | 'restriction' | 'automated_decision_review',
    address: string,
  ) => {
    await ask(hush, kind, address);
    const record = await pressLink(hush, address, /confirm/i);
    if (!record) throw new Error('not verified');
    return record;
  };

  test('an extension: with a reason in words, its letter at once, only one, not after the deadline', async () => {
    const record = await inProgress('access', 'extend@example.com');
    const { answers } = rights();
    await expect(answers.extend(record, OFFICER, { reason: 'complexity', explanation: ' ' })).rejects.toThrow(
      'missing',
    );
    const extended = await answers.extend(record, OFFICER, {
      reason: 'third_party_systems',
      explanation: 'A system of a carrier has not answered yet.',
    });
    expect(extended.due.getTime() - extended.firstDue.getTime()).toBeGreaterThan(44 * DAY);
    expect(extended.letters).toEqual([]);
    const letter = (await mailsTo(hush, 'extend@example.com')).at(-1);
    expect(letter).toContain('more time');
    expect(letter).toContain('A system of a carrier has not answered yet.');
    expect(letter).toContain('April');
    await expect(answers.extend(extended, OFFICER, { reason: 'complexity', explanation: 'x' })).rejects.toThrow(
      'already',
    );
    const late = await inProgress('access', 'late@example.com');
    const before = time.now;
    time.now = late.due.getTime() + 1;
    await expect(answers.extend(late, OFFICER, { reason: 'complexity', explanation: 'x' })).rejects.toThrow('passed');
    time.now = before;
    expect(await mailsTo(hush, 'late@example.com')).toHaveLength(1);
  });

  test('a denial has a reason of the list that fits the kind, and the letter gives it', async () => {
    const record = await inProgress('access', 'deny@example.com');
    const { answers } = rights();
    await expect(answers.deny(record, OFFICER, { reason: 'accurate_as_held', explanation: '' })).rejects.toThrow(
      'reason',
    );
    const denied = await answers.deny(record, OFFICER, {
      reason: 'others_rights',
      explanation: 'It shows the sender’s data.',
    });
    expect(denied).toMatchObject({ state: 'denied', denialReason: 'others_rights' });
    const letter = (await mailsTo(hush, 'deny@example.com')).at(-1);
    expect(letter).toContain('We cannot do what you asked');
    expect(letter).toMatch(/sender.{1,20}s data/);
    await expect(answers.deny(denied, OFFICER, { reason: 'excessive', explanation: '' })).rejects.toThrow('denied');
  });

  test('a refusal of what cannot be verified says how to try again, and nothing was shown', async () => {
    const record = await ask(hush, 'access', 'refuse@example.com');
    const refused = await rights().answers.refuse(record, OFFICER, { reason: 'details_do_not_match', explanation: '' });
    expect(refused.state).toBe('refused');
    expect((await mailsTo(hush, 'refuse@example.com')).at(-1)).toContain('try again');
    // An opt-out cannot be refused: it is closed before anybody could.
    const optOut = await ask(hush, 'opt_out', 'neverrefused@example.com');
    await expect(
      rights().answers.refuse(optOut, OFFICER, { reason: 'details_do_not_match', explanation: '' }),
    ).rejects.toThrow();
  });

  test('two who act on the same state: the second is told, and nothing of theirs happened', async () => {
    const record = await inProgress('access', 'race@example.com');
    const { answers } = rights();
    const results = await Promise.allSettled([
      answers.deny(record, OFFICER, { reason: 'excessive', explanation: '' }),
      answers.withdraw(record, OFFICER, 'called'),
    ]);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const rejected = results.find((result): result is PromiseRejectedResult => result.status === 'rejected');
    expect(String(rejected?.reason)).toContain('meanwhile');
  });

  test('a letter that could not be sent stays and goes later', async () => {
    const record = await inProgress('access', 'stuck@example.com');
    const { letters, answers } = rights();
    const send = letters.send;
    const broken = { ...letters, send: async () => Promise.reject(new Error('away')) };
    Object.assign(letters, broken);
    const denied = await answers.deny(record, OFFICER, { reason: 'excessive', explanation: '' });
    Object.assign(letters, { send });
    expect(denied).toMatchObject({ state: 'denied' });
    expect(denied.letters).toHaveLength(1);
    const before = (await mailsTo(hush, 'stuck@example.com')).length;
    time.now += 60_000;
    await watchOnce(hush);
    expect((await again(hush, denied)).letters).toEqual([]);
    expect(await mailsTo(hush, 'stuck@example.com')).toHaveLength(before + 1);
  });

  test('correction: facts become an event, and an address that was wrong keeps its denials at the right one', async () => {
    await hush.ask('/v1/events', {
      events: [
        {
          contact: { email: 'wrnog@example.com' },
          type: 'profile',
          relationship: 'recipient',
          source: { kind: 'api' },
        },
        { contact: { email: 'wrnog@example.com' }, type: 'objected', source: { kind: 'link' } },
      ],
    });
    const record = await inProgress('correction', 'wrnog@example.com');
    const old = record.contacts[0]?.key ?? Buffer.alloc(0);
    const done = await rights().fulfilment.correct(record, OFFICER, {
      relationship: 'customer',
      replace: { old, by: normaliseContact({ email: 'right@example.com' }, 'US') },
      explanation: 'Name corrected in the claims system too.',
    });
    expect(done.state).toBe('fulfilled');
    expect(done.receipts.length).toBeGreaterThanOrEqual(4);
    expect(await hush.decide({ email: 'right@example.com' })).toMatchObject({ allowed: false, reason: 'objected' });
    expect(await hush.decide({ email: 'wrnog@example.com' })).toMatchObject({
      allowed: false,
      reason: 'undeliverable',
    });
  });

  test('correction: the right address takes over what stands, not what was lifted, nor a consent', async () => {
    const wrong = { email: 'wrnog2@example.com' };
    const right = { email: 'right2@example.com' };
    await hush.ask('/v1/events', {
      events: [
        { type: 'profile', minor: true, relationship: 'recipient', jurisdiction: 'DE' },
        { type: 'opted_out', scope: { purpose: 'events' }, at: '2026-01-01T00:00:00Z' },
        { type: 'opted_in', scope: { purpose: 'events' }, at: '2026-01-02T00:00:00Z' },
        { type: 'opted_out', scope: { purpose: 'research' }, at: '2026-01-03T00:00:00Z' },
        { type: 'restricted' },
      ].map((event) => ({ contact: wrong, source: { kind: 'form' }, ...event })),
    });
    const record = await inProgress('correction', wrong.email);
    const speaks = { contact: wrong, type: 'profile', language: 'de', source: { kind: 'form' } };
    await hush.ask('/v1/events', { events: [speaks] });
    await rights().fulfilment.correct(record, OFFICER, {
      replace: { old: record.contacts[0]?.key ?? Buffer.alloc(0), by: normaliseContact(right, 'US') },
      explanation: '',
    });
    interface Known {
      facts: object;
      denials: { scope: { purpose: string } }[];
    }
    const { facts, denials } = await hush.ask<Known>('/v1/contacts/lookup', { contact: right });
    expect(facts).toMatchObject({ relationship: 'recipient', minor: true, jurisdiction: 'DE', language: 'de' });
    expect(denials.map(({ scope }) => scope.purpose)).toEqual(['research']);
    expect(await hush.decide(right, 'service')).toMatchObject({ allowed: false, reason: 'restricted' });
  });

  test('access: gathered for the verified addresses only, closed when it was handed over, and the letter says so', async () => {
    const claimed = { point: normaliseContact({ email: 'claimed@example.com' }, 'US') };
    await ask(hush, 'access', 'copy@example.com', { contacts: [email('copy@example.com'), claimed] });
    const record = await pressLink(hush, 'copy@example.com', /confirm that it is you/i);
    if (!record) throw new Error('not verified');
    await expect(rights().fulfilment.access(record, OFFICER, 'openpgp')).rejects.toThrow('OpenPGP');
    const gathering = await rights().fulfilment.access(record, OFFICER, 'print');
    expect(gathering).toMatchObject({ state: 'fulfilling' });
    const { accessPackages, accessDelivery } = hush.hush;
    const kept = await hush.hush.stores.accessPackages.get(gathering.package ?? '');
    expect(kept?.contacts).toHaveLength(1);
    await accessPackages.work();
    await watchOnce(hush);
    expect((await again(hush, record)).state).toBe('fulfilling');
    await accessDelivery.posted(gathering.package ?? '', 'officer');
    await watchOnce(hush);
    expect(await again(hush, record)).toMatchObject({ state: 'fulfilled' });
    expect((await mailsTo(hush, 'copy@example.com')).at(-1)).toContain('put together what we hold');
  });

  test('restriction: even service stops, with the request as its source', async () => {
    const record = await inProgress('restriction', 'restrict@example.com');
    const done = await rights().fulfilment.restrict(record, OFFICER, '');
    expect(done.state).toBe('fulfilled');
    expect(await hush.decide({ email: 'restrict@example.com' }, 'service')).toMatchObject({ reason: 'restricted' });
    await hush.settle();
    const [entry] = (await hush.hush.stores.ledger.ofContact(record.contacts[0]?.key ?? Buffer.alloc(0))).slice(-1);
    expect(entry?.event.source).toMatchObject({ destination: `request-${record.id.slice(2)}` });
  });

  test('review: profiling is denied from receipt, and goes on only as far as nothing else denies it', async () => {
    const profile = (address: string) => hush.decide({ email: address }, 'profiling');
    // Two people: one has also objected to profiling by herself.
    await hush.ask('/v1/events', {
      events: [
        {
          contact: { email: 'review2@example.com' },
          type: 'objected',
          scope: { purpose: 'profiling' },
          source: { kind: 'link' },
        },
      ],
    });
    for (const [address, reason] of [
      ['review1@example.com', 'not_objected'],
      ['review2@example.com', 'objected'],
    ] as const) {
      await ask(hush, 'automated_decision_review', address);
      expect(await profile(address)).toMatchObject({ allowed: false, reason: 'objected' });
      const record = await pressLink(hush, address, /confirm/i);
      await expect(rights().fulfilment.review(record!, OFFICER, { outcome: 'upheld', note: '' })).rejects.toThrow(
        'note',
      );
      time.now += 1000;
      const done = await rights().fulfilment.review(record!, OFFICER, {
        outcome: 'changed',
        note: 'A human priced it anew.',
      });
      expect(done).toMatchObject({ state: 'fulfilled', outcome: 'changed' });
      expect(await profile(address)).toMatchObject({ reason });
      expect((await mailsTo(hush, address)).at(-1)).toContain('A human priced it anew.');
    }
    await ask(hush, 'automated_decision_review', 'review3@example.com');
    const record = await pressLink(hush, 'review3@example.com', /confirm/i);
    await rights().fulfilment.review(record!, OFFICER, { outcome: 'profiling_stopped', note: 'Not needed.' });
    expect(await profile('review3@example.com')).toMatchObject({ reason: 'objected' });
  });

  test('withdrawn by the person: closed, and what it denied stays denied', async () => {
    const record = await ask(hush, 'automated_decision_review', 'withdrawn@example.com');
    const done = await rights().answers.withdraw(record, OFFICER, 'changed her mind on the phone');
    expect(done.state).toBe('withdrawn');
    expect(await hush.decide({ email: 'withdrawn@example.com' }, 'profiling')).toMatchObject({ reason: 'objected' });
  });
});

describe('the clock', () => {
  test('alerts come on their days, once each, by mail, log and metric; also after nobody looked for weeks', async () => {
    const record = await ask(hush, 'access', 'clock@example.com');
    const quiet = await ask(hush, 'access', 'closed@example.com');
    await rights().answers.withdraw(quiet, OFFICER);
    const began = time.now;
    const privacy = () => mailsTo(hush, 'privacy@jminsure.com');
    const about = (mails: string[]) => mails.filter((raw) => raw.includes(referenceOf(record.id)));
    await watchOnce(hush);
    expect(about(await privacy())).toEqual([]);
    time.now = began + 31 * DAY;
    await Promise.all([rights().watch.once(), rights().watch.once()]);
    await watchOnce(hush);
    expect((await again(hush, record)).alerts.map(({ id }) => id)).toEqual(['day-30']);
    expect(about(await privacy())).toHaveLength(1);
    // Down for a month: what came meanwhile is told, nothing twice.
    time.now = began + 60 * DAY;
    await watchOnce(hush);
    const late = await again(hush, record);
    expect(late.alerts.map(({ id }) => id)).toEqual(['day-30', 'day-40', 'day-44', 'late']);
    expect(about(await privacy())).toHaveLength(4);
    expect(await rights().report.countLate()).toBeGreaterThan(0);
    expect(hush.logged.join('')).toContain('a rights request needs somebody');
    const metrics = await (await hush.get('/metrics')).text();
    expect(metrics).toMatch(/hush_requests_late [1-9]/);
    expect(metrics).toMatch(/hush_request_alerts_total\{kind="late"\} [1-9]/);
    expect((await again(hush, quiet)).alerts).toEqual([]);
    time.now = began;
  });

  test('the jurisdiction is the one whose clock ends first of all that may be meant', async () => {
    await hush.ask('/v1/events', {
      events: [
        { contact: { email: 'berlin@example.com' }, type: 'profile', jurisdiction: 'DE', source: { kind: 'api' } },
      ],
    });
    const record = await ask(hush, 'access', 'berlin@example.com', { jurisdiction: 'US-WI' });
    expect(record.jurisdiction).toBe('DE');
    expect(record.due.getTime() - time.now).toBeLessThan(32 * DAY);
  });

  test('a letter from last week: the clock runs from the day it came', async () => {
    const record = await ask(
      hush,
      'access',
      'letter@example.com',
      { way: 'post', receivedAt: time.now - 7 * DAY },
      OFFICER,
    );
    expect(record.due.getTime()).toBeLessThan(time.now + 39 * DAY);
    await expect(ask(hush, 'access', 'x@example.com', { receivedAt: time.now + DAY }, OFFICER)).rejects.toThrow(
      '90 days',
    );
  });

  test('the record goes 24 months after it was closed, with its files, and not a day before', async () => {
    const record = await ask(hush, 'access', 'purge@example.com');
    await attach(hush, record, OFFICER, 'a.txt', 'hello');
    await rights().answers.withdraw(await again(hush, record), OFFICER);
    const began = time.now;
    time.now = Date.parse('2028-01-09T00:00:00Z');
    await rights().watch.everything();
    expect((await again(hush, record)).state).toBe('withdrawn');
    time.now = Date.parse('2028-01-12T00:00:00Z');
    await rights().watch.everything();
    await expect(again(hush, record)).rejects.toThrow('no such request');
    expect(await hush.hush.stores.requestFiles.ofRequest(record.id)).toEqual([]);
    time.now = began;
  });
});

test('a stranger’s form cannot flood a mailbox, and the request is kept all the same', async () => {
  const all = [];
  for (let at = 0; at < 6; at++) all.push(await ask(hush, 'access', 'flooded@example.com'));
  expect(new Set(all.map(({ id }) => id)).size).toBe(6);
  expect(await mailsTo(hush, 'flooded@example.com')).toHaveLength(3);
  expect(all.at(-1)).toMatchObject({ state: 'received' });
  expect(all.at(-1)?.acknowledgedAt).toBeUndefined();
});

test('no address or name is in any log line', () => {
  expect(hush.logged.join('')).not.toMatch(/@example\.com|Ana Doe|law\.example/);
});
