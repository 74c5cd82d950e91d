import type { IncomingMessage } from 'node:http';
import express from 'express';

/**
 * The address of whoever asks, behind the proxies that `HUSH_TRUST_PROXY` names: the last one in `X-Forwarded-For` that is
 * not such a proxy. Works on requests that Express has not seen.
 */
export function createClientAddress(trustProxy: string | undefined): (request: IncomingMessage) => string {
  // Express compiles the setting; its own `request.ip` wants a request that went through the app.
  const trusts: (address: string, hop: number) => boolean = express()
    .set('trust proxy', trustProxySetting(trustProxy))
    .get('trust proxy fn');
  return (request) => {
    const peer = request.socket.remoteAddress ?? '';
    const forwarded = String(request.headers['x-forwarded-for'] ?? '')
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
      .reverse();
    const hops = [peer, ...forwarded];
    const found = hops.find((address, hop) => !trusts(address, hop));
    return (found ?? hops.at(-1) ?? '').slice(0, 45);
  };
}

/** `HUSH_TRUST_PROXY`: a number of proxies, or their addresses and networks as Express takes them. */
export function trustProxySetting(text: string | undefined): boolean | number | string {
  if (text === undefined || text === 'false') return false;
  return /^\d+$/.test(text) ? Number(text) : text;
}
