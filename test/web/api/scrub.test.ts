import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { buffer, text as textOf } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { API_KEY, type Hush, startHush } from '../../support/hush.js';

const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ destinations: [] });
  const out = { type: 'opted_out', scope: OFFERS, at: '2026-03-01T10:00:00Z', source: { kind: 'api' } };
  const { accepted } = await hush.ask<{ accepted: { contact: string }[] }>('/v1/events', {
    events: [
      { ...out, contact: { email: 'out@example.com' } },
      { ...out, contact: { phone: '+19205550111' } },
      { ...out, contact: { id: 'crm:out' } },
    ],
  });
  outKey = accepted[0]?.contact ?? '';
});
let outKey = '';
afterAll(() => hush?.stop());

interface Answered {
  readonly status: number;
  readonly body: Buffer;
  readonly headers: IncomingMessage['headers'];
  readonly trailers: IncomingMessage['trailers'];
}

/** With http itself: fetch knows no trailers. Pieces of the body are sent as they are given. */
async function scrub(
  body: string | Buffer | readonly (string | Buffer)[],
  query: Record<string, string> = {},
  headers: Record<string, string> = {},
): Promise<Answered> {
  const wanted = new URLSearchParams({ ...OFFERS, ...query });
  const sent = httpRequest(`${hush.url}/v1/scrub?${wanted}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'text/csv', ...headers },
  });
  // A connection that breaks while the rest is sent is told by the answer.
  sent.on('error', () => undefined);
  for (const piece of Array.isArray(body) ? body : [body]) sent.write(piece);
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const received = await buffer(response);
  return { status: response.statusCode ?? 0, body: received, headers: response.headers, trailers: response.trailers };
}
const lines = ({ body }: Answered) => body.toString().split('\n');

describe('a scrub', () => {
  const file =
    '\ufeff"Name";email;"note ""x"""\r\nAna;ana@example.com;\'=1+1\'\r\n"Out; of it";OUT@example.com;=2+2\n"two\r\nlines";"bo@example.com";"say ""hi"""\rlast;out@example.com;x';

  test('gives the allowed rows byte for byte: BOM, delimiter, quotes, line ends, formulas', async () => {
    const answer = await scrub(file);
    expect(answer.status).toBe(200);
    expect(answer.body.toString()).toBe(
      '\ufeff"Name";email;"note ""x"""\r\nAna;ana@example.com;\'=1+1\'\r\n"two\r\nlines";"bo@example.com";"say ""hi"""\r',
    );
    expect(answer.headers['content-type']).toBe('text/csv; charset=utf-8');
  });

  test('gives the denied rows, which with the allowed ones are the file', async () => {
    const answer = await scrub(file, { output: 'denied' });
    expect(answer.body.toString()).toBe(
      '\ufeff"Name";email;"note ""x"""\r\n"Out; of it";OUT@example.com;=2+2\nlast;out@example.com;x',
    );
  });

  test('annotated adds columns under the delimiter and before the line end of each row', async () => {
    const answer = await scrub(file, { output: 'annotated' });
    expect(answer.body.toString()).toBe(
      [
        '\ufeff"Name";email;"note ""x""";allowed;reason;since\r\n',
        "Ana;ana@example.com;'=1+1';true;not_objected;\r\n",
        '"Out; of it";OUT@example.com;=2+2;false;opted_out;2026-03-01T10:00:00.000Z\n',
        '"two\r\nlines";"bo@example.com";"say ""hi""";true;not_objected;\r',
        'last;out@example.com;x;false;opted_out;2026-03-01T10:00:00.000Z',
      ].join(''),
    );
  });

  test('keeps bytes of another encoding, and its name', async () => {
    const latin = Buffer.from('email,name\nana@example.com,Jos\xe9\n', 'latin1');
    const answer = await scrub(latin, {}, { 'content-type': 'text/csv; charset=iso-8859-1' });
    expect(answer.body).toEqual(latin);
    expect(answer.headers['content-type']).toBe('text/csv; charset=iso-8859-1');
  });

  test('counts rows by reason in trailers', async () => {
    const answer = await scrub('email\nout@example.com\nana@example.com\n\nnobody\nbo@example.com\n');
    expect(lines(answer)).toEqual(['email', 'ana@example.com', 'bo@example.com', '']);
    expect(answer.trailers).toMatchObject({
      'hush-rows': '4',
      'hush-allowed': '2',
      'hush-denied': '2',
      'hush-reasons': 'opted_out=1, not_objected=2, invalid_contact=1',
    });
  });

  test('reads emails, phones, identifiers and keys from one column, as decisions do', async () => {
    const contacts = [
      ['"+1 (920) 555-0111"', { phone: '+19205550111' }],
      ['crm:out', { id: 'crm:out' }],
      [outKey, { key: outKey }],
      ['crm:ana', { id: 'crm:ana' }],
      ['"+1 920 555 0112"', { phone: '+19205550112' }],
      ['Ana@Exämple.com', { email: 'Ana@Exämple.com' }],
    ] as const;
    const answer = await scrub(`who,x\n${contacts.map(([cell]) => `${cell},x\n`).join('')}`, {
      column: 'who',
      output: 'annotated',
    });
    const decisions = await Promise.all(contacts.map(([, contact]) => hush.decide(contact)));
    expect(
      lines(answer)
        .slice(1, -1)
        .map((line) => line.split(',').slice(-3, -1)),
    ).toEqual(decisions.map(({ allowed, reason }) => [String(allowed), reason]));
    expect(decisions.filter(({ allowed }) => !allowed)).toHaveLength(3);
  });

  test('denies what is no contact, and rows of doubt', async () => {
    const cells = [
      'nobody',
      '""',
      'Ana <ana@example.com>',
      'ana@example.com;bo@example.com',
      'mailto:ana@example.com',
      'smtp:ana@example.com',
    ];
    const cells2 = [
      'https://example.com/',
      'c_00000000000000000000000000x',
      'n\0@example.com',
      'Jos\ufffd@example.com',
    ];
    const rows = [...cells, ...cells2].map((cell) => `${cell},x`);
    const answer = await scrub(
      ['email,x', ...rows, 'short@example.com', 'long@example.com,x,y', 'ok@example.com,x,', 'y'].join('\n'),
      {
        output: 'annotated',
      },
    );
    const said = lines(answer).slice(1);
    for (const line of said.slice(0, rows.length)) expect(line).toMatch(/,false,invalid_contact,$/);
    // Cells that lack are added, so that the answer stands under its name.
    expect(said.slice(rows.length)).toEqual([
      'short@example.com,,true,not_objected,',
      'long@example.com,x,y,false,invalid_row,',
      'ok@example.com,x,,true,not_objected,',
      'y,,false,invalid_contact,',
    ]);
    const missing = await scrub('x,email\nonly\n', { output: 'denied' });
    expect(lines(missing)).toEqual(['x,email', 'only', '']);
  });

  test('finds the column by its usual headers, and keeps a first line sep=', async () => {
    for (const [head, column] of [
      ['Email,n', ''],
      ['Email Address,n', 'email'],
      ['E-Mail,n', ''],
      ['email,n', 'E-Mail'],
    ] as const) {
      const answer = await scrub(`${head}\na@example.com,1\nout@example.com,2\n`, column === '' ? {} : { column });
      expect(answer.body.toString()).toBe(`${head}\na@example.com,1\n`);
    }
    for (const output of ['allowed', 'denied']) {
      const answer = await scrub('sep=;\r\nemail;n\na@example.com;1\nout@example.com;2\n', { output });
      const row = output === 'allowed' ? 'a@example.com;1' : 'out@example.com;2';
      expect(answer.body.toString()).toBe(`sep=;\r\nemail;n\n${row}\n`);
    }
    const numbers = await scrub("phone,n\n'+19205550111,1\n'+19205550177,2\n", { channel: 'mail' });
    expect(numbers.body.toString()).toBe("phone,n\n'+19205550111,1\n'+19205550177,2\n");
    const annotated = await scrub("phone,n\n'+19205550111,1\n", { output: 'annotated' });
    expect(annotated.body.toString()).toMatch(/1,false,opted_out,2026/);
  });

  test('answers the rows of a file with a wrong quote, byte for byte', async () => {
    const file = 'email,note\na@example.com,5" pipe\nb@example.com,x\nout@example.com,"6\nc@example.com,"y"\n';
    expect((await scrub(file)).body.toString()).toBe(
      'email,note\na@example.com,5" pipe\nb@example.com,x\nc@example.com,"y"\n',
    );
    const hidden = await scrub('note,email\n"Ann, A,a@example.com\nx,b@example.com\n', { output: 'annotated' });
    expect(lines(hidden).slice(1)).toEqual([
      expect.stringMatching(/^"Ann, A,a@example.com.*,false,invalid_row,$/),
      'x,b@example.com,true,not_objected,',
      '',
    ]);
  });

  test('asks about the time that was asked for', async () => {
    const list = 'email\nout@example.com\n';
    expect(lines(await scrub(list, { at: '2026-02-28T00:00:00Z' }))).toHaveLength(3);
    expect(lines(await scrub(list, { at: '2026-03-02T00:00:00Z' }))).toHaveLength(2);
    expect(lines(await scrub(list, { topic: 'news' }))).toHaveLength(2);
    expect(lines(await scrub(list, { purpose: 'service' }))).toHaveLength(3);
  });

  test('counts an opt-out that was acknowledged a moment before its row came', async () => {
    const late = { email: 'late@example.com' };
    const sent = httpRequest(`${hush.url}/v1/scrub?${new URLSearchParams(OFFERS)}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'text/csv' },
    });
    // A row is known to be whole once the next begins.
    sent.write('email\nearly@example.com\nsecond@example.com\n');
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    await hush.ask('/v1/events', { events: [{ contact: late, type: 'opted_out', source: { kind: 'api' } }] });
    sent.end('late@example.com\n');
    expect(await textOf(response)).toBe('email\nearly@example.com\nsecond@example.com\n');
  });

  test('a header alone is a header alone', async () => {
    expect((await scrub('email,name\n')).body.toString()).toBe('email,name\n');
    expect((await scrub('email', { output: 'annotated' })).body.toString()).toBe('email,allowed,reason,since');
  });
});

describe('what cannot be scrubbed is a 400 that names the field and the remedy', () => {
  const good = 'email,name\nana@example.com,Ana\n';
  test.each<[string, string | Buffer, Record<string, string>, string, RegExp]>([
    ['another column', good, { column: 'Mail' }, 'column', /email, name/],
    ['a column that is there twice', 'email,email\n', {}, 'column', /name of its own/],
    ['a list without a header', 'ana@example.com,Ana\n', {}, 'column', /no header/],
    ['a column that is annotated already', 'email,reason\n', { output: 'annotated' }, 'output', /rename/],
    ['no file', '', {}, 'body', /header/],
    ['UTF-16', Buffer.from('\ufeffemail\n', 'utf16le'), {}, 'body', /UTF-8/],
    ['a row without end', `email\n${'x'.repeat(300 * 1024)}`, {}, 'row 2', /quotes/],
    ['several columns of emails', 'Primary email,Email address 2,E-Mail-Adresse\n', {}, 'column', /say which/],
    ['another output', good, { output: 'some' }, 'output', /annotated/],
    ['another brand', good, { brand: 'acme' }, 'brand', /jmf/],
    ['another topic', good, { topic: 'gossip' }, 'topic', /news/],
    ['another channel', good, { channel: 'fax' }, 'channel', /email/],
    ['no time', good, { at: 'now' }, 'at', /2026/],
    ['a further field', good, { surprise: '1' }, 'surprise', /remove/],
  ])('%s', async (_name, file, query, field, remedy) => {
    const answer = await scrub(file, query);
    const problem = JSON.parse(answer.body.toString());
    expect([answer.status, answer.headers['content-type']]).toEqual([400, 'application/problem+json; charset=utf-8']);
    expect(problem).toMatchObject({ field, remedy: expect.stringMatching(remedy) });
    expect(JSON.stringify(problem)).not.toMatch(/ana@/);
  });

  test('another kind of body, and none', async () => {
    for (const headers of [{ 'content-type': 'application/json' }, { 'content-type': 'text/plain' }]) {
      const answer = await scrub('{}', {}, headers);
      expect([answer.status, JSON.parse(answer.body.toString())]).toMatchObject([
        400,
        { field: 'content-type', remedy: 'send Content-Type: text/csv' },
      ]);
    }
  });

  test('a long file whose column is missing is answered before it has come', async () => {
    const answer = await scrub(['name\n', Buffer.alloc(3_000_000, 'x\n')]);
    expect([answer.status, JSON.parse(answer.body.toString()).field]).toEqual([400, 'column']);
  });

  test('HTTP/1.0, which cannot say that an answer broke off', async () => {
    const socket = connect(Number(new URL(hush.url).port), 'localhost');
    socket.end(
      `POST /v1/scrub?${new URLSearchParams(OFFERS)} HTTP/1.0\r\nAuthorization: Bearer ${API_KEY}\r\nContent-Type: text/csv\r\nContent-Length: 6\r\n\r\nemail\n`,
    );
    expect(await textOf(socket)).toMatch(/^HTTP\/1.1 400 [\s\S]*HTTP\/1.1/);
  });

  test('a key needs the scope decisions, and no more', async () => {
    const { apiKeys } = hush.hush.stores;
    const may = await apiKeys.create('may', ['decisions']);
    const mayNot = await apiKeys.create('may not', ['events', 'suppressions', 'export']);
    expect((await scrub(good, {}, { authorization: `Bearer ${may.key}` })).status).toBe(200);
    expect((await scrub(good, {}, { authorization: `Bearer ${mayNot.key}` })).status).toBe(403);
  });
});

describe('a failure part-way breaks the connection', () => {
  const rows = Array.from({ length: 20_000 }, (_, n) => `user${n}@example.com,"Ann, ${n}"\n`).join('');

  /** What came of an answer that does not end. */
  async function broken(answer: Promise<Answered>): Promise<string> {
    try {
      const { status, body } = await answer;
      return `${status}, ${body.length} bytes, as if whole`;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  }

  test('for a row that cannot be read; the log names it and the request, but quotes nothing', async () => {
    const answer = broken(scrub(`email,name\n${rows}zoe@example.com,"${'Zoe'.repeat(100_000)}"\n${rows}`));
    expect(await answer).toMatch(/^ECONNRESET|^EPIPE/);
    const line = hush.logged.find((item) => /a scrub broke off/.test(item) && /row/.test(item)) ?? '';
    expect(line).toContain('row 20002');
    expect(line).not.toMatch(/zoe|@example/i);
  });

  test('for the record being away; before anything was sent it is a 503', async () => {
    const { decisions } = hush.hush;
    const { decideAll, fromMemory } = decisions;
    const { HushError } = await import('../../../src/core/errors.js');
    let asked = 0;
    let well = 3;
    Object.assign(decisions, {
      // What is away says nothing of the present either, so the index answers nothing.
      fromMemory: async () => undefined,
      async decideAll(...args: Parameters<typeof decideAll>) {
        if (asked++ >= well) throw new HushError('unavailable', 'the record cannot be reached');
        return decideAll(...args);
      },
    });
    try {
      // Blocks are asked about ahead of what is sent: a fault may come before the first byte, or after it. Never a whole file.
      expect(await broken(scrub(`email,name\n${rows}`))).toMatch(/^ECONNRESET|^EPIPE|^503,/);
      expect(asked).toBeGreaterThanOrEqual(4);
      asked = 0;
      well = 0;
      const answer = await scrub(`email,name\nana@example.com,Ana\n`);
      expect([answer.status, answer.headers['content-type']]).toEqual([503, 'application/problem+json; charset=utf-8']);
    } finally {
      Object.assign(decisions, { decideAll, fromMemory });
    }
  });

  test('for a file that ends before it should', async () => {
    const socket = connect(Number(new URL(hush.url).port), 'localhost');
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk;
    });
    socket.on('error', () => undefined);
    socket.write(
      `POST /v1/scrub?${new URLSearchParams(OFFERS)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${API_KEY}\r\nContent-Type: text/csv\r\nContent-Length: 10000000\r\n\r\nemail,name\n${rows}`,
    );
    while (!received.includes('user19000@')) await sleep(20);
    socket.end();
    await once(socket, 'close');
    // The chunk of length 0 is what says that an answer is whole.
    expect(received.endsWith('0\r\n\r\n')).toBe(false);
    expect(received).not.toMatch(/hush-rows: /i);
  });
});

test('a scrub takes no more than its reader reads', async () => {
  const wide = 'x'.repeat(2000);
  const sent = httpRequest(`${hush.url}/v1/scrub?${new URLSearchParams({ ...OFFERS, output: 'annotated' })}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'text/csv' },
  });
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
  const ROWS = 10_000;
  let written = 0;
  const writing = (async () => {
    sent.write('email,wide\n');
    for (; written < ROWS; written++) {
      if (!sent.write(`user${written}@example.com,${wide}\n`)) await once(sent, 'drain');
    }
    sent.end();
  })();
  const [response] = await answered;
  // Nobody reads: what lies in the sockets between us fills, and then the server must take no more.
  let before = -1;
  while (before !== written) {
    before = written;
    await sleep(1000);
  }
  expect(written).toBeLessThan(ROWS * 0.8);
  const { length } = (await textOf(response)).split('\n');
  await writing;
  expect([length - 1, response.complete]).toEqual([ROWS + 1, true]);
});
