import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { normaliseContact } from '../../../src/core/contact-point.js';
import type { Hush } from '../../support/hush.js';
import { unzipped } from '../access/unzip.js';
import { pdfText, squeezed } from '../letters/pdf-text.js';
import {
  again,
  ask,
  attach,
  email,
  mailsTo,
  OFFICER,
  pressLink,
  startWithClock,
  steps,
  watchOnce,
} from '../setting.js';

let hush: Hush;
let time: { now: number };
beforeAll(async () => {
  ({ hush, time } = await startWithClock({ env: { HUSH_ROLE: 'web' } }));
});
afterAll(() => hush?.stop());

test('an access request from the form to the file in the hands of the person, and closed', async () => {
  const address = 'ana@example.com';
  await hush.ask('/v1/events', {
    events: [
      {
        contact: { email: address },
        type: 'consent_granted',
        at: new Date(time.now - 1000).toISOString(),
        scope: { brand: 'jmf', channel: 'email', purpose: 'promotion' },
        notice: { id: 'newsletter', version: '1' },
        source: { kind: 'form' },
      },
    ],
  });
  await hush.settle();
  const asked = await ask(hush, 'access', address);
  const verified = await pressLink(hush, address, /Please confirm that it is you/);
  expect(verified?.state).toBe('in_progress');
  const begun = await hush.hush.rights.fulfilment.access(await again(hush, asked), OFFICER, 'download');
  expect(begun.state).toBe('fulfilling');
  expect(begun.package).toMatch(/^p_/);

  await hush.hush.accessPackages.work();
  await watchOnce(hush);
  // Ready is not answered: somebody has to look at it and hand it over.
  expect((await again(hush, asked)).state).toBe('fulfilling');
  const { link, passphrase, mailed } = await hush.hush.accessDelivery.offer(begun.package ?? '', OFFICER.id);
  expect(mailed).toBe(true);
  await watchOnce(hush);
  const closed = await again(hush, asked);
  expect(closed.state).toBe('fulfilled');
  expect(steps(closed)).toEqual(expect.arrayContaining(['fulfil', 'complete']));

  const mails = (await mailsTo(hush, address)).join('\n');
  expect(mails).toContain('We have put together what we hold about you');
  expect(mails).toContain(link);
  expect(mails).not.toContain(passphrase);
  const got = await fetch(link, { method: 'POST', body: new URLSearchParams({ passphrase }) });
  expect(got.status).toBe(200);
  const held = JSON.parse(
    unzipped(Buffer.from(await got.arrayBuffer()))
      .get('access.json')
      ?.toString() ?? '',
  );
  expect(held.consents[0].wording).toContain('send me offers and news');
  expect(held.requests).toEqual([expect.objectContaining({ id: asked.id, kind: 'access', state: 'fulfilling' })]);
  expect(held.letters.map(({ kind }: { kind: string }) => kind)).toEqual(expect.arrayContaining(['verification']));
  // The letters are there to be read as sent.
  const kinds = (await hush.hush.letters.ofRequest(asked.id)).map(({ kind }) => kind);
  expect(kinds).toEqual(expect.arrayContaining(['verification', 'fulfilment']));
});

test('somebody the ledger does not know gets a package with all of their request, mailed to the address they proved', async () => {
  const address = 'wang@example.com';
  const asked = await ask(hush, 'access', address, { name: '王秀英', description: 'What do you have of me?' });
  await pressLink(hush, address, /Please confirm that it is you/);
  const { rights } = hush.hush;
  await rights.answers.message(await again(hush, asked), { id: 'person' }, 'Also the video, please.');
  await rights.answers.note(await again(hush, asked), OFFICER, 'Looks for a video of the shop.');
  await attach(hush, await again(hush, asked), { id: 'person' }, 'claim.txt', 'My claim');
  const begun = await rights.fulfilment.access(await again(hush, asked), OFFICER, 'download');
  await hush.hush.accessPackages.work();
  const { link, passphrase, mailed } = await hush.hush.accessDelivery.offer(begun.package ?? '', OFFICER.id);
  expect(mailed).toBe(true);
  await hush.hush.outbox.settle();
  expect((await mailsTo(hush, address)).join('\n')).toContain(link);
  const got = await fetch(link, { method: 'POST', body: new URLSearchParams({ passphrase }) });
  const files = unzipped(Buffer.from(await got.arrayBuffer()));
  const held = JSON.parse(files.get('access.json')?.toString() ?? '');
  expect(held.contacts).toMatchObject([{ type: 'email', address }]);
  expect(held.requests).toMatchObject([
    {
      id: asked.id,
      name: '王秀英',
      words: 'What do you have of me?',
      way: 'form',
      written: [
        { what: 'message', from: 'you', words: 'Also the video, please.' },
        { what: 'note', from: 'us', words: 'Looks for a video of the shop.' },
      ],
      files: [{ name: 'claim.txt', type: 'text/plain', from: 'you' }],
    },
  ]);
  const html = files.get('access.html')?.toString() ?? '';
  expect(html).not.toContain(OFFICER.name);
  const pdf = files.get('access.pdf') ?? Buffer.alloc(0);
  expect(squeezed(pdfText(pdf).join(''))).toContain('王秀英');
  for (const part of ['/S /Table', '/S /TR', '/S /TH', '/S /TD', 'pdfuaid'])
    expect(pdf.toString('latin1')).toContain(part);
  for (const words of [
    address,
    '王秀英',
    'What do you have of me?',
    'Also the video, please.',
    'Looks for a video',
    'claim.txt',
  ])
    expect(html).toContain(words);
});

test('a request that somebody else made naming this number too shows nothing of what they wrote', async () => {
  const phone = { point: normaliseContact({ phone: '+19205550166' }, 'US') };
  const { rights, accessPackages } = hush.hush;
  // Of a stranger, who gave a wrong number beside an address of their own.
  await ask(hush, 'correction', 'stranger@example.com', {
    name: 'Sam Stranger',
    description: 'My claim about a ring',
    contacts: [email('stranger@example.com'), phone],
  });
  // An opt-out needs no proof; what was said with it is held of whoever has the number all the same.
  await ask(hush, 'opt_out', 'phil@example.com', { contacts: [phone], name: 'Phil Own', description: 'No calls' });
  const asked = await ask(hush, 'access', 'phil@example.com', { contacts: [phone], name: 'Phil Own' });
  await rights.verification.byKnowledge(await again(hush, asked), OFFICER, {
    checks: ['policy_number', 'claim_number', 'called_back'],
    note: 'Knew both numbers',
  });
  const begun = await rights.fulfilment.access(await again(hush, asked), OFFICER, 'download');
  await accessPackages.work();
  const made = await accessPackages.get(begun.package ?? '');
  const chunks: Buffer[] = [];
  if (made) for await (const bytes of accessPackages.file(made, 'json')) chunks.push(bytes);
  const text = Buffer.concat(chunks).toString();
  // As whole words: the letters of an id may spell a name.
  expect(text).not.toMatch(/stranger|\bSam\b|\bring\b/i);
  const held = JSON.parse(text);
  expect(held.requests).toHaveLength(3);
  expect(held.requests.map(({ words }: { words?: string }) => words)).toContain('No calls');
  expect(text).toContain('Knew both numbers');
  // Where there is no address to mail to, the link is handed over by whoever has the person on the phone.
  expect((await hush.hush.accessDelivery.offer(made?.id ?? '', OFFICER.id)).mailed).toBe(false);
});
