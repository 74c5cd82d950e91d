import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { createConsentReceipts } from '../../src/audit/consent-receipt.js';
import { readCatalog } from '../../src/config/catalog.js';
import { deriveKey, type Keyring } from '../../src/core/keys.js';
import { machine } from '../../src/machine.js';
import type { StoredEvent } from '../../src/store/contacts.js';

const catalog = readCatalog(path.join(import.meta.dirname, '../../config/catalog.yaml'), {});
const root = (name: string) => deriveKey(Buffer.from(name), 'root');
const keyring = (current: number): Keyring => ({
  lookup: root('lookup'),
  current,
  roots: new Map([
    [1, root('first')],
    [2, root('second')],
  ]),
  randomBytes: machine.randomBytes,
});
const receiptsOf = (ring: Keyring) =>
  createConsentReceipts({ keyring: ring, catalog, origin: 'hush.example/log', publicUrl: 'https://hush.example' });
const event = (change: Partial<StoredEvent> = {}): StoredEvent => ({
  id: '7K2M-94QX-B1HT-0ZWD-6RPE',
  type: 'consent_granted',
  at: Date.UTC(2026, 2, 3),
  recorded: Date.UTC(2026, 2, 3) * 1024,
  source: { kind: 'form' },
  scope: { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: '*' },
  notice: { id: 'newsletter', version: '1' },
  ...change,
});
const key = Buffer.alloc(16, 7);

describe('a consent receipt', () => {
  test('has the notice in the language that was shown, not in the first of its version', () => {
    const spanish = catalog.notices.find(({ language }) => language === 'es')?.text ?? '';
    const of = (shown?: string) =>
      receiptsOf(keyring(1)).receiptOf(key, 'email address', event(), 'en', shown)?.consent_record.pii_processing;
    expect(of(spanish)).toMatchObject({
      language: 'es',
      notice_text: spanish,
      purposes: [{ purpose: 'Enviarme ofertas' }],
    });
    // Evidence keeps the beginning of a long wording.
    expect(of(spanish.slice(0, 40))).toMatchObject({ language: 'es' });
    expect(of()).toMatchObject({ language: 'en' });
    expect(
      receiptsOf(keyring(1)).receiptOf(
        key,
        'email address',
        event({ notice: { id: 'own', version: '3' } }),
        'en',
        'Words of our own',
      )?.consent_record.pii_processing,
    ).toMatchObject({ notice_text: 'Words of our own', notice_id: 'own' });
  });

  test('signed before a rotation is verified after it, with the key it names', async () => {
    const before = receiptsOf(keyring(1));
    const content = before.receiptOf(key, 'email address', event(), 'en');
    if (!content) throw new Error('no receipt');
    const jws = await before.sign(content);
    const after = receiptsOf(keyring(2));
    expect(await after.open(jws)).toEqual(content);
    const again = await after.sign(content);
    const header = (text: string) => JSON.parse(Buffer.from(text.split('.')[0] ?? '', 'base64url').toString('utf8'));
    expect([header(jws).kid, header(again).kid]).toEqual(['receipt-1', 'receipt-2']);
    expect((await after.jwks()).keys.map(({ kid }) => kid)).toEqual(['receipt-1', 'receipt-2']);
    const stranger = receiptsOf({ ...keyring(1), lookup: root('x'), roots: new Map([[1, root('third')]]) });
    expect(await stranger.open(jws)).toBeUndefined();
    const [head, body, signature] = jws.split('.');
    const other = Buffer.from(JSON.stringify({ ...content, more: 1 })).toString('base64url');
    expect(await after.open(`${head}.${other}.${signature}`)).toBeUndefined();
    expect(body).toBeDefined();
  });

  test('exists for what gives or takes consent only', () => {
    const of = (type: StoredEvent['type']) =>
      receiptsOf(keyring(1)).receiptOf(key, 'email address', event({ type }), 'en');
    expect(of('profile')).toBeUndefined();
    expect(of('consent_withdrawn')?.consent_record.consent_events[0]?.event_state).toBe('consent_withdrawn');
    expect(of('gpc_received')?.consent_record.consent_events[0]?.event_state).toBe('consent_refused');
  });
});
