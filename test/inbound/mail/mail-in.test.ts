import { contactKeyBytes, keyringFromSecret } from '../../../src/core/keys.js';
import { sealShort } from '../../../src/core/token.js';
import { UNDISCLOSED_RECIPIENT } from '../../../src/inbound/mail/returned.js';
import { machine } from '../../../src/machine.js';
import { bounce, complaint, original, written } from '../letters.js';
import { DOMAIN, emailOf, type Inbound, keyring, openInbound } from '../setting.js';

let inbound: Inbound;
beforeAll(async () => {
  inbound = await openInbound();
});
afterAll(() => inbound.close());

let people = 0;
const somebody = () => `person${++people}@customer.example`;
const receive = async (raw: Buffer, envelopeTo: string[] = [], dryRun = false) =>
  (await inbound.mailIn.receive(raw, { via: 'smtp', envelopeTo, dryRun })).recognised;

describe('a mailto: unsubscribe', () => {
  test('counts at once, for the scope of its token, with the address from the From header', async () => {
    const jane = somebody();
    const { mailto } = inbound.sent(jane);
    const found = await receive(written({ from: `Jane <${jane}>`, to: mailto }));
    expect(found).toEqual([expect.objectContaining({ kind: 'opt_out', address: jane, outcome: 'recorded' })]);
    expect((await inbound.decide(emailOf(jane))).reason).toBe('opted_out');
    expect((await inbound.decide(emailOf(jane), 'email', 'promotion', 'shipping')).allowed).toBe(true);
    const [event] = await inbound.events(emailOf(jane));
    expect(event).toMatchObject({
      type: 'opted_out',
      source: { kind: 'mailto' },
      scope: { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: '*' },
    });
    await inbound.project();
    const contact = await inbound.contacts.get(contactKeyBytes(keyring, emailOf(jane)));
    expect(contact?.keyedOnly).toBe(false);
  });

  test('counts whoever sent it, and then knows the contact by its key only', async () => {
    const jane = somebody();
    const { mailto } = inbound.sent(jane);
    const [found] = await receive(written({ from: 'assistant@elsewhere.example', to: mailto, subject: '', body: '' }));
    expect(found).toMatchObject({ outcome: 'recorded' });
    expect(found?.address).toBeUndefined();
    expect((await inbound.decide(emailOf(jane))).reason).toBe('opted_out');
    expect(await inbound.decide(emailOf('assistant@elsewhere.example'))).toMatchObject({ allowed: true });
    await inbound.project();
    const contact = await inbound.contacts.get(contactKeyBytes(keyring, emailOf(jane)));
    expect(contact).toMatchObject({ keyedOnly: true });
    expect(contact?.address).toBeUndefined();
  });

  test('of an address that begins or ends with a dot is of that address', async () => {
    const before = [emailOf('.dots@ezweb.ne.jp'), emailOf('dots.@ezweb.ne.jp'), emailOf('do..ts@docomo.ne.jp')];
    for (const { given } of before) {
      for (const from of [given, `<${given}>`, `Jane Doe <${given}>`]) {
        const [found] = await receive(written({ from, to: `unsubscribe@${DOMAIN}` }));
        expect(found).toMatchObject({ outcome: 'recorded', address: given });
      }
    }
    for (const point of before) expect((await inbound.decide(point)).reason).toBe('opted_out');
    expect((await inbound.decide(emailOf('dots@ezweb.ne.jp'))).allowed).toBe(true);
  });

  test.each([
    ['in upper case', (to: string) => to.toUpperCase()],
    ['with a minus for the plus', (to: string) => to.replace('+', '-')],
    ['with an encoded plus', (to: string) => to.replace('+', '%2B')],
    ['with a dot after the domain', (to: string) => `${to}.`],
    ['with a bracket after the domain', (to: string) => `${to}>`],
    ['with a subject after the domain', (to: string) => `${to}?subject=unsubscribe`],
    ['with a full stop before the @', (to: string) => to.replace('@', '.@')],
    ['with an encoded bracket before the @', (to: string) => to.replace('@', '%3E@')],
    ['with an encoded @', (to: string) => to.replace('@', '%40')],
    ['under the name of earlier days', (to: string) => to.replace('u+', 'unsubscribe+')],
    ['under that name in upper case, with a minus', (to: string) => to.replace('u+', 'UNSUBSCRIBE-')],
  ])('is understood %s', async (_how, change) => {
    const jane = somebody();
    const { mailto } = inbound.sent(jane);
    await receive(written({ from: jane, to: 'x@elsewhere.example' }), [change(mailto)]);
    expect((await inbound.decide(emailOf(jane))).reason).toBe('opted_out');
  });

  test.each(['To', 'Delivered-To', 'X-Original-To'])('is found in %s when there is no envelope', async (name) => {
    const jane = somebody();
    const { mailto } = inbound.sent(jane);
    await receive(written({ from: jane, to: 'list@elsewhere.example', headers: { [name]: mailto } }));
    expect((await inbound.decide(emailOf(jane))).reason).toBe('opted_out');
  });

  test('with a forged, damaged or foreign token changes nothing, not even for its sender', async () => {
    const jane = somebody();
    const { mailto } = inbound.sent(jane);
    const foreign = sealShort(keyringFromSecret('another installation, another secret', machine.randomBytes), {
      contact: contactKeyBytes(keyring, emailOf(jane)),
      brandCode: 1,
      channel: 'email',
      purpose: 'promotion',
      topicCode: 0,
    });
    const flipped = mailto.replace(/^u\+(.)/, (_all, first) => `u+${first === '0' ? '1' : '0'}`);
    const forged = [flipped, mailto.replace(/.@/, '@'), `unsubscribe+${foreign}@${DOMAIN}`, `unsubscribe+@${DOMAIN}`];
    for (const to of forged) {
      expect(await receive(written({ from: jane, to }), [to])).toEqual([
        expect.objectContaining({ outcome: 'ignored', why: 'forged_token' }),
      ]);
    }
    expect(await receive(written({ from: jane, to: mailto.replace(DOMAIN, 'elsewhere.example') }))).toEqual([]);
    expect(await inbound.events(emailOf(jane))).toEqual([]);
  });

  test('sent twice is one event; replayed after an opt-in it stays without effect; a new one counts again', async () => {
    const jane = somebody();
    const { mailto } = inbound.sent(jane);
    const raw = written({ from: jane, to: mailto });
    const [first] = await receive(raw);
    inbound.time.now += 60_000;
    await inbound.accept.accept({
      subject: { point: emailOf(jane) },
      type: 'opted_in',
      source: { kind: 'staff' },
      scope: { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: '*' },
    });
    await inbound.project();
    inbound.time.now += 60_000;
    const [again] = await inbound.mailIn.receive(raw, { via: 'api' }).then(({ recognised }) => recognised);
    expect(again?.receipt).toBe(first?.receipt);
    expect((await inbound.decide(emailOf(jane))).allowed).toBe(true);
    await inbound.project();
    expect((await inbound.decide(emailOf(jane))).allowed).toBe(true);
    expect(await inbound.events(emailOf(jane))).toHaveLength(2);
    await receive(written({ from: jane, to: mailto }));
    expect((await inbound.decide(emailOf(jane))).reason).toBe('opted_out');
  });

  test('of two people under one Message-ID both count', async () => {
    const [jane, john] = [somebody(), somebody()];
    for (const person of [jane, john]) {
      await receive(written({ from: person, to: inbound.sent(person).mailto, id: '<same@mx.example>' }));
    }
    expect((await inbound.decide(emailOf(jane))).reason).toBe('opted_out');
    expect((await inbound.decide(emailOf(john))).reason).toBe('opted_out');
  });

  test('without a token counts for its sender, as the public form does, and a notice with an undo goes out', async () => {
    const jane = somebody();
    const before = inbound.letters.length;
    expect(await receive(written({ from: jane, to: `unsubscribe@${DOMAIN}` }))).toEqual([
      expect.objectContaining({ kind: 'opt_out', address: jane, reason: 'own_word', outcome: 'recorded' }),
    ]);
    expect((await inbound.decide(emailOf(jane))).reason).toBe('opted_out');
    expect((await inbound.decide(emailOf(jane), 'email', 'service')).allowed).toBe(true);
    expect(inbound.letters.slice(before)).toEqual([
      expect.objectContaining({ template: 'stopped-notice', to: jane, quota: expect.objectContaining({ perDay: 1 }) }),
    ]);
  });

  test('that Apple Mail’s button sent counts although it calls itself automatic, with a token or without', async () => {
    const headers = { 'X-Apple-Unsubscribe': 'true', 'Auto-Submitted': 'auto-replied' };
    const [jane, john] = [somebody(), somebody()];
    const { mailto } = inbound.sent(jane);
    expect(await receive(written({ from: jane, to: mailto, headers }))).toEqual([
      expect.objectContaining({ kind: 'opt_out', address: jane, reason: 'mailto', outcome: 'recorded' }),
    ]);
    expect(await receive(written({ from: john, to: 'hello@jmf.example', headers }))).toEqual([
      expect.objectContaining({ kind: 'opt_out', address: john, reason: 'own_word', outcome: 'recorded' }),
    ]);
    expect((await inbound.decide(emailOf(john))).reason).toBe('opted_out');
  });

  test('without a token from a machine means nothing', async () => {
    const jane = somebody();
    for (const headers of [{ 'Auto-Submitted': 'auto-replied' }, { 'Return-Path': '<>' }]) {
      await receive(written({ from: jane, to: `unsubscribe@${DOMAIN}`, headers: headers as Record<string, string> }));
    }
    await receive(written({ from: `MAILER-DAEMON@customer.example`, to: `unsubscribe@${DOMAIN}` }));
    expect(await inbound.events(emailOf(jane))).toEqual([]);
    expect(await inbound.events(emailOf('mailer-daemon@customer.example'))).toEqual([]);
  });
});

describe('a bounce', () => {
  test('to its VERP address is proven: the contact is unreachable', async () => {
    const jane = somebody();
    const { returnPath } = inbound.sent(jane);
    const found = await receive(bounce({ recipient: jane, to: returnPath }), [returnPath]);
    expect(found).toEqual([
      expect.objectContaining({
        kind: 'hard',
        address: jane,
        status: '5.1.1',
        outcome: 'recorded',
        receipt: expect.stringMatching(/^r_/),
      }),
    ]);
    expect(await inbound.decide(emailOf(jane), 'email', 'service')).toMatchObject({
      allowed: false,
      reason: 'undeliverable',
    });
  });

  test('with our token in the returned headers is proven, wherever it was sent', async () => {
    const jane = somebody();
    const sent = inbound.sent(jane);
    const returned = original(jane, sent).replace(/^Return-Path.*\n/, '');
    await receive(bounce({ recipient: jane, to: 'hello@jmf.example', returned }));
    expect((await inbound.decide(emailOf(jane))).reason).toBe('undeliverable');
  });

  test.each([
    ['no token at all', (jane: string) => original(jane)],
    ['the token of somebody else', (jane: string) => original(jane, inbound.sent('attacker@elsewhere.example'))],
    [
      'a cut token',
      (jane: string) =>
        original(jane, {
          ...inbound.sent(jane),
          headers: {
            'List-Unsubscribe': inbound
              .sent(jane)
              .headers['List-Unsubscribe'].replace(/[a-z0-9]{3}@/, '@')
              .replace(/.{6}>, /, '>, '),
          },
          returnPath: 'bounce+abc@x.example',
        }),
    ],
  ])('with %s waits for review and changes nothing', async (_what, returned) => {
    const jane = somebody();
    const raw = bounce({ recipient: jane, to: `bounces@${DOMAIN}`, returned: returned(jane) });
    const [found] = await receive(raw);
    expect(found).toMatchObject({ kind: 'hard', address: jane, outcome: 'review', why: 'no_proof' });
    expect(await inbound.events(emailOf(jane))).toEqual([]);
    const detail = await inbound.review.open(found?.review ?? '');
    expect(detail).toMatchObject({ kind: 'hard', address: jane, waiting: true, status: '5.1.1' });
    expect(detail.masked).not.toContain(jane);
  });

  test('that is soft changes nothing until the fifth day of thirty, and then is a hard one that names the rule', async () => {
    const jane = somebody();
    const sent = inbound.sent(jane);
    const soft = () =>
      receive(
        bounce({
          recipient: jane,
          to: sent.returnPath,
          status: '4.2.2',
          words: '452 4.2.2 Mailbox full',
          returned: original(jane, sent),
        }),
        [sent.returnPath],
      );
    for (let day = 0; day < 4; day++) {
      // Twice a day is one day.
      for (let hour = 0; hour < 2; hour++) {
        const found = await soft();
        inbound.time.now += 3_600_000;
        expect(found).toEqual([expect.objectContaining({ kind: 'soft', outcome: 'recorded' })]);
        expect(found[0]?.turnedHard).toBeUndefined();
      }
      if (day % 2 === 0) await inbound.project();
      inbound.time.now += 22 * 3_600_000;
    }
    expect((await inbound.decide(emailOf(jane))).allowed).toBe(true);
    const [fifth] = await soft();
    expect(fifth?.turnedHard).toMatch(/^r_/);
    expect((await inbound.decide(emailOf(jane))).reason).toBe('undeliverable');
    const again = await soft();
    expect(again[0]?.turnedHard).toBeUndefined();
    // Reachable again: the old ones do not count any more.
    inbound.time.now += 3_600_000;
    await inbound.accept.accept({
      subject: { point: emailOf(jane) },
      type: 'reachable',
      channel: 'email',
      source: { kind: 'staff' },
    });
    inbound.time.now += 3_600_000;
    expect((await soft())[0]?.turnedHard).toBeUndefined();
    expect((await inbound.decide(emailOf(jane))).allowed).toBe(true);
  });

  test('that is soft on five days of two months stays soft', async () => {
    const jane = somebody();
    const sent = inbound.sent(jane);
    for (let time = 0; time < 6; time++) {
      const [found] = await receive(
        bounce({
          recipient: jane,
          to: sent.returnPath,
          status: '4.2.2',
          words: '452 4.2.2 Mailbox full',
          returned: original(jane, sent),
        }),
      );
      expect(found).toMatchObject({ kind: 'soft', outcome: 'recorded' });
      expect(found?.turnedHard).toBeUndefined();
      inbound.time.now += 9 * 86_400_000;
    }
    expect((await inbound.decide(emailOf(jane))).allowed).toBe(true);
  });

  test('that is soft and forged is not even counted', async () => {
    const jane = somebody();
    const [found] = await receive(
      bounce({ recipient: jane, to: `bounces@${DOMAIN}`, status: '4.2.2', words: '452 4.2.2 full' }),
    );
    expect(found).toMatchObject({ kind: 'soft', outcome: 'ignored', why: 'no_proof' });
    expect(await inbound.events(emailOf(jane))).toEqual([]);
  });

  test('sent again by its server is one event', async () => {
    const jane = somebody();
    const { returnPath } = inbound.sent(jane);
    const raw = bounce({ recipient: jane, to: returnPath });
    const results = await Promise.all([receive(raw), receive(raw), receive(raw)]);
    expect(new Set(results.map(([found]) => found?.receipt)).size).toBe(1);
    await inbound.project();
    expect(await inbound.events(emailOf(jane))).toHaveLength(1);
  });
});

/** RFC 9477: the report goes to the address that the message's `CFBL-Address` names. */
describe('a complaint to the CFBL-Address of a message', () => {
  const addressOf = (email: string) => inbound.sent(email).headers['CFBL-Address'].split(';')[0] ?? '';

  test('is written as RFC 9477 wants it, for this domain', () => {
    expect(inbound.sent(somebody()).headers['CFBL-Address']).toMatch(
      new RegExp(`^fbl\\+[0-9a-z]{37}@${DOMAIN.replaceAll('.', '\\.')}; report=arf$`),
    );
  });

  test.each<[string, (jane: string) => string | undefined, (jane: string) => string]>([
    ['names the person', (jane) => jane, (jane) => original(jane)],
    ['redacts the person', () => 'redacted@customer.example', () => original('redacted@customer.example')],
    ['names nobody', () => undefined, () => original('undisclosed-recipients:;')],
    ['names only the header', () => undefined, (jane) => `CFBL-Address: ${inbound.sent(jane).headers['CFBL-Address']}`],
  ])('counts when it %s', async (_how, recipient, returned) => {
    const jane = somebody();
    const named = recipient(jane);
    const raw = complaint({ ...(named ? { recipient: named } : {}), returned: returned(jane) });
    const [found] = await receive(raw, [addressOf(jane).toUpperCase()]);
    expect(found).toMatchObject({ kind: 'complaint', outcome: 'recorded' });
    expect((await inbound.decide(emailOf(jane))).reason).toBe('complained');
  });

  test('counts for nobody else, and not with a forged token', async () => {
    const [jane, victim] = [somebody(), somebody()];
    const [other] = await receive(complaint({ recipient: victim, returned: original(victim) }), [addressOf(jane)]);
    expect(other).toMatchObject({ outcome: 'review' });
    const forged = addressOf(victim).replace(/^fbl\+(.)/, (_all, first) => `fbl+${first === '0' ? '1' : '0'}`);
    const [none] = await receive(complaint({ recipient: victim, returned: original(victim) }), [forged]);
    expect(none).toMatchObject({ outcome: 'review' });
    expect((await inbound.decide(emailOf(victim))).allowed).toBe(true);
  });
});

describe('a complaint', () => {
  test('with our token ends marketing by mail', async () => {
    const jane = somebody();
    const found = await receive(complaint({ recipient: jane, returned: original(jane, inbound.sent(jane)) }));
    expect(found).toEqual([expect.objectContaining({ kind: 'complaint', address: jane, outcome: 'recorded' })]);
    expect((await inbound.decide(emailOf(jane))).reason).toBe('complained');
    const [event] = await inbound.events(emailOf(jane));
    expect(event).toMatchObject({ type: 'complained', source: { kind: 'webhook' }, link: { brand: 'jmf' } });
  });

  test('that hides the recipient is about whom the token names, and the placeholder is never stored', async () => {
    const jane = somebody();
    for (const [who, to] of [
      [jane, undefined],
      [somebody(), 'redacted@customer.example'],
      [somebody(), '8f3a0c77d1@customer.example'],
    ] as const) {
      const returned = original('undisclosed-recipients:;', inbound.sent(who));
      const [found] = await receive(complaint({ ...(to ? { recipient: to } : {}), returned }));
      expect(found).toMatchObject({ kind: 'complaint', outcome: 'recorded' });
      expect((await inbound.decide(emailOf(who))).reason).toBe('complained');
      if (to) expect(await inbound.events(emailOf(to))).toEqual([]);
    }
    const hidden = await receive(complaint({ returned: original('undisclosed-recipients:;') }));
    expect(hidden).toEqual([
      expect.objectContaining({ address: UNDISCLOSED_RECIPIENT, outcome: 'ignored', why: 'nobody_named' }),
    ]);
    expect(await inbound.contacts.get(contactKeyBytes(keyring, emailOf(UNDISCLOSED_RECIPIENT)))).toBeUndefined();
  });

  test('forged about somebody else, with the attacker’s own genuine token, waits for review', async () => {
    const victim = 'victim@elsewhere.example';
    const sent = inbound.sent('attacker@customer.example');
    const [found] = await receive(complaint({ recipient: victim, returned: original(victim, sent) }));
    expect(found).toMatchObject({ outcome: 'review' });
    expect(await inbound.events(emailOf(victim))).toEqual([]);
    expect(await inbound.events(emailOf('attacker@customer.example'))).toEqual([]);
    expect((await inbound.review.open(found?.review ?? '')).tokenNamesAnother).toBe(true);
  });

  test.each(['not-spam', 'auth-failure'])('of type %s means nothing', async (type) => {
    const jane = somebody();
    const found = await receive(complaint({ recipient: jane, type, returned: original(jane, inbound.sent(jane)) }));
    expect(found).toEqual([expect.objectContaining({ kind: 'other', outcome: 'ignored', why: 'means_nothing' })]);
    expect(await inbound.events(emailOf(jane))).toEqual([]);
  });
});

test('an automatic reply to a bounce address means nothing', async () => {
  const jane = somebody();
  const { returnPath } = inbound.sent(jane);
  const raw = written({
    from: jane,
    to: returnPath,
    subject: 'Out of office',
    headers: { 'Auto-Submitted': 'auto-replied', 'X-Autoreply': 'yes' },
  });
  expect(await receive(raw, [returnPath])).toEqual([
    expect.objectContaining({ kind: 'auto_reply', outcome: 'ignored' }),
  ]);
  expect(await inbound.events(emailOf(jane))).toEqual([]);
});

test('the words of a person at a bounce address wait for a person', async () => {
  const jane = somebody();
  const { returnPath } = inbound.sent(jane);
  const [found] = await receive(
    written({ from: jane, to: returnPath, subject: 'Re: Spring', body: 'take me off, please' }),
  );
  expect(found).toMatchObject({ kind: 'message', outcome: 'review' });
  expect(await inbound.events(emailOf(jane))).toEqual([]);
});

test('an ordinary message to nobody of ours is nothing', async () => {
  expect(await receive(written({ from: somebody(), to: 'hello@jmf.example', subject: 'A question' }))).toEqual([]);
});

test('a dry run says what would happen and does nothing', async () => {
  const jane = somebody();
  const sent = inbound.sent(jane);
  const before = inbound.letters.length;
  expect(await receive(written({ from: jane, to: sent.mailto }), [], true)).toEqual([
    expect.objectContaining({ kind: 'opt_out', outcome: 'would_record' }),
  ]);
  expect(await receive(written({ from: jane, to: `unsubscribe@${DOMAIN}` }), [], true)).toEqual([
    expect.objectContaining({ outcome: 'would_record' }),
  ]);
  expect(await receive(bounce({ recipient: jane, to: sent.returnPath }), [], true)).toEqual([
    expect.objectContaining({ kind: 'hard', outcome: 'would_record' }),
  ]);
  expect(await receive(bounce({ recipient: jane, to: 'x@y.example' }), [], true)).toEqual([
    expect.objectContaining({ kind: 'hard', outcome: 'would_review' }),
  ]);
  expect(await inbound.events(emailOf(jane))).toEqual([]);
  expect(inbound.letters).toHaveLength(before);
  expect(
    (await inbound.review.list({ kind: 'hard' })).some(
      ({ masked }) => masked.startsWith(`p•••@`) && masked.includes(jane),
    ),
  ).toBe(false);
});

test('a message of more than 10 MB is refused', async () => {
  await expect(receive(Buffer.alloc(10 * 1024 * 1024 + 1, 'x'))).rejects.toMatchObject({ kind: 'too_large' });
});

test('evidence of huge headers still fits an event', async () => {
  const jane = somebody();
  const { mailto } = inbound.sent(jane);
  const raw = written({
    from: `"${'ü"\\'.repeat(300)}" <${jane}>`,
    to: mailto,
    subject: '💍'.repeat(500),
    id: `<${'é'.repeat(900)}@x>`,
  });
  expect(await receive(raw, [mailto])).toEqual([expect.objectContaining({ outcome: 'recorded' })]);
});

test('more opt-outs without a token than people send all count; what is bounded are the notices', async () => {
  const other = await openInbound();
  try {
    const people = Array.from({ length: 70 }, () => somebody());
    for (const from of people)
      await other.mailIn.receive(written({ from, to: `unsubscribe@${DOMAIN}` }), { via: 'smtp' });
    for (const one of people) expect((await other.decide(emailOf(one))).reason).toBe('opted_out');
    expect(other.letters).toHaveLength(60);
  } finally {
    await other.close();
  }
});
