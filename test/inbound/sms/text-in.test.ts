import express from 'express';
import request from 'supertest';
import { HushError } from '../../../src/core/errors.js';
import { readTextNumbers } from '../../../src/inbound/sms/numbers.js';
import { createTextIn } from '../../../src/inbound/sms/text-in.js';
import { isSignedByTwilio, twilioSignature, twiml } from '../../../src/inbound/sms/twilio.js';
import { createTextHook } from '../../../src/web/hooks/sms.js';
import { problems, sendFailure } from '../../../src/web/middleware/problem.js';
import { catalog, type Inbound, keyring, NUMBERS, openInbound, phoneOf, words } from '../setting.js';

const TOKEN = 'an auth token of these tests';
const ORIGIN = 'https://hush.example';
let inbound: Inbound;
let app: express.Express;

function appWith(textIn: Inbound['textIn']): express.Express {
  const made = express();
  made.use('/hooks', createTextHook({ textIn, authTokens: [TOKEN, 'the next one'], publicUrl: () => ORIGIN }));
  made.use(problems({ log: inbound.log, answer: (_request, response, failure) => sendFailure(response, failure) }));
  return made;
}

beforeAll(async () => {
  inbound = await openInbound();
  app = appWith(inbound.textIn);
});
afterAll(() => inbound.close());

let texts = 0;
let people = 0;
const somebody = () => `+1920555${String(1000 + ++people)}`;
const HOOK = '/hooks/sms';

interface Text {
  readonly From: string;
  readonly Body: string;
  readonly To?: string;
  readonly MessageSid?: string;
  readonly OptOutType?: string;
}

function post(text: Text, signature?: string, to: express.Express = app) {
  const form = new URLSearchParams({
    MessageSid: `SM${++texts}`,
    To: '+19205550100',
    AccountSid: 'AC1',
    NumMedia: '0',
    ...text,
  });
  return request(to)
    .post(HOOK)
    .set('Content-Type', 'application/x-www-form-urlencoded; charset=UTF-8')
    .set('X-Twilio-Signature', signature ?? twilioSignature(TOKEN, `${ORIGIN}${HOOK}`, form))
    .send(form.toString());
}

const says = async (text: Text): Promise<string | undefined> => {
  const answer = await post(text).expect(200);
  expect(answer.type).toBe('text/xml');
  return /<Message>(.*)<\/Message>/.exec(answer.text)?.[1];
};
const decide = (phone: string, channel: 'sms' | 'voice' | 'email', purpose: 'service' | 'promotion', brand = 'jmf') =>
  inbound.decide(phoneOf(phone), channel, purpose, brand);

async function consent(phone: string): Promise<void> {
  await inbound.accept.accept({
    subject: { point: phoneOf(phone) },
    type: 'consent_granted',
    scope: { brand: '*', channel: 'sms', purpose: 'marketing', topic: '*' },
    source: { kind: 'form' },
  });
  inbound.time.now += 1000;
}

describe('STOP', () => {
  test('silences every text of every brand, service too, and marketing calls; other channels stay', async () => {
    const jane = somebody();
    await consent(jane);
    expect((await decide(jane, 'sms', 'promotion')).allowed).toBe(true);
    expect((await decide(jane, 'voice', 'promotion')).allowed).toBe(true);
    await says({ From: jane, Body: 'Stop please' });
    for (const brand of ['jmf', 'shipping']) {
      expect((await decide(jane, 'sms', 'service', brand)).reason).toBe('opted_out');
      expect((await decide(jane, 'sms', 'promotion', brand)).reason).toBe('opted_out');
      expect((await decide(jane, 'voice', 'promotion', brand)).reason).toBe('opted_out');
    }
    expect((await decide(jane, 'voice', 'service')).allowed).toBe(true);
    expect((await decide(jane, 'email', 'promotion')).allowed).toBe(true);
    expect(await inbound.events(phoneOf(jane))).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          type: 'opted_out',
          source: { kind: 'sms', destination: 'text-messages' },
          scope: { brand: '*', channel: 'sms', purpose: '*', topic: '*' },
        }),
        expect.objectContaining({
          type: 'opted_out',
          scope: { brand: '*', channel: 'voice', purpose: 'marketing', topic: '*' },
        }),
      ]),
    );
  });

  test('is confirmed once a day, by the brand of the number, in the language of the text', async () => {
    const [jane, juan] = [somebody(), somebody()];
    expect(await says({ From: jane, Body: 'STOP', To: '+19205550101' })).toMatch(
      /^JM Shipping Solution: You are opted out\..*877-266-5042$/,
    );
    expect(await says({ From: jane, Body: 'STOP' })).toBeUndefined();
    expect(await says({ From: jane, Body: 'stop stop' })).toBeUndefined();
    expect(await says({ From: juan, Body: '¡Alto!' })).toMatch(/^JM Facets: Baja confirmada/);
    inbound.time.now += 86_400_000;
    expect(await says({ From: jane, Body: 'STOP' })).toBeDefined();
    expect(await says({ From: somebody(), Body: 'STOP', To: '+15550000000' })).toMatch(/^Jewelers Mutual Group: /);
  });

  test('a hundred at once are confirmed once', async () => {
    const jane = somebody();
    const answers = await Promise.all(Array.from({ length: 100 }, () => says({ From: jane, Body: 'STOP' })));
    expect(answers.filter((answer) => answer !== undefined)).toHaveLength(1);
  });

  test('given again by the provider is no second event, and is answered again, because the first answer was lost', async () => {
    const jane = somebody();
    const first = await says({ From: jane, Body: 'STOP', MessageSid: 'SMsame' });
    inbound.time.now += 1000;
    expect(await says({ From: jane, Body: 'STOP', MessageSid: 'SMsame' })).toBe(first);
    await inbound.project();
    await says({ From: jane, Body: 'STOP', MessageSid: 'SMsame' });
    await inbound.project();
    expect(await inbound.events(phoneOf(jane))).toHaveLength(2);
  });

  test('handled by the provider already (OptOutType) is recorded all the same, without a second answer', async () => {
    const jane = somebody();
    expect(await says({ From: jane, Body: 'ARRET', OptOutType: 'STOP' })).toBeUndefined();
    expect((await decide(jane, 'sms', 'service')).reason).toBe('opted_out');
  });

  test('counts when the provider took the same words for something else', async () => {
    const jane = somebody();
    expect(await says({ From: jane, Body: 'stop', OptOutType: 'START' })).toBeUndefined();
    expect((await decide(jane, 'sms', 'service')).reason).toBe('opted_out');
  });

  test('is kept while the record cannot be reached, where there is a journal', async () => {
    const kept: string[] = [];
    const away = new HushError('unavailable', 'away');
    const textIn = createTextIn({
      words,
      numbers: NUMBERS,
      accept: {
        acceptAll: async (drafts) =>
          drafts.map((draft) => {
            if (draft.writer) return away;
            kept.push(`${draft.type} ${draft.scope?.channel}`);
            return { id: 'AAAA' as never, contact: 'c_x' as never, at: 0 };
          }),
      },
      receipts: { get: () => Promise.reject(away) },
      review: inbound.review,
      decisions: { decideAll: () => Promise.reject(away) },
      languageOf: async (_contacts, wanted) => wanted,
      quota: { takeSlot: () => Promise.reject(new Error('away')) },
      catalog,
      keyring,
      clock: inbound.clock,
      log: inbound.log,
    });
    const answer = await post({ From: somebody(), Body: 'STOP' }, undefined, appWith(textIn)).expect(200);
    expect(answer.text).toBe(twiml(undefined));
    expect(kept).toEqual(['opted_out sms', 'opted_out voice']);
    await post({ From: somebody(), Body: 'START' }, undefined, appWith(textIn)).expect(503);
  });
});

describe('the language of an answer', () => {
  test('is the one that the person chose, whatever the words are of', async () => {
    const jane = somebody();
    await inbound.accept.accept({
      subject: { point: phoneOf(jane) },
      type: 'profile',
      language: 'fr',
      source: { kind: 'api' },
    });
    expect(await says({ From: jane, Body: 'HELP' })).toMatch(/^JM Facets: Pour de l.+aide, appelez le/);
    expect(await says({ From: jane, Body: 'STOP' })).toMatch(/^JM Facets: Vous ne recevrez plus de SMS/);
    inbound.time.now += 1000;
    expect(await says({ From: jane, Body: 'START' })).toMatch(/^JM Facets: Vous pouvez recevoir de nouveau des SMS/);
    expect(await says({ From: somebody(), Body: 'Hilfe' })).toMatch(/^JM Facets: Hilfe unter/);
  });
});

describe('START', () => {
  test('lifts what STOP made for the brand that was texted, and gives no consent to offers', async () => {
    const jane = somebody();
    await consent(jane);
    await says({ From: jane, Body: 'STOP' });
    inbound.time.now += 1000;
    expect(await says({ From: jane, Body: 'start' })).toMatch(/^JM Facets: You can get texts about your account again/);
    expect((await decide(jane, 'sms', 'service')).allowed).toBe(true);
    expect((await decide(jane, 'sms', 'promotion')).reason).toBe('consent_missing');
    expect((await decide(jane, 'sms', 'service', 'shipping')).reason).toBe('opted_out');
    expect((await decide(jane, 'voice', 'promotion')).reason).toBe('opted_out');
  });

  test('lifts nothing that came another way', async () => {
    const jane = somebody();
    await inbound.accept.accept({
      subject: { point: phoneOf(jane) },
      type: 'opted_out',
      scope: { brand: '*', channel: 'sms', purpose: '*', topic: '*' },
      source: { kind: 'phone' },
    });
    inbound.time.now += 1000;
    // And does not say that it did.
    expect(await says({ From: jane, Body: 'START' })).toMatch(/^JM Facets: For help call/);
    expect((await decide(jane, 'sms', 'service')).reason).toBe('opted_out');
  });

  test('replayed after a later STOP lifts nothing', async () => {
    const jane = somebody();
    await says({ From: jane, Body: 'STOP' });
    inbound.time.now += 1000;
    await says({ From: jane, Body: 'START', MessageSid: 'SMstart' });
    await inbound.project();
    inbound.time.now += 1000;
    await says({ From: jane, Body: 'STOP' });
    inbound.time.now += 1000;
    await says({ From: jane, Body: 'START', MessageSid: 'SMstart' });
    expect((await decide(jane, 'sms', 'service')).reason).toBe('opted_out');
    await inbound.project();
    expect((await decide(jane, 'sms', 'service')).reason).toBe('opted_out');
  });
});

test('HELP says who speaks, whom to call and how to stop; it records nothing, and works after STOP', async () => {
  const jane = somebody();
  await says({ From: jane, Body: 'STOP' });
  const before = await inbound.events(phoneOf(jane));
  const help = await says({ From: jane, Body: 'HELP' });
  expect(help).toMatch(/^JM Facets: For help call 877-266-5042\. Reply STOP .* Msg &amp; data rates/);
  expect(await says({ From: jane, Body: 'ayuda' })).toMatch(/Para ayuda/);
  expect(await inbound.events(phoneOf(jane))).toEqual(before);
  // Two machines that answer each other come to an end.
  const answers = await Promise.all(Array.from({ length: 20 }, () => says({ From: jane, Body: 'HELP' })));
  expect(answers.filter((answer) => answer !== undefined).length).toBeLessThanOrEqual(10);
});

test('an unclear text changes nothing and waits for a person, whose word makes it a STOP', async () => {
  const jane = somebody();
  expect(await says({ From: jane, Body: 'Cancel my appointment and do not ever write again' })).toBeUndefined();
  expect(await inbound.events(phoneOf(jane))).toEqual([]);
  const [line] = await inbound.review.list({ kind: 'text' });
  expect(line).toMatchObject({ masked: expect.stringContaining('••'), why: 'unclear_words' });
  expect((await inbound.review.open(line?.id ?? '')).facts).toMatchObject({
    text: expect.stringContaining('appointment'),
  });
  await inbound.review.confirm(line?.id ?? '', { actor: 'a' });
  expect((await decide(jane, 'sms', 'service')).reason).toBe('opted_out');
  expect((await decide(jane, 'voice', 'promotion')).reason).toBe('opted_out');
});

test('an ordinary text, a picture without words and a sender without a number are answered with nothing', async () => {
  for (const text of [
    { From: somebody(), Body: 'Thanks, see you on Friday' },
    { From: somebody(), Body: '' },
    { From: 'JMFACETS', Body: 'STOP' },
    { From: '72345', Body: 'STOP' },
  ])
    expect(await says(text)).toBeUndefined();
});

test('a post that is no text, such as a status callback, is answered and records nothing', async () => {
  const form = new URLSearchParams({
    MessageSid: 'SM1',
    MessageStatus: 'delivered',
    From: '+19205550100',
    To: somebody(),
  });
  const sent = request(app).post(HOOK).set('Content-Type', 'application/x-www-form-urlencoded');
  const answer = await sent
    .set('X-Twilio-Signature', twilioSignature(TOKEN, ORIGIN + HOOK, form))
    .send(form.toString());
  expect([answer.status, answer.text]).toEqual([200, twiml(undefined)]);
});

test('without a genuine signature it is 401 and nothing is recorded', async () => {
  const jane = somebody();
  const form = new URLSearchParams({ From: jane, Body: 'STOP' });
  for (const signature of [
    '',
    'x',
    'A'.repeat(28),
    twilioSignature('another token', ORIGIN + HOOK, form),
    twilioSignature(TOKEN, `${ORIGIN}/hooks/other`, form),
  ]) {
    const answer = await post({ From: jane, Body: 'STOP' }, signature).expect(401);
    expect(answer.body.code).toBe('unauthorized');
  }
  const genuine = new URLSearchParams({ MessageSid: 'SM9', From: somebody(), Body: 'STOP' });
  const signature = twilioSignature(TOKEN, ORIGIN + HOOK, genuine);
  genuine.set('From', jane);
  const changed = request(app).post(HOOK).set('Content-Type', 'application/x-www-form-urlencoded');
  await changed.set('X-Twilio-Signature', signature).send(genuine.toString()).expect(401);
  expect(await inbound.events(phoneOf(jane))).toEqual([]);
});

test('too large and broken bodies are refused', async () => {
  await post({ From: somebody(), Body: 'x'.repeat(70_000) }).expect(413);
  await request(app)
    .post(HOOK)
    .set('X-Twilio-Signature', 'x')
    .set('Content-Type', 'application/json')
    .send('{')
    .expect(401);
});

// The example of Twilio's own documentation and libraries.
test('the signature is Twilio’s', () => {
  const form = new URLSearchParams({
    CallSid: 'CA1234567890ABCDE',
    Caller: '+14158675309',
    Digits: '1234',
    From: '+14158675309',
    To: '+18005551212',
  });
  const url = 'https://mycompany.com/myapp.php?foo=1&bar=2';
  expect(twilioSignature('12345', url, form)).toBe('RSOYDt4T1cUTdK1PDd93/VVr8B8=');
  expect(isSignedByTwilio(['old', '12345'], url, form, 'RSOYDt4T1cUTdK1PDd93/VVr8B8=')).toBe(true);
  expect(isSignedByTwilio(['12345'], url, form, 'RSOYDt4T1cUTdK1PDd93/VVr8B8')).toBe(false);
  expect(isSignedByTwilio([], url, form, '')).toBe(false);
  const withPort = twilioSignature('12345', url.replace('.com', '.com:443'), form);
  expect(isSignedByTwilio(['12345'], url, form, withPort)).toBe(true);
});

test('an answer cannot break out of its TwiML', () => {
  expect(twiml(`<&>"'`)).toBe(
    '<?xml version="1.0" encoding="UTF-8"?><Response><Message>&lt;&amp;&gt;&quot;&apos;</Message></Response>',
  );
});

test('the numbers are read from one setting, and a wrong one says what to write', () => {
  expect(readTextNumbers('+19205550100=jmf, 89203 = shipping', catalog)).toEqual({
    '+19205550100': 'jmf',
    '89203': 'shipping',
  });
  expect(readTextNumbers('', catalog)).toEqual({});
  expect(() => readTextNumbers('920-555=jmf', catalog)).toThrow(/HUSH_SMS_NUMBERS: "920-555=jmf".*\+19205550100=jmf/);
  expect(() => readTextNumbers('+19205550100=nobody', catalog)).toThrow(/brands are jmf, shipping/);
});
