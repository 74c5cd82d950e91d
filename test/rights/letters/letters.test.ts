import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Connection } from 'mongoose';
import { readPolicy } from '../../../src/config/policy.js';
import { DENIAL_REASONS, EXTENSION_REASONS, REFUSAL_REASONS, REQUEST_KINDS } from '../../../src/core/request.js';
import { deadlinesOf } from '../../../src/core/request-clock.js';
import { createCipher } from '../../../src/core/seal.js';
import { machine } from '../../../src/machine.js';
import { createOutbox, type OutgoingMail } from '../../../src/mail/outbox.js';
import { createTransport } from '../../../src/mail/transport.js';
import { LETTER_KINDS, type LetterKind, type LetterRequest } from '../../../src/rights/letters/letter.js';
import { createLetters, greetable, windowLines } from '../../../src/rights/letters/letters.js';
import { runsOf } from '../../../src/rights/letters/print-fonts.js';
import { createLetterStore, type LetterStore } from '../../../src/store/letters.js';
import { createMailboxStore } from '../../../src/store/mailbox.js';
import { createOutboxStore } from '../../../src/store/outbox.js';
import { addressText, catalog, composer, keepingLog, keyring, openDatabase, smtpPeer } from '../../mail/setting.js';
import { pdfText, squeezed } from './pdf-text.js';

const DAY = 86_400_000;
const policy = readPolicy(path.join(import.meta.dirname, '../../../config/policy.yaml'));
const time = { now: Date.UTC(2026, 10, 24, 15) };
const clock = { now: () => time.now };
let connection: Connection;
let store: LetterStore;
let letters: ReturnType<typeof createLetters>;
const posted: OutgoingMail[] = [];
let failing = false;

beforeAll(async () => {
  connection = await openDatabase(`letters_${randomBytes(4).toString('hex')}`);
  store = createLetterStore(connection);
  for (const model of store.models) await model.createIndexes();
  const post = async (mail: OutgoingMail) => {
    if (failing) throw new Error('the outbox is away');
    posted.push(mail);
  };
  letters = createLetters({ composer, store, catalog, keyring, clock, post, policy });
});
afterAll(async () => {
  await connection.dropDatabase();
  await connection.close();
});

const REASONS: Partial<Record<LetterKind, readonly string[]>> = {
  denial: DENIAL_REASONS,
  extension: EXTENSION_REASONS,
  refusal: REFUSAL_REASONS,
};
const RECEIVED = Date.UTC(2026, 9, 31, 23, 59);
const DEADLINES = deadlinesOf(policy, { jurisdiction: 'US-WI', receivedAt: RECEIVED });
let counter = 0;

function letter(kind: LetterKind, change: Partial<LetterRequest> = {}): LetterRequest {
  return {
    kind,
    request: `q_${counter++}`,
    reference: '7K2M-94QX-B1HT',
    requestKind: 'access',
    language: 'en',
    brand: 'jmf',
    to: { email: 'ana@example.com', name: 'Ana Muñoz', postal: '12 Main Street\nNeenah, WI 54956' },
    receivedAt: RECEIVED,
    due: DEADLINES.due,
    ...(kind === 'extension' ? { extendedDue: DEADLINES.extendedDue } : {}),
    ...(REASONS[kind] ? { reason: REASONS[kind][0] ?? '' } : {}),
    link: 'https://preferences.example.com/rights/t0ken?a=1&b=2',
    ...change,
  };
}

const inside = (html: string) =>
  html
    .slice(html.indexOf('role="article"'))
    .replace(/<!--[\s\S]*?-->/g, '')
    .replace(/<[^>]*>/g, ' ')
    .replaceAll('&#34;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');

describe.each(LETTER_KINDS)('a letter of %s', (kind) => {
  test.each(['en', 'es', 'fr', 'de'])(
    'in %s says the same by mail and on paper, for every kind of request',
    async (language) => {
      for (const requestKind of kind === 'fulfilment' ? REQUEST_KINDS : REQUEST_KINDS.slice(0, 2)) {
        const given = letter(kind, { language, requestKind, explanation: 'First “why”.\n\nThen more, é ñ ü.' });
        const { subject, html, text, pdf } = await letters.preview(given);
        const printed = squeezed(pdfText(pdf).join('\n'));
        const paragraphs = text.split('\n').filter((line) => line.trim() !== '');
        expect(paragraphs.length).toBeGreaterThan(7);
        for (const line of paragraphs) {
          const words = squeezed(line.replace(/^- /, '').replace(/:$/, ''));
          expect(printed).toContain(words);
          // A link's address is in the HTML as its target.
          const target = squeezed(inside(html)) + squeezed(html.replaceAll('&amp;', '&'));
          for (const piece of words.split(/:(?=https)/)) expect(target).toContain(piece);
        }
        for (const part of [html, text, printed]) expect(part).not.toMatch(/\{%|%\}|\{\{|undefined|\[object|U\+/);
        expect(subject).toContain('7K2M-94QX-B1HT');
        expect(subject.length).toBeLessThan(90);
        expect(printed).toContain(squeezed('Ana Muñoz 12 Main Street Neenah, WI 54956'));
        expect(printed).toContain(
          squeezed({ en: 'Page 1 of', es: 'Página 1 de', fr: 'Page 1 sur', de: 'Seite 1 von' }[language] ?? ''),
        );
      }
    },
  );

  test('is a tagged PDF with language and title: PDF/UA, its fonts embedded, and nothing fetched', async () => {
    const { subject, pdf } = await letters.preview(letter(kind, { language: 'es' }));
    const raw = pdf.toString('latin1');
    expect(raw).toContain('/Lang (es)');
    expect(raw).toMatch(/\/MarkInfo <<\s*\/Type \/MarkInfo\s*\/Marked true|\/Marked true/);
    expect(raw).toContain('/S /H1');
    expect(raw).toContain('/DisplayDocTitle true');
    expect(raw).toMatch(/\/Title \d+ 0 R/);
    expect(raw).toContain('/FontFile2');
    expect(raw).toMatch(/pdfuaid:part>\s*1|pdfuaid/);
    expect(raw).not.toMatch(/Helvetica|\/EmbeddedFile|\/JavaScript|\/URI \(http:\/\/[^)]*font/);
    expect(subject).toBe((await letters.preview(letter(kind, { language: 'es' }))).subject);
  });
});

test('the words of a letter are the ones of its language: dates, reasons and what was asked', async () => {
  const english = await letters.preview(letter('extension', { reason: 'third_party_systems' }));
  expect(english.text).toContain('On October 31, 2026 we received your request to see the data');
  expect(english.text).toContain('We had until December 15, 2026 to answer. We now need until January 29, 2027.');
  expect(english.text).toContain('companies that work for us must answer us first');
  // Where months are counted, in another zone.
  const german = deadlinesOf(policy, { jurisdiction: 'DE', receivedAt: RECEIVED });
  expect((await letters.preview(letter('acknowledgement', { due: german.due }))).text).toContain(
    'On November 1, 2026 we received your request to see the data we hold about you.',
  );
  expect((await letters.preview(letter('acknowledgement', { due: german.due }))).text).toContain(
    'We will answer by December 1, 2026.',
  );
  const spanish = await letters.preview(letter('extension', { language: 'es', reason: 'third_party_systems' }));
  expect(spanish.text).toContain('El 31 de octubre de 2026 recibimos su solicitud de ver los datos');
  expect(spanish.text).toContain('Teníamos hasta el 15 de diciembre de 2026');
  expect(spanish.text).toContain('hasta el 29 de enero de 2027');
});

test.each(Object.entries(REASONS))(
  'a letter of %s has words for each reason in every language, and no two alike',
  async (kind, reasons) => {
    for (const language of catalog.languages) {
      const texts = new Set<string>();
      for (const reason of reasons ?? []) {
        const { text } = await letters.preview(letter(kind as LetterKind, { language, reason }));
        expect(text).toMatch(/The reason:|El motivo:|La raison\s:|Der Grund:/);
        texts.add(text);
      }
      expect(texts.size).toBe(reasons?.length);
    }
  },
);

test.each(LETTER_KINDS.filter((kind) => kind !== 'verification' && kind !== 'agent_confirmation'))(
  'a letter of %s to whoever acts for a person speaks of the data held about that person',
  async (kind) => {
    for (const language of catalog.languages) {
      for (const requestKind of REASONS[kind] ? REQUEST_KINDS.slice(0, 1) : REQUEST_KINDS) {
        for (const reason of REASONS[kind] ?? [undefined]) {
          const given = letter(kind, { language, requestKind, toAgent: true, agent: 'Lee Attorney', next: 'document' });
          const { subject, text } = await letters.preview(reason === undefined ? given : { ...given, reason });
          const said = `${subject}\n${text}`.replace(composer.word('common', 'privacy', language), '');
          expect(said).not.toMatch(
            /about you\b|your data|that it is you|sobre usted\b|sus datos|sur vous\b|vos données|que c’est vous|über Sie\b|Ihre Daten|Sie es sind/,
          );
        }
      }
    }
  },
);

test('sent again on the same day, a letter that asks to confirm is another one', async () => {
  const given = letter('verification');
  const first = await letters.send(given, 'system');
  expect((await letters.send({ ...given, attempt: 2 }, 'system')).id).not.toBe(first.id);
});

test('a denial says how to have it looked at again and where to complain; a refusal how to try again', async () => {
  const denial = await letters.preview(letter('denial'));
  expect(denial.text).toContain(catalog.group.privacyAddress);
  expect(denial.text).toMatch(/Someone who did not make the decision will look at it again/);
  expect(denial.text).toMatch(/attorney general/);
  const refusal = await letters.preview(letter('refusal'));
  expect(refusal.text).toMatch(/we cannot respond to it/);
  expect(refusal.text).toMatch(/try again at any time/);
});

test('what no letter can be made of is refused with the field at fault', async () => {
  const fault = (change: Partial<LetterRequest>, kind: LetterKind = 'denial') =>
    letters.preview(letter(kind, change)).then(
      () => 'written',
      (error) => error.detail?.field,
    );
  expect(await fault({ reason: 'because' })).toBe('reason');
  expect(await fault({ reason: 'complexity' })).toBe('reason');
  expect(await fault({ brand: 'nobody' })).toBe('brand');
  expect(await fault({ link: 'javascript:alert(1)' }, 'verification')).toBe('link');
  expect(await fault({ to: { postal: Array(40).fill('a long line of an address').join('\n') } })).toBe('to.postal');
  await expect(letters.send(letter('denial', { to: { name: 'Ana' } }), 'officer')).rejects.toMatchObject({
    detail: { field: 'to' },
  });
});

describe('hostile values', () => {
  test('markup is shown as text, in both', async () => {
    const nasty = '<script>alert(1)</script> & "quotes" {{phone}} $t(common.why) {%= 1 %}';
    const { html, text, pdf } = await letters.preview(
      letter('denial', { explanation: nasty, to: { name: '<b>Ana</b>', postal: '<i>1 Main Street</i>\nNeenah' } }),
    );
    expect(html).not.toMatch(/<script|<b>Ana/);
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(text).toContain(nasty);
    expect(squeezed(pdfText(pdf).join(''))).toContain(squeezed(nasty));
  });

  test('a name that mail programs would make a link of, or that is no name, is not greeted', () => {
    for (const name of [
      'http://evil.example/win',
      'evil.example',
      'ana@example.com',
      'Ana\r\nBcc: all@example.com',
      '<b>',
      'a'.repeat(81),
      '',
      '123',
    ])
      expect(greetable(name)).toBe(name.startsWith('Ana\r') ? undefined : undefined);
    for (const name of ["Ana María O'Brien-Núñez", 'Dr. José P. Łukasz', '王小明', 'Ana Doe Jr.', 'עדה לב'])
      expect(greetable(name)).toBe(name);
  });

  test('no value adds a header or a second address', async () => {
    const to = { email: 'ana@example.com', name: 'Ana\r\nBcc: all@example.com' };
    const reference = '7K2M\r\nBcc: all@example.com';
    const { subject } = await letters.preview(letter('acknowledgement', { to, reference }));
    expect(subject).not.toMatch(/[\r\n]/);
    const before = posted.length;
    for (const email of [
      'ana@example.com, all@example.com',
      'ana@example.com;all@example.com',
      'ana@example.com\r\nBcc: all@example.com',
      'Ana <ana@example.com>',
      'group: ana@example.com',
      'ana',
      '',
    ]) {
      const given = letter('acknowledgement', { to: { email } });
      await expect(letters.send(given, 'x')).rejects.toMatchObject({ kind: 'invalid', detail: { field: 'to' } });
      // Nor is it kept, or it would be handed over again for ever.
      expect(await letters.ofRequest(given.request)).toEqual([]);
    }
    expect(posted.length).toBe(before);
  });

  test.each([
    'jane..doe@docomo.ne.jp',
    'jane.@ezweb.ne.jp',
    '.j@example.com',
    `${'x'.repeat(130)}@example.com`,
    'jane@host',
  ])('an odd address that was taken once gets its letter: %s', async (email) => {
    await letters.send(letter('acknowledgement', { to: { email } }), 'x');
    expect(posted.at(-1)?.to).toBe(email);
  });

  test('marks that turn the reading direction are taken out, and a right-to-left name stays whole', async () => {
    const { text, pdf } = await letters.preview(
      letter('acknowledgement', {
        to: { email: 'a@example.com', name: 'עדה \u202eLeva' },
        explanation: 'a\u202eb\u2066c',
      }),
    );
    expect(text).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
    expect(text).toContain('Dear עדה Leva,');
    expect(text).toContain('abc');
    const printed = pdfText(pdf).join('\n');
    expect(squeezed(printed)).toContain(`Dear${[...'עדה'].reverse().join('')}Leva`);
  });

  test('a very long name or word breaks into lines inside the page', async () => {
    const name = 'Maximiliana-Wilhelmine von und zu '.repeat(4).trim();
    const { pdf } = await letters.preview(
      letter('acknowledgement', { to: { name, postal: '1 Main Street' }, explanation: 'x'.repeat(4000) }),
    );
    const pages = pdfText(pdf);
    expect(pages.length).toBeGreaterThan(1);
    expect(squeezed(pages.join(''))).toContain(squeezed(name));
    expect(
      Math.max(
        ...pages
          .join('\n')
          .split('\n')
          .map(({ length }) => length),
      ),
    ).toBeLessThan(130);
    expect(squeezed(pages.join('')).match(/x/g)?.length).toBeGreaterThanOrEqual(4000);
  });
});

describe('names in any script', () => {
  test.each([
    'José Núñez “€”',
    'Wałęsa Dvořák İstanbul',
    'Žižka Ωμέγα Иванов',
    '王秀英',
    'さくら 김민준',
    'राम',
    'สมชาย',
    'Ani Հայաստան გიორგი',
  ])('%s is printed as it is', async (name) => {
    expect(runsOf(name).lacks).toBe(false);
    const to = { name, postal: `${name}\n1 Main Street` };
    const { pdf } = await letters.preview(letter('acknowledgement', { to, explanation: `For ${name} alone` }));
    const printed = squeezed(pdfText(pdf).join(''));
    expect(printed).toContain(squeezed(`For ${name} alone`));
    expect(printed).not.toContain('U+');
  });

  test('what is read from the right stands from the right, word by word', async () => {
    const { pdf } = await letters.preview(letter('acknowledgement', { explanation: 'For עדה לוי and سارة alone' }));
    const printed = squeezed(pdfText(pdf).join(''));
    // As it is drawn, from left to right: the last word first, and each from its last letter.
    expect(printed).toContain(squeezed(`For${[...'עדה לוי'].reverse().join('')}and`));
    expect(printed).not.toContain('U+');
  });

  test('a character that no font has becomes its number, and a line says so', async () => {
    const { pdf } = await letters.preview(letter('acknowledgement', { explanation: 'My mark: \u{10fffd}' }));
    const printed = squeezed(pdfText(pdf).join(''));
    expect(printed).toContain('Mymark:[U+10FFFD]');
    expect(printed).toContain(squeezed('lacks some characters'));
  });

  test('no text turns into a character that was not meant', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (given) => {
        const { runs, lacks } = runsOf(given);
        const text = runs.map((run) => run.text).join('');
        if (!lacks) expect(text).toBe(given.normalize('NFC').replace(/\u00ad|\u200b|\u2060|\ufe0e|\ufe0f|\ufeff/g, ''));
      }),
      { numRuns: 20 },
    );
  });
});

describe('sending', () => {
  test('by mail: exactly what was previewed, through the outbox, kept and sealed', async () => {
    const given = letter('denial', { explanation: 'Only Ana knows this sentence.' });
    const seen = await letters.preview(given);
    const { id, way } = await letters.send(given, 'officer');
    expect(way).toBe('mail');
    expect(posted.at(-1)).toMatchObject({
      id: `letter:${id}`,
      to: 'ana@example.com',
      written: { subject: seen.subject, html: seen.html, text: seen.text },
    });
    const kept = await letters.asSent(id);
    expect(kept).toEqual(seen);
    expect(await letters.ofRequest(given.request)).toEqual([{ id, kind: 'denial', at: time.now, way, by: 'officer' }]);
    const rows = JSON.stringify([
      await connection.collection('letters').find().toArray(),
      await connection.collection('letter_contents').find().toArray(),
    ]);
    for (const secret of [
      'ana@example.com',
      'Muñoz',
      'Only Ana knows',
      Buffer.from('Only Ana knows').toString('base64'),
    ])
      expect(rows).not.toContain(secret);
  });

  test('with a link that works for the person alone: what is kept and previewed has none', async () => {
    const token = 'ZZbWx1c3RyYXRpb24tdG9rZW4_0123456789';
    const given = letter('verification', { link: `https://preferences.example.com/rights/${token}?lang=en` });
    const { id } = await letters.send(given, 'system');
    expect(posted.at(-1)?.written?.text).toContain(token);
    for (const shown of [await letters.asSent(id), await letters.preview(given)]) {
      expect(shown?.text).toContain('https://preferences.example.com/rights/…');
      expect(`${shown?.subject} ${shown?.html} ${shown?.text}`).not.toContain(token);
      expect(squeezed(pdfText(shown?.pdf ?? Buffer.alloc(0)).join(''))).not.toContain(token.slice(0, 16));
    }
    // Once the outbox has the mail, its link is kept nowhere, not even sealed.
    const row = await connection.collection('letter_contents').findOne({ _id: id as never });
    expect(Object.keys(row ?? {}).sort()).toEqual(['_id', 'contact', 'request', 'sealed', 'until']);
  });

  test('and one that was kept with its link before is shown without', async () => {
    const token = 'ZZbWx1c3RyYXRpb24tdG9rZW4_0123456789';
    const id = 'keptbefore';
    const text = `Press https://preferences.example.com/rights/${token}`;
    const content = { subject: 'S', html: `<a href="https://x.example/rights/${token}">`, text, to: 'a@example.com' };
    const sealed = createCipher(keyring, 'letters').seal(
      Buffer.from(JSON.stringify({ ...content, pdf: Buffer.from('%PDF').toString('base64') })),
      Buffer.from(id),
    );
    const row = { id, request: 'q_old', kind: 'verification', at: time.now, way: 'mail', by: 'system' } as const;
    await store.keep({ ...row, language: 'en', brand: 'jmf', sealed }, undefined, new Date(time.now + DAY));
    const shown = await letters.asSent(id);
    expect(JSON.stringify(shown)).not.toContain(token);
    expect(shown?.pdf).toBeUndefined();
    // It never reached the outbox: as it was, with its link, it goes out.
    time.now += 61_000;
    await letters.finish();
    expect(posted.at(-1)).toMatchObject({ id: `letter:${id}`, to: 'a@example.com', written: { text } });
  });

  test('asked twice on one day it is one letter; on another day it is another', async () => {
    const given = letter('verification');
    const first = await letters.send(given, 'system');
    expect(await letters.send(given, 'system')).toEqual(first);
    expect(await letters.ofRequest(given.request)).toHaveLength(1);
    time.now += DAY;
    expect((await letters.send(given, 'system')).id).not.toBe(first.id);
    expect(await letters.ofRequest(given.request)).toHaveLength(2);
  });

  test('to a postal address only: in the list of what is to be printed, until somebody has printed it', async () => {
    const given = letter('acknowledgement', { to: { name: 'Ana Muñoz', postal: '12 Main Street\nNeenah, WI 54956' } });
    const before = posted.length;
    const { id, way } = await letters.send(given, 'agent');
    expect(way).toBe('print');
    expect(posted.length).toBe(before);
    expect((await store.toPrint(false, 0, 10)).rows.map((row) => row.id)).toContain(id);
    expect(await store.printed(id, new Date(time.now), 'agent')).toBe(true);
    expect(await store.printed(id, new Date(time.now), 'other')).toBe(false);
    expect((await store.toPrint(false, 0, 10)).rows.map((row) => row.id)).not.toContain(id);
    expect((await store.toPrint(true, 0, 10)).rows.find((row) => row.id === id)?.printed?.by).toBe('agent');
  });

  test('what a dying process kept but did not hand over is handed over later', async () => {
    const given = letter('acknowledgement');
    failing = true;
    await expect(letters.send(given, 'system')).rejects.toThrow('away');
    failing = false;
    const [row] = await letters.ofRequest(given.request);
    const before = posted.length;
    await letters.finish();
    expect(posted.length).toBe(before);
    time.now += 61_000;
    await letters.finish();
    expect(posted.slice(before).map(({ id }) => id)).toEqual([`letter:${row?.id}`]);
    await letters.finish();
    expect(posted.length).toBe(before + 1);
  });

  test('after the letter that says all is deleted, the words of earlier ones are gone, who and when stays', async () => {
    const request = 'q_deletion';
    const first = await letters.send(letter('acknowledgement', { request, requestKind: 'deletion' }), 'system');
    time.now += 1000;
    const last = await letters.send(letter('fulfilment', { request, requestKind: 'deletion' }), 'officer');
    expect(await letters.asSent(first.id)).toBeUndefined();
    expect((await letters.asSent(last.id))?.text).toContain('We have deleted');
    expect((await letters.ofRequest(request)).map(({ kind }) => kind)).toEqual(['acknowledgement', 'fulfilment']);
    const kept = await connection.collection('letter_contents').findOne({ request });
    expect(kept?.until.getTime() - time.now).toBe(31 * DAY);
    expect(kept?.contact).toBeUndefined();
  });
});

test('through a real mail server comes what was kept', async () => {
  const peer = await smtpPeer();
  const { log } = keepingLog();
  const transport = createTransport({
    smtpUrl: peer.url,
    mailbox: createMailboxStore(connection),
    now: clock.now,
    machine,
  });
  const outbox = createOutbox({
    store: createOutboxStore(connection),
    composer,
    transport,
    keyring,
    clock,
    machine,
    log,
  });
  const sending = createLetters({ composer, store, catalog, keyring, clock, post: outbox.enqueue, policy });
  const { id } = await sending.send(letter('fulfilment', { language: 'es', requestKind: 'access' }), 'officer');
  await outbox.settle();
  const [got] = peer.received;
  const kept = await sending.asSent(id);
  expect(got?.mail.subject).toBe(kept?.subject);
  expect(got?.mail.text?.trim()).toBe(kept?.text.trim());
  expect(addressText(got?.mail.to)).toBe('ana@example.com');
  expect(got?.mail.headers.get('content-language')).toBe('es');
  await outbox.stop();
  await transport.close();
  await peer.stop();
});

test('the window of the envelope begins with the name, once', () => {
  const postal = '1 Main St\r\n\r\nNeenah, WI 54956';
  expect(windowLines({ to: { name: 'Ana Ruiz', postal } })).toEqual(['Ana Ruiz', '1 Main St', 'Neenah, WI 54956']);
  expect(windowLines({ to: { name: 'Ana Ruiz', postal: `Ana Ruiz\n${postal}` } })).toHaveLength(3);
  expect(windowLines({ to: { name: 'Ana Ruiz' } })).toEqual([]);
});
