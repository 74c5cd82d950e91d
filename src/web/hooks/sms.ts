import express, { type RequestHandler, Router } from 'express';
import { HushError } from '../../core/errors.js';
import type { TextIn } from '../../inbound/sms/text-in.js';
import { isSignedByTwilio, textFromTwilio, twiml } from '../../inbound/sms/twilio.js';

/** A text of ten segments with its parameters has some 3 kB. */
const LARGEST = '64kb';
/** Some thirty, and three a medium of which there are ten at most. */
const MAX_FIELDS = 300;

/**
 * `POST /hooks/sms`: what Twilio (or who speaks like it) posts for a text that came in. The signature is checked first;
 * without a genuine one the answer is 401 and nothing is recorded. Answers TwiML. To be mounted at `/hooks`, before the
 * hooks of destinations, and only where texts are configured.
 */
export function createTextHook(parts: {
  readonly textIn: TextIn;
  /** Auth tokens of the account; two while one is changed for another. */
  readonly authTokens: readonly string[];
  /** Origin of the URL that Twilio is given, without a slash at the end: the signature covers it. */
  readonly publicUrl: () => string;
}): Router {
  const router = Router();
  const body = express.text({ type: () => true, limit: LARGEST, defaultCharset: 'utf-8', inflate: false });
  const unsigned = () =>
    new HushError('unauthorized', 'this is not signed with the account’s auth token', {
      remedy: `give Twilio exactly this URL: ${parts.publicUrl()}/hooks/sms, and set HUSH_SMS_AUTH_TOKEN to its auth token`,
    });
  /** Before the body is read and its fields are counted: what carries no signature is not genuine. */
  const carriesSignature: RequestHandler = (request, _response, next) =>
    next(request.get('x-twilio-signature') ? undefined : unsigned());

  router.post('/sms', carriesSignature, body, async (request, response) => {
    const fields: string = typeof request.body === 'string' ? request.body : '';
    if (fields.split('&', MAX_FIELDS + 1).length > MAX_FIELDS) throw unsigned();
    const form = new URLSearchParams(fields);
    const url = `${parts.publicUrl()}${request.originalUrl}`;
    if (!isSignedByTwilio(parts.authTokens, url, form, request.get('x-twilio-signature') ?? '')) throw unsigned();
    const text = textFromTwilio(form);
    const result = text && (await parts.textIn.receive(text));
    response.type('text/xml').send(twiml(result?.reply));
  });
  return router;
}
