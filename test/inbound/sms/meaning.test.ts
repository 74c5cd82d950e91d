import fc from 'fast-check';
import { meaningOf } from '../../../src/inbound/sms/meaning.js';
import { tokensOf } from '../../../src/inbound/sms/tokens.js';
import { processorMs } from '../../support/processor.js';
import { catalog, words } from '../setting.js';

const act = (text: string) => meaningOf(text, words).act;

// 47 CFR 64.1200(a)(10) names these.
test.each(['STOP', 'QUIT', 'END', 'REVOKE', 'OPT OUT', 'CANCEL', 'UNSUBSCRIBE'])('%s stops', (word) => {
  for (const text of [
    word,
    word.toLowerCase(),
    `${word}.`,
    ` ${word}\n`,
    `"${word}"`,
    `${word} please`,
    `Please ${word}!!!`,
  ])
    expect([text, act(text)]).toEqual([text, 'stop']);
});

test.each([
  'Stop please',
  'STOP ALL',
  'stopall',
  'unsubscribe me',
  'Stop texting me',
  'STOOOOP',
  'S.T.O.P.',
  's t o p',
  'stop!!! 🛑🤬',
  'Please stop sending me these texts you vultures',
  'Opt-out',
  'OPTOUT',
  'No, stop.',
  'no stop',
  'ok stop thanks',
  'I want to unsubscribe from your list',
  'take me off your list',
  'Remove my number',
  "don't text me",
  'Do not text me again',
  'Don’t contact me',
  'no more texts',
  'STOP 12345',
  'Unsuscribe',
  'unsubcribe',
  'Stop this',
  'stop the texts',
  'leave me alone',
  'STOP you are annoying',
  'sTOP',
  'ＳＴＯＰ',
  'st\u200Bop',
  'STOP\u00A0ALL',
  'i revoke my consent',
  'cancel these messages',
  'end all texts',
  'Wrong number',
  "won't you stop",
  'STOP. Stop. stop!',
])('“%s” stops', (text) => expect(act(text)).toBe('stop'));

test.each([
  'alto',
  'ALTO',
  '¡Alto!',
  'cancelar',
  'Parar',
  'pare por favor',
  'basta',
  '¡Basta ya!',
  'no más',
  'NO MAS',
  'no más mensajes',
  'Baja',
  'darme de baja',
  'quiero darme de baja de la lista',
  'deje de enviar mensajes a este número',
  'dejen de mandarme cosas, basta',
  'no me escriban',
  'no quiero recibir publicidad',
  'cancelar suscripción',
  'desuscribirme',
  'Por favor paren',
  'stop por favor',
  'detengan ya',
  'salir',
  'y a a, salir',
  'no me manden nada',
])('«%s» stops, in Spanish', (text) => expect(act(text)).toBe('stop'));

test.each([
  "don't stop",
  'Don’t stop!',
  'dont stop',
  'please do not stop',
  "Don't STOP texting me",
  'non-stop',
  'it rained non stop',
  'never stop',
  'One-stop shop',
  'see you at the bus stop',
  'next stop Chicago',
  'I will stop by tomorrow',
  'Stop by at 5?',
  'stop in tomorrow',
  'Please stop payment on my check',
  'stop the payment please',
  'Cancel my appointment',
  'Can I cancel my policy?',
  'the weekend',
  'weekend sale?',
  'at the end of the month',
  'I quit smoking',
  'no parar',
  'no cancelar',
  'no paren',
  'nunca pare',
  'fin de semana',
  'the ring is at the end table',
  'baja California',
])('“%s” does not stop', (text) => expect(act(text)).not.toBe('stop'));

test.each([
  ['help', 'help'],
  ['HELP!', 'help'],
  ['Info', 'help'],
  ['I need help please', 'help'],
  ['ayuda', 'help'],
  ['Ayuda por favor', 'help'],
  ['¿información?', 'help'],
  ['START', 'start'],
  ['start please', 'start'],
  ['unstop', 'start'],
  ['Opt in', 'start'],
  ['comenzar', 'start'],
  ['Alta', 'start'],
])('“%s” is %s', (text, wanted) => expect(act(text)).toBe(wanted));

test.each([
  "don't start",
  'no start',
  'never start',
  'do not resume',
  'no comenzar',
  'start the claim',
  'yes',
  'when does it start?',
  'stop start',
  'nunca empezar',
])('“%s” lifts nothing', (text) => expect(act(text)).not.toBe('start'));

test.each(["don't stop", 'Cancel my appointment', 'help me stop'])('“%s” is unclear, and left to a person', (text) =>
  expect(act(text)).toBe('unclear'),
);
const OURS = 'JM Facets: 20% off rings. Reply STOP to opt out';
test.each([
  'ARRET',
  'ARRÊT',
  'arrêtez svp',
  'STOP MERCI',
  'Abmelden',
  'bitte abmelden!',
  'STOP2END',
  'stop2quit',
  'lose my number',
  'Lose my number you creeps',
  'take me off',
  'take me off of this',
  'I do not consent',
  'I don’t consent to these messages',
  'never text me again',
  'not interested',
  '🛑',
  '🛑🛑🛑',
  '停止',
  '请停止',
  '退订',
  '配信停止',
  'やめてください',
  '수신거부',
  'стоп',
  'отпишите меня от рассылки',
  'Pare de me mandar mensagens',
  'cancellatemi dalla lista',
  'wypisz mnie',
  'uitschrijven',
  'désabonnez-moi',
  '‏STOP‏',
  '“STOP”',
  '«STOP»',
  '„stopp“',
  `STOP “${OURS}”`,
  `> "${OURS}"\nplease unsubscribe me`,
])('“%s” stops, in any language', (text) => expect(act(text)).toBe('stop'));

test.each([
  'Liked “…”',
  'Liked "…"',
  'Liked ‘…’',
  "Liked '…'",
  'Loved “…”',
  'Disliked “…”',
  'Laughed at “…”',
  'Emphasized “…”',
  'Questioned “…”',
  'Removed a like from “…”',
  'Reacted 👍 to “…”',
  'Reacted with ❤️ to “…”',
  'Ana reacted with 😂 to “…”',
  '👍 to “…”',
  '\u200a\u200b👍\u200b to “\u200a…\u200a”',
  '\u200f‏Liked “…”‏',
  'Le gustó “…”',
  'Le encantó “…”',
  'No le gustó “…”',
  'Reaccionó con 👍 a “…”',
  'A aimé « … »',
  'N’a pas aimé « … »',
  'A réagi avec 👍 à « … »',
  'Hat mit 👍 auf „…“ reagiert',
  'Ha messo “Mi piace” a “…”',
  'Ha reagito con 👍 a “…”',
  'Gostou de “…”',
  'Curtiu “…”',
  'Reageerde met 👍 op “…”',
  '「…」にリアクションしました',
  'Liked “…',
])('a phone’s “%s” around our message means nothing', (form) => {
  for (const ours of [
    OURS,
    'Responda STOP para salir',
    'Reply "STOP" to end, HELP for help',
    'Répondez STOP pour vous désabonner',
  ])
    expect([form, act(form.replace('…', ours))]).toEqual([form, 'none']);
});

test.each([
  `Why do you write “${OURS}”?`,
  `my friend said "please stop texting me"`,
  `Czy to “${OURS}” ?`,
  '🛑 texting me',
  '🚫',
  '⛔️',
  '🙅‍♀️',
])('“%s” reaches a person and stops nobody by itself', (text) => expect(act(text)).toBe('unclear'));

test.each(['', '   ', '👍', 'Thanks, see you on Friday', 'C', 'yes', '1', '...'])('“%s” means nothing', (text) =>
  expect(act(text)).toBe('none'),
);

test('the language is that of the words around the keyword', () => {
  const language = (text: string) => {
    const meaning = meaningOf(text, words);
    return 'language' in meaning ? meaning.language : undefined;
  };
  expect(language('STOP')).toBe('en');
  expect(language('stop por favor')).toBe('es');
  expect(language('alto')).toBe('es');
  expect(language('alto please')).toBe('en');
});

const casing = (text: string) =>
  fc
    .array(fc.boolean(), { minLength: text.length, maxLength: text.length })
    .map((upper) => [...text].map((letter, index) => (upper[index] ? letter.toUpperCase() : letter)).join(''));
const noise = fc.string({
  unit: fc.constantFrom(' ', '!', '.', '…', '"', '🛑', '\n', '\u200B', '😡', '~', '*'),
  maxLength: 6,
});

test.each([...words.languages])(
  'every stop word of $code stops in any case, with fillers and noise around it',
  (language) => {
    const filler = fc.constantFrom(...language.filler);
    fc.assert(
      fc.property(
        fc.constantFrom(...language.stop).chain((phrase) => casing(phrase.join(' '))),
        fc.array(filler, { maxLength: 4 }),
        fc.array(filler, { maxLength: 4 }),
        noise,
        noise,
        (stop, before, after, start, end) => {
          const text = `${start}${[...before, '', ''].join(' ')}${start}, ${stop}${end} ${after.join(' ')}${end}`;
          expect([text, act(text)]).toEqual([text, 'stop']);
        },
      ),
      { numRuns: 500 },
    );
  },
);

test('a negation directly before a stop word takes it back, whatever the case', () => {
  fc.assert(
    fc.property(
      fc.constantFrom("don't", 'Do not', 'never', 'NON', 'cannot', "won't").chain(casing),
      fc.constantFrom('stop', 'unsubscribe', 'quit', 'cancel').chain(casing),
      fc.constantFrom(' ', '-', '  '),
      (negation, stop, between) => expect(act(`${negation}${between}${stop}`)).toBe('unclear'),
    ),
  );
});

test('any text is read in bounded time, without an error', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 5000 }),
    fc
      .array(fc.constantFrom('stop', 'a', 's.', '.', 'do not', ' ', "'", '\u0301', 'ﷺ', 'é', '🏳️‍🌈', '\uD800'), {
        maxLength: 3000,
      })
      .map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(hostile, (text) => {
      expect(processorMs(() => meaningOf(text, words))).toBeLessThan(2500);
    }),
    { numRuns: 300 },
  );
});

test('texts become words to compare', () => {
  expect(tokensOf('STOOOP!! Don’t s.t.o.p')).toEqual(['stop', '|', 'dont', 'stop']);
  expect(tokensOf('…¿No, más?')).toEqual(['no', '|', 'mas']);
});

const GSM = /^[@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&'()*+,\-./0-9:;<=>?¡A-ZÄÖÑÜ§¿a-zäöñüà]*$/;
test('every answer fits one text of the GSM alphabet, for every brand', () => {
  for (const brand of catalog.brands) {
    for (const reply of Object.values(words.replies)) {
      for (const text of Object.values(reply)) {
        const filled = text
          .replace('{brand}', brand.name)
          .replace('{group}', catalog.group.name)
          .replace('{phone}', brand.phone);
        expect(filled).toMatch(GSM);
        expect(filled.length).toBeLessThanOrEqual(160);
      }
    }
  }
});
