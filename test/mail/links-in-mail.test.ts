import { spawn } from 'node:child_process';
import { createHash, createPublicKey, createVerify, generateKeyPairSync } from 'node:crypto';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, test } from '@jest/globals';
import { simpleParser } from 'mailparser';
import { createTransport } from 'nodemailer';
import { readCatalog } from '../../src/config/catalog.js';
import { normaliseContact } from '../../src/core/contact-point.js';
import { contactKeyBytes, keyringFromSecret } from '../../src/core/keys.js';
import { createInboundAddresses } from '../../src/inbound/mail/inbound-address.js';
import { machine } from '../../src/machine.js';
import { createLinks, type MailLinks } from '../../src/preferences/links.js';

const catalog = readCatalog(path.join(import.meta.dirname, '../../config/catalog.yaml'), {});
const keyring = keyringFromSecret('a secret of these tests, long enough', machine.randomBytes);
/** A host of 20 letters. */
const links = createLinks({ keyring, catalog, publicUrl: () => 'https://prefs.brand.example.' });
const addresses = createInboundAddresses({ keyring, catalog });
const point = (email: string) => normaliseContact({ email });

function linksOf(email: string, more: { topic?: string; campaign?: string } = {}): MailLinks {
  return links.forMail({
    point: point(email),
    brand: 'jmf',
    channel: 'email',
    purpose: 'promotion',
    topic: '*',
    campaign: '',
    ...more,
  });
}

/** What a mail program makes of the headers: both URLs and the address for complaints name the person. */
function expectHeaders(values: { unsubscribe: string; how: string; cfbl: string }, email: string): void {
  const [https = '', mailto = ''] = [...values.unsubscribe.matchAll(/<([^>]*)>/g)].map(([, uri]) => uri ?? '');
  expect(links.read(new URL(https).pathname.slice('/u/'.length), 0)?.point.given).toBe(email);
  expect(values.how).toBe('List-Unsubscribe=One-Click');
  const key = contactKeyBytes(keyring, point(email));
  for (const [address, role] of [
    [mailto.slice('mailto:'.length), 'unsubscribe'],
    [values.cfbl.split(';')[0] ?? '', 'returned'],
  ] as const) {
    expect(addresses.read(address)).toMatchObject({ role, token: { key, scope: { brand: 'jmf' } } });
  }
}

/** Ordinary addresses, and ones that make long tokens. */
const PEOPLE = [
  'jane.doe@example.com',
  'jane.doe@gmail.com',
  'Jane_Doe+News@jewelers-of-neenah.example',
  `${'long.'.repeat(12)}name@${'sub.'.repeat(30)}example.com`,
];

/** Reads a message with a parser of each kind; the values of its headers, unfolded. */
async function readByMailparser(raw: Buffer) {
  const { headerLines } = await simpleParser(raw);
  const value = (name: string) =>
    (headerLines.find(({ key }) => key === name)?.line ?? '').replace(/^[^:]*:\s*/, '').replace(/\r?\n[ \t]+/g, ' ');
  return { unsubscribe: value('list-unsubscribe'), how: value('list-unsubscribe-post'), cfbl: value('cfbl-address') };
}

/** Runs one script after the other, each with an input and an output of its own: starting Python takes longer than they do. */
const interpreter = spawn('python3', [
  '-c',
  `
import sys, io, json, base64
asked, answers = sys.stdin, sys.stdout
for line in asked:
    script, given = json.loads(line)
    sys.stdin = io.TextIOWrapper(io.BytesIO(base64.b64decode(given)), encoding='utf-8')
    sys.stdout = io.TextIOWrapper(io.BytesIO(), encoding='utf-8')
    exec(script, {})
    sys.stdout.flush()
    print(base64.b64encode(sys.stdout.buffer.getvalue()).decode(), file=answers, flush=True)`,
]);
const answers = createInterface(interpreter.stdout)[Symbol.asyncIterator]();
let faults = '';
for (const stream of [interpreter, interpreter.stdin]) {
  stream.on('error', (error) => {
    faults += String(error);
  });
}
interpreter.stderr.on('data', (text) => {
  faults += String(text);
});
afterAll(() => {
  interpreter.stdin.end();
});

/** What a script writes that reads this. */
async function python(script: string, input: string | Buffer): Promise<Buffer> {
  interpreter.stdin.write(`${JSON.stringify([script, Buffer.from(input).toString('base64')])}\n`);
  const { value, done } = await answers.next();
  if (done) throw new Error(`Python ended: ${faults}`);
  return Buffer.from(value, 'base64');
}

async function readByPython(raw: Buffer, policy: 'default' | 'compat32') {
  const script = `
import sys, json, email, email.policy
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.${policy})
print(json.dumps([str(m[n]) for n in ('List-Unsubscribe', 'List-Unsubscribe-Post', 'CFBL-Address')]))`;
  const [unsubscribe = '', how = '', cfbl = ''] = (JSON.parse((await python(script, raw)).toString()) as string[]).map(
    (value) => value.replace(/\r?\n[ \t]+/g, ' '),
  );
  return { unsubscribe, how, cfbl };
}

async function expectEveryParser(raw: Buffer, email: string): Promise<void> {
  expectHeaders(await readByMailparser(raw), email);
  expectHeaders(await readByPython(raw, 'default'), email);
  expectHeaders(await readByPython(raw, 'compat32'), email);
}

describe('Python’s email', () => {
  const script = (policy: string) => `
import sys, json
from email.message import EmailMessage
import email.policy
given = json.load(sys.stdin)
m = EmailMessage(policy=email.policy.${policy})
m['From'] = 'hello@jmf.example'
m['To'] = given['to']
for name, value in given['headers'].items():
    m[name] = value
m.set_content('Stop: ' + given['oneClickUrl'])
sys.stdout.buffer.write(m.as_bytes())`;
  const written = (email: string, policy: string, more = {}) => {
    const { headers, oneClickUrl } = linksOf(email, more);
    return python(script(policy), JSON.stringify({ to: email, headers, oneClickUrl }));
  };

  test.each(['SMTP', 'default', 'SMTPUTF8'])(
    '%s keeps both URLs as they are for an ordinary address',
    async (policy) => {
      for (const email of PEOPLE.slice(0, 2)) {
        const raw = await written(email, policy);
        const { headers } = linksOf(email);
        const unfolded = raw.toString('latin1').replace(/\r?\n[ \t]+/g, ' ');
        for (const [name, value] of Object.entries(headers)) expect(unfolded).toContain(`${name}: ${value}`);
        expect(
          Math.max(
            ...raw
              .toString('latin1')
              .split(/\r?\n/)
              .map((line) => line.length),
          ),
        ).toBeLessThanOrEqual(78);
        await expectEveryParser(raw, email);
      }
    },
  );

  test('the old header would not have been kept, so this test sees it', async () => {
    const headers = { 'List-Unsubscribe': `<https://prefs.brand.example/u/${'A'.repeat(76)}>, <mailto:unsubscribe@x>` };
    const raw = await python(script('SMTP'), JSON.stringify({ to: 'a@example.com', headers, oneClickUrl: '' }));
    expect(raw.toString()).toContain('=?utf-8?q?');
  });

  test('what it encodes of a long address, parsers that decode still read', async () => {
    const email = PEOPLE.at(-1) ?? '';
    expectHeaders(await readByPython(await written(email, 'SMTP'), 'default'), email);
  });
});

/** `PHPMailer::encodeHeader`: folds at blanks past 76; a longer line than 998 without any is chopped every 76 letters. */
function phpFold(name: string, value: string): string {
  const words: string[] = [];
  for (const word of value.split(' ')) {
    const line = words.at(-1);
    if (line !== undefined && `${line} ${word}`.length <= 76) words[words.length - 1] = `${line} ${word}`;
    else words.push(...(value.length > 998 ? (word.match(/.{1,76}/g) ?? []) : [word]));
  }
  return `${name}: ${words.join('\r\n ')}`;
}

describe('PHPMailer’s folding at 76', () => {
  test.each(PEOPLE)('leaves the links of %s whole for every parser', async (email) => {
    const lines = Object.entries(linksOf(email, { campaign: 'autumn-2026' }).headers).map(([name, value]) =>
      phpFold(name, value),
    );
    const raw = Buffer.from(`From: hello@jmf.example\r\n${lines.join('\r\n')}\r\n\r\nHello\r\n`);
    await expectEveryParser(raw, email);
  });

  test('chops a link that is too long for a line, and the pieces are found together again', async () => {
    const given = {
      line1: '路'.repeat(150),
      line2: '路'.repeat(150),
      city: '上海',
      postalCode: '200120',
      country: 'CN',
    };
    const about = { brand: 'jmf', channel: 'mail', purpose: 'promotion', topic: '*', campaign: '' } as const;
    const { headers } = links.forMail({ point: normaliseContact({ postal: given }), ...about });
    const raw = Buffer.from(`${phpFold('List-Unsubscribe', headers['List-Unsubscribe'])}\r\n\r\nHello\r\n`);
    const { unsubscribe } = await readByMailparser(raw);
    const url = /<([^>]*)>/.exec(unsubscribe)?.[1] ?? '';
    expect(url).toContain(' ');
    expect(links.read(encodeURI(url).split('/u/')[1] ?? '', 0)?.point.given).toBe(JSON.stringify(given));
  });
});

// ---- nodemailer, with DKIM over the result

const dkimKeys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const HEADERS_SIGNED = 'from:to:subject:list-unsubscribe:list-unsubscribe-post:cfbl-address';

async function byNodemailer(email: string, encoding: 'quoted-printable' | 'base64' = 'quoted-printable') {
  const { headers, oneClickUrl, preferencesUrl } = linksOf(email, { campaign: 'autumn' });
  const transport = createTransport({ streamTransport: true, buffer: true, newline: 'windows' });
  const { message } = await transport.sendMail({
    from: 'JM Facets <hello@jmf.example>',
    to: email,
    subject: 'What is new in autumn',
    headers,
    textEncoding: encoding,
    text: `Stop: ${oneClickUrl}\nYour choices: ${preferencesUrl}`,
    html: `<p style="font-family:${'serif,'.repeat(9)}"><a href="${oneClickUrl}">Stop</a> <a href="${preferencesUrl}">More</a></p>`,
    dkim: {
      domainName: 'jmf.example',
      keySelector: 'test',
      privateKey: dkimKeys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      headerFieldNames: HEADERS_SIGNED,
    },
  });
  if (!Buffer.isBuffer(message)) throw new Error('a buffer was asked for');
  return message;
}

/** RFC 6376 §3.4.2 and §3.4.4: whether the signature covers the three headers and holds for message and body. */
function isSignatureWhole(raw: Buffer): boolean {
  const [head = '', ...rest] = raw.toString('latin1').split('\r\n\r\n');
  const relaxed = (line: string) => {
    const [, name = '', value = ''] = /^([^:]*):(.*)$/s.exec(line) ?? [];
    return `${name.toLowerCase()}:${value
      .replace(/\r\n/g, '')
      .replace(/[ \t]+/g, ' ')
      .trim()}`;
  };
  const fields = head.split(/\r\n(?![ \t])/).map(relaxed);
  const signature = fields.find((field) => field.startsWith('dkim-signature:')) ?? '';
  const tags = new Map(
    signature
      .slice('dkim-signature:'.length)
      .split(';')
      .map((tag) => tag.trim().split(/=(.*)/s) as [string, string]),
  );
  const names = (tags.get('h') ?? '').replaceAll(' ', '').split(':');
  if (!HEADERS_SIGNED.split(':').every((name) => names.includes(name))) return false;
  const signed = names.flatMap((name) => fields.findLast((field) => field.startsWith(`${name}:`)) ?? []);
  const unsigned = signature.replace(/(;?\s*b=)[^;]*/, '$1').trimEnd();
  const body = rest
    .join('\r\n\r\n')
    .split('\r\n')
    .map((line) => line.replace(/[ \t]+/g, ' ').trimEnd())
    .join('\r\n')
    .replace(/(\r\n)*$/, '\r\n');
  if (createHash('sha256').update(body, 'latin1').digest('base64') !== tags.get('bh')?.replaceAll(' ', ''))
    return false;
  return createVerify('sha256')
    .update([...signed, unsigned].join('\r\n'), 'latin1')
    .verify(createPublicKey(dkimKeys.privateKey), (tags.get('b') ?? '').replaceAll(' ', ''), 'base64');
}

describe('nodemailer', () => {
  test.each(PEOPLE)(
    'keeps the links of %s under a DKIM signature that holds, also when a relay folds anew',
    async (email) => {
      const raw = await byNodemailer(email);
      expect(isSignatureWhole(raw)).toBe(true);
      await expectEveryParser(raw, email);
      const refolded = Buffer.from(raw.toString('latin1').replace(/, <mailto:/, ',\r\n\t<mailto:'), 'latin1');
      expect(isSignatureWhole(refolded)).toBe(true);
      await expectEveryParser(refolded, email);
      const changed = Buffer.from(raw.toString('latin1').replace(/\/u\/0/, '/u/1'), 'latin1');
      expect(isSignatureWhole(changed)).toBe(false);
    },
  );

  test.each([...PEOPLE.map((email) => [email, 'quoted-printable'] as const), [PEOPLE[0] ?? '', 'base64'] as const])(
    'keeps the links of %s in a body of %s, for every parser',
    async (email, encoding) => {
      const raw = await byNodemailer(email, encoding);
      const { oneClickUrl, preferencesUrl } = linksOf(email, { campaign: 'autumn' });
      const { text, html } = await simpleParser(raw);
      const script = `
import sys, email, email.policy
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
print(m.get_body(('plain',)).get_content(), m.get_body(('html',)).get_content())`;
      for (const words of [text, html || '', (await python(script, raw)).toString()]) {
        expect(words).toContain(oneClickUrl);
        expect(words).toContain(preferencesUrl);
      }
    },
  );

  test('a program that does not join the soft line breaks of quoted-printable loses no click', async () => {
    for (const email of PEOPLE) {
      const raw = (await byNodemailer(email)).toString('latin1');
      const href = /<a href=3D"([^"]*?\/u\/[^"]*)"/s.exec(raw.replace(/=\r\n(?=[^"]*\/u\/)/g, ''))?.[1];
      const broken = href ?? /href=3D"([^"]*)"/s.exec(raw)?.[1] ?? '';
      // Browsers leave line ends out of a URL: https://url.spec.whatwg.org/#concept-basic-url-parser
      const target = new URL(broken.replace(/=\r\n/g, '=')).pathname;
      expect(links.read(target.split('/u/')[1] ?? '', 0)?.point.given).toBe(email);
    }
  });
});
