import { expect, test } from '@jest/globals';
import { HushError } from '../../../src/core/errors.js';
import type { Destination, InboundRequest } from '../../../src/sync/destination.js';

export const NOW = Date.UTC(2026, 4, 1, 12);

export interface ReceivingTraits {
  destination(): Destination;
  /** A request as the provider would send it at `at` (ms), genuinely signed. */
  sign(body: string, at: number): InboundRequest;
  /** A body with at least one event we report. */
  readonly genuine: string;
  /** A body with a kind nobody knows, and its name. */
  readonly unknown: { readonly body: string; readonly kind: string };
  /** Seconds after which a request is too old; absent where the provider signs no time. */
  readonly window?: number;
  /** False where the proof does not cover the body (basic auth, secret in the URL). */
  readonly coversBody?: boolean;
  /** Names of headers without which a request proves nothing. */
  readonly proof: readonly string[];
  /** Further requests that prove nothing. */
  readonly unproven?: readonly InboundRequest[];
  /** A genuine request that cannot be read, where it is not half a JSON text. */
  readonly malformed?: string;
}

export function inbound(
  body: string,
  headers: Readonly<Record<string, string>>,
  url = 'https://hush.example/hooks/tested',
): InboundRequest {
  return { method: 'POST', url, headers, body: Buffer.from(body), ip: '198.51.100.7' };
}

async function kindOf(promise: Promise<unknown> | undefined): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof HushError) return error.kind;
    throw error;
  }
  return 'accepted';
}

/** What every webhook must do, whoever sends it. */
export function receiving(traits: ReceivingTraits): void {
  const receive = (request: InboundRequest, now = NOW) => traits.destination().receive?.(request, now);

  test('a genuine webhook is read, and read the same again', async () => {
    const first = await receive(traits.sign(traits.genuine, NOW));
    const again = await receive(traits.sign(traits.genuine, NOW));
    expect(first?.reports.length).toBeGreaterThan(0);
    expect(again?.reports).toEqual(first?.reports);
    const ids = first?.reports.map((one) => one.id) ?? [];
    expect(new Set(ids).size).toBe(ids.length);
    for (const one of first?.reports ?? []) {
      expect(Number.isFinite(one.at)).toBe(true);
      expect(JSON.stringify(one.evidence ?? {}).length).toBeLessThan(1024);
    }
  });

  test('a webhook without its proof, or with another one, is refused', async () => {
    const signed = traits.sign(traits.genuine, NOW);
    for (const name of traits.proof) {
      expect(await kindOf(receive({ ...signed, headers: { ...signed.headers, [name]: undefined } }))).toBe(
        'unauthorized',
      );
      expect(await kindOf(receive({ ...signed, headers: { ...signed.headers, [name]: 'AAAA' } }))).toBe('unauthorized');
    }
    for (const request of traits.unproven ?? []) expect(await kindOf(receive(request))).toBe('unauthorized');
    if (signed.url.includes('secret=')) {
      const url = signed.url.replace(/secret=[^&]*/, 'secret=guess');
      expect(await kindOf(receive({ ...signed, url }))).toBe('unauthorized');
      expect(await kindOf(receive({ ...signed, url: signed.url.replace(/\?.*/, '') }))).toBe('unauthorized');
    }
  });

  if (traits.coversBody !== false) {
    test('a webhook whose body was changed by one letter is refused', async () => {
      const signed = traits.sign(traits.genuine, NOW);
      const body = Buffer.from(signed.body);
      const at = body.indexOf('@');
      body.writeUInt8(at < 0 ? 0x20 : (body[at - 1] ?? 0) ^ 1, Math.max(at - 1, 0));
      expect(await kindOf(receive({ ...signed, body }))).toBe('unauthorized');
    });
  }

  const { window } = traits;
  if (window !== undefined) {
    test('a webhook signed outside the clock window is refused', async () => {
      expect(await kindOf(receive(traits.sign(traits.genuine, NOW - (window - 5) * 1000)))).toBe('accepted');
      expect(await kindOf(receive(traits.sign(traits.genuine, NOW - (window + 5) * 1000)))).toBe('unauthorized');
      expect(await kindOf(receive(traits.sign(traits.genuine, NOW + (window + 5) * 1000)))).toBe('unauthorized');
    });

    test('a replayed webhook has the same replay key, another one has not', async () => {
      const key = async (body: string, at: number) => (await receive(traits.sign(body, at)))?.replayKey;
      expect(await key(traits.genuine, NOW)).toBeDefined();
      expect(await key(traits.genuine, NOW)).toBe(await key(traits.genuine, NOW));
      expect(await key(traits.genuine, NOW)).not.toBe(await key(traits.genuine, NOW - 2000));
    });
  }

  test('kinds nobody knows are counted by name and report nothing', async () => {
    const received = await receive(traits.sign(traits.unknown.body, NOW));
    expect(received?.reports).toEqual([]);
    expect(received?.unknown).toEqual([traits.unknown.kind]);
  });

  test('a genuine webhook that is malformed is invalid', async () => {
    expect(await kindOf(receive(traits.sign(traits.malformed ?? '{"half": ', NOW)))).toBe('invalid');
  });
}
