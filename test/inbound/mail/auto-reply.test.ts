import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { written } from '../letters.js';
import { DOMAIN, emailOf, type Inbound, openInbound, rules } from '../setting.js';

let inbound: Inbound;
beforeAll(async () => {
  inbound = await openInbound();
});
afterAll(() => inbound.close());

let people = 0;
const somebody = () => `person${++people}@customer.example`;
type Mail = Pick<Parameters<typeof written>[0], 'subject' | 'body' | 'headers'>;
/** What a dry run makes of a mail to `unsubscribe@`, without a token. */
const outcomeOf = async (mail: Mail): Promise<string[]> => {
  const raw = written({ from: somebody(), to: `unsubscribe@${DOMAIN}`, subject: 'Re: Spring offers', ...mail });
  const { recognised } = await inbound.mailIn.receive(raw, { via: 'smtp', dryRun: true });
  return recognised.map(({ kind, outcome }) => `${kind} ${outcome}`);
};
const NOTHING = ['auto_reply ignored'];
const OPT_OUT = ['opt_out would_record'];

describe('an absence notice to unsubscribe@ means nothing', () => {
  const marked: readonly Record<string, string>[] = [
    { 'X-Autorespond': 'yes' },
    { 'X-Autoreply-From': 'jane@customer.example' },
    { 'X-Autoreply': 'yes' },
    { 'X-Autoresponder': 'Plesk' },
    { 'X-Mail-Autoreply': '1' },
    { Precedence: 'auto_reply' },
    { Precedence: 'Bulk' },
    { Precedence: 'junk' },
    { 'X-Precedence': 'auto-reply' },
    { 'X-Auto-Response-Suppress': 'All' },
    { 'X-Auto-Response-Suppress': 'OOF, AutoReply' },
    { 'X-FC-MachineGenerated': 'true' },
    { 'Delivered-To': 'Autoresponder' },
    { 'Auto-Submitted': 'auto-replied' },
    { 'Auto-Submitted': 'auto-generated (rejected)' },
    { 'Auto-Submitted': 'auto-notified; owner-email="x@y.example"' },
    { 'Auto-Submitted': 'Something-New' },
  ];
  test.each(marked)('marked by %j', async (headers) => {
    expect(await outcomeOf({ headers, body: 'I am back on Monday.' })).toEqual(NOTHING);
  });

  test.each([
    'Abwesend: Urlaub',
    'Abwesenheitsnotiz: Ihre Nachricht',
    'Automatische Antwort: Frühlingsangebote',
    'Urlaub 24.12.-6.1.',
    'Abwesend bis 6. Januar',
    'Absence du bureau',
    'Réponse automatique : Offres',
    'Message d’absence',
    'Absent jusqu’au 3 mars',
    'Risposta automatica: Offerte',
    'Fuori ufficio',
    'Automatisch antwoord: Aanbieding',
    'Afwezig: vakantie',
    'Niet aanwezig',
    '自動応答: お知らせ',
    '【自動返信】お問い合わせ',
    '不在のお知らせ',
    'Respuesta automática: Ofertas',
    'Fuera de la oficina',
    'Ausente hasta el lunes',
    'Resposta automática: Ofertas',
    'Férias',
    'Odpowiedź automatyczna: Oferta',
    'Nieobecny: urlop',
    'Autosvar: Erbjudande',
    'Automatiskt svar: Erbjudande',
    'Automatisk svar: Tilbud',
    'Ikke til stede: Tilbud',
    'Fraværende',
    'Automaattinen vastaus: Tarjous',
    'Poissa: loma',
    '自动回复：优惠',
    '自動回覆: 優惠',
    '자동 회신: 안내',
    '부재중 메시지',
    'Автоответ: Предложение',
    'Out-of-Office: Spring offers',
    'OOO: Spring offers',
    'Re: Spring offers [Auto-Reply]',
    'Auto: Spring offers',
    'I am out of the office',
    'On vacation until Monday',
    '=?utf-8?B?UsOpcG9uc2UgYXV0b21hdGlxdWU=?=',
    '=?iso-8859-1?Q?Abwesend=3A_Urlaub?=',
  ])('headed %s', async (subject) => {
    expect(await outcomeOf({ subject, body: 'Zurück am Montag. Back on Monday, and happy to read you then.' })).toEqual(
      NOTHING,
    );
  });

  test('though it quotes what we wrote', async () => {
    const subjects = ['en', 'es'].flatMap((language) => {
      const file: Record<string, Record<string, string>> = parse(readFileSync(`locales/mail.${language}.yaml`, 'utf8'));
      return Object.values(file).flatMap(({ subject }) => (subject === undefined ? [] : [subject]));
    });
    expect(subjects.length).toBeGreaterThan(10);
    const body = 'I am away.\n\nOn Monday, JM Facets wrote:\n> Reply STOP to stop, or unsubscribe here\n> Please stop';
    for (const subject of subjects) {
      for (const prefix of ['Automatic reply:', 'Abwesend:', 'Respuesta automática:']) {
        expect([subject, ...(await outcomeOf({ subject: `${prefix} ${subject}`, body }))]).toEqual([
          subject,
          ...NOTHING,
        ]);
      }
      expect([subject, ...(await outcomeOf({ headers: { Precedence: 'bulk' }, subject: 'Away', body }))]).toEqual([
        subject,
        ...NOTHING,
      ]);
    }
  });

  test('though it says unsubscribe, where only a program sends its headers', async () => {
    const headers = { 'Auto-Submitted': 'auto-replied' };
    expect(await outcomeOf({ headers, subject: 'Automatic reply: unsubscribe', body: 'unsubscribe' })).toEqual(NOTHING);
  });
});

describe('a person is heard', () => {
  test.each<Mail>([
    { subject: 'Re: Abwesenheit – bitte abmelden', body: '' },
    { subject: 'Abwesenheit – bitte abmelden', body: '' },
    { subject: 'Re: Urlaub: 20 % auf alles', body: 'nein danke' },
    { subject: 'Re: Vacation', body: 'no more' },
    { subject: 'Vacation rentals from 99', body: 'no thanks' },
    { subject: 'AW: Ferie 2026', body: '' },
    { subject: 'Auto insurance', body: 'take me off' },
    { subject: 'Semesterangebote', body: '' },
    { subject: 'Re: Automatic reply: Spring offers', body: 'Please remove me from your list.' },
    { subject: 'unsubscribe', headers: { Precedence: 'bulk' } },
    { subject: 'Hello', body: 'Please take me off your list.', headers: { 'X-Auto-Response-Suppress': 'All' } },
    { subject: 'Hello', headers: { 'Auto-Submitted': 'no' } },
    { subject: 'Hello', headers: { 'Auto-Submitted': 'No; person="yes"' } },
    { subject: 'Hello', headers: { 'X-Auto-Response-Suppress': 'None' } },
    { subject: 'Hello', headers: { 'X-Autoreply': 'no' } },
    { subject: 'Hello', headers: { Precedence: 'first-class' } },
    { subject: 'Hello', headers: { Precedence: 'list' } },
  ])('%j', async (mail) => {
    expect(await outcomeOf({ body: '', ...mail })).toEqual(OPT_OUT);
  });

  test('with a genuine token in the address, whatever wrote the mail', async () => {
    const jane = somebody();
    const { mailto } = inbound.sent(jane);
    const headers = { 'Auto-Submitted': 'auto-replied', 'X-Autorespond': 'yes' };
    const raw = written({ from: jane, to: mailto, subject: 'Abwesend: Urlaub', headers });
    const { recognised } = await inbound.mailIn.receive(raw, { via: 'smtp' });
    expect(recognised).toContainEqual(expect.objectContaining({ kind: 'opt_out', outcome: 'recorded' }));
    expect((await inbound.decide(emailOf(jane))).reason).toBe('opted_out');
  });
});

describe('the notice about an opt-out that nobody proved', () => {
  test.each([
    ['es', { subject: 'Darme de baja' }],
    ['es', { subject: 'Hola', body: 'No quiero recibir más mensajes, gracias.' }],
    ['es', { subject: 'unsubscribe', headers: { 'Content-Language': 'es-MX' } }],
    ['de', { subject: 'unsubscribe', headers: { 'Accept-Language': 'de-DE, es-ES, en-US' } }],
    ['es', { subject: 'unsubscribe', headers: { 'Accept-Language': 'it-IT, es-ES, en-US' } }],
    ['es', { subject: 'Baja', body: 'Por favor', headers: { 'Content-Language': 'en-US' } }],
    ['en', { subject: 'unsubscribe' }],
    ['en', { subject: 'Please take me off your list', headers: { 'Content-Language': 'es' } }],
    ['de', { subject: 'Bitte abmelden', body: 'Ich will keine Werbung mehr' }],
    ['fr', { subject: 'Me désabonner', body: 'Je ne veux plus de messages' }],
  ] as const)('is in %s for %j', async (language, mail) => {
    const jane = somebody();
    await inbound.mailIn.receive(written({ from: jane, to: `unsubscribe@${DOMAIN}`, body: '', ...mail }), {
      via: 'smtp',
    });
    const letter = inbound.letters.find(({ to }) => to === jane);
    expect(letter).toMatchObject({ template: 'stopped-notice', language });
    expect(letter?.values(language).undoLink).toContain(`?lang=${language}`);
  });
});

test('absence subjects are compared in time linear to their length', () => {
  expect(rules.autoReply.isSubject(`${'['.repeat(200_000)}vacation`)).toBe(false);
});
