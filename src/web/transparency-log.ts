import { type RequestHandler, type Response, Router } from 'express';
import type { JSONWebKeySet } from 'jose';
import type { LogSigner } from '../audit/log-keys.js';
import { publishedNote } from '../audit/proofs.js';
import { entryBundle, parseTilePath, TILE_WIDTH, type TileName, tileWidth } from '../core/tile.js';
import type { LogStores } from '../store/log-stores.js';

// A tile never changes under its name (tlog-tiles: "This endpoint is immutable").
const FOR_EVER = 'public, max-age=31536000, immutable';
// tlog-tiles: "its headers SHOULD prevent caching beyond a few seconds".
const SECONDS = 'public, max-age=1';
const MINUTES = 'public, max-age=300';

/**
 * The log for everybody, to be mounted at `/log`: `checkpoint`, `tile/L/N[.p/W]`, `tile/entries/N[.p/W]` (C2SP
 * tlog-tiles), `vkey` (verifier keys, a line each) and `jwks.json` (keys of consent receipts).
 *
 * @example
 * app.use('/log', createLogRoutes({ stores, signer, jwks: () => receipts.jwks() }));
 */
export function createLogRoutes(parts: {
  readonly stores: LogStores;
  readonly signer: LogSigner;
  readonly jwks: () => Promise<JSONWebKeySet>;
}): Router {
  const { signer, jwks } = parts;
  const { leaves, checkpoints } = parts.stores;
  const router = Router({ caseSensitive: true, strict: true });
  /** Size last seen published. It only grows, so what it covers needs no look at the store. */
  let covered = 0;

  async function published(tile: TileName): Promise<boolean> {
    const isCovered = () => tileWidth(covered, tile.level, tile.index) >= tile.width;
    if (!isCovered()) covered = Math.max(covered, (await checkpoints.latest())?.size ?? 0);
    return isCovered();
  }

  async function bytesOf(tile: TileName): Promise<Buffer | undefined> {
    if (!(await published(tile))) return undefined;
    if (tile.kind === 'hashes') return (await leaves.readTiles([tile]))[0];
    const first = tile.index * TILE_WIDTH;
    const rows = await leaves.range(first, first + tile.width);
    return rows.length === tile.width ? entryBundle(rows.map(({ entry }) => entry)) : undefined;
  }

  router.get('/checkpoint', async (_request, response) => {
    const latest = await checkpoints.latest();
    if (!latest) return notFound(response, 'no checkpoint has been signed yet');
    response.set('Cache-Control', SECONDS).type('text/plain; charset=utf-8').send(publishedNote(latest));
  });

  router.get('/vkey', async (_request, response) => {
    response
      .set('Cache-Control', MINUTES)
      .type('text/plain; charset=utf-8')
      .send(await signer.vkeys());
  });

  router.get('/jwks.json', async (_request, response) => {
    response
      .set('Cache-Control', MINUTES)
      .type('application/jwk-set+json')
      .send(JSON.stringify(await jwks()));
  });

  const serveTile: RequestHandler = async (request, response) => {
    const tile = parseTilePath(request.path.slice(1));
    const bytes = tile && (await bytesOf(tile));
    if (!bytes || bytes.length === 0) return notFound(response, 'the published log has no such tile');
    response.set('Cache-Control', FOR_EVER).type('application/octet-stream').send(bytes);
  };
  router.get('/tile/*rest', serveTile);

  return router;
}

/** Not to be cached: a tile that is not there now may be soon. */
function notFound(response: Response, why: string): void {
  response.status(404).set('Cache-Control', 'no-store').type('text/plain; charset=utf-8').send(`${why}\n`);
}
