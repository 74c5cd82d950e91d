import { type NextFunction, type Request, type Response, Router } from 'express';
import { receiveLostLink, showLostLink } from './lost-link.js';
import type { PublicParts } from './public-parts.js';
import { receiveSignUp, showSignUp } from './sign-up.js';
import { showUnsubscribe, showUnsubscribed } from './unsubscribe.js';

function sendStyles({ pages }: Pick<PublicParts, 'pages'>, request: Request, response: Response, next: NextFunction) {
  if (`/assets/${String(request.params.name)}` !== pages.css.path) return next();
  response.type('css').set('Cache-Control', 'public, max-age=31536000, immutable').send(pages.css.text);
}

function sendBrandStyles(
  { catalog, pages }: Pick<PublicParts, 'catalog' | 'pages'>,
  request: Request,
  response: Response,
  next: NextFunction,
) {
  const brand = catalog.brands.find(({ id }) => `${id}.css` === String(request.params.name));
  if (!brand) return next();
  response.type('css').set('Cache-Control', 'public, max-age=86400').send(pages.brandCss(brand));
}

/** The pages that need no session: unsubscribe, confirm a sign-up, get a new link; and the styles of all. */
export function publicRoutes(parts: PublicParts): Router {
  const router = Router();
  router.get('/assets/:name', (request, response, next) => sendStyles(parts, request, response, next));
  router.get('/assets/brand/:name', (request, response, next) => sendBrandStyles(parts, request, response, next));
  router.get('/', (_request, response) => response.redirect(303, '/preferences'));
  router.get('/u/:token', (request, response) => showUnsubscribe(parts, request, response));
  // Reached only after the one-click handler recorded the opt-out, or with a token that is not ours.
  router.post('/u/:token', (request, response) => showUnsubscribed(parts, request, response));
  router.get('/preferences', (request, response) => showLostLink(parts, request, response));
  router.post('/preferences', (request, response) => receiveLostLink(parts, request, response));
  router.get('/confirm/:token', (request, response) => showSignUp(parts, request, response));
  router.post('/confirm/:token', (request, response) => receiveSignUp(parts, request, response));

  return router;
}
