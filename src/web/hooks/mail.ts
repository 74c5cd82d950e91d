import express, { type Request, type RequestHandler, Router } from 'express';
import { z } from 'zod';
import { HushError } from '../../core/errors.js';
import { MAX_MAIL_BYTES, type MailIn } from '../../inbound/mail/mail-in.js';
import type { ApiKey } from '../../store/api-keys.js';
import { invalidFrom } from '../api/route.js';

const flag = z
  .enum(['', '0', '1', 'true', 'false'], { error: 'write 1 or 0' })
  .optional()
  .transform((value) => value === '1' || value === 'true' || value === '');
const recipient = z.string().min(3).max(320);
const querySchema = z.strictObject({
  dryRun: flag,
  to: z
    .union([recipient, z.array(recipient).max(100, 'at most 100 recipients')])
    .optional()
    .transform((to) => (to === undefined ? [] : [to].flat())),
});

/**
 * `POST /hooks/mail`: one raw `message/rfc822`, with an API key that has the scope `inbound`. `?to=` gives a recipient of the
 * envelope (repeat it for more), `?dryRun=1` records nothing. To be mounted at `/hooks`, before the hooks of destinations.
 *
 * @example
 * app.use('/hooks', createMailHook({ mailIn, authenticate }));
 * // curl -H 'Authorization: Bearer hk_…' -H 'Content-Type: message/rfc822' --data-binary @bounce.eml …/hooks/mail
 */
export function createMailHook(parts: {
  readonly mailIn: Pick<MailIn, 'receive'>;
  /** As `createAuthenticate` makes it. Throws HushError `unauthorized`. */
  readonly authenticate: (request: Request) => Promise<ApiKey>;
}): Router {
  const router = Router();

  // Before the body is read: who may not post need not upload.
  const allow: RequestHandler = async (request, response, next) => {
    const key = await parts.authenticate(request);
    if (!key.scopes.includes('inbound')) {
      throw new HushError('forbidden', 'this key lacks the scope inbound', {
        remedy: 'make a key with it: hush keys create --scopes inbound',
      });
    }
    const query = querySchema.safeParse(request.query);
    if (!query.success) throw invalidFrom(query.error, 'query.');
    response.locals.query = query.data;
    next();
  };

  const raw = express.raw({ type: () => true, limit: MAX_MAIL_BYTES, inflate: false });
  const body: RequestHandler = (request, response, next) =>
    raw(request, response, (error: unknown) => {
      const status = error instanceof Error && 'status' in error ? error.status : undefined;
      if (status === 413) {
        return next(
          new HushError('too_large', 'this message is larger than 10 MB', {
            remedy: 'send the report without its attachments; its headers are enough',
          }),
        );
      }
      if (status === 415) {
        return next(
          new HushError('invalid', 'the message is compressed', {
            field: 'content-encoding',
            remedy: 'send it as it was received',
          }),
        );
      }
      next(error);
    });

  router.post('/mail', allow, body, async (request, response) => {
    if (!Buffer.isBuffer(request.body) || request.body.length === 0) {
      throw new HushError('invalid', 'there is no message', {
        field: 'body',
        remedy: 'send one raw message as message/rfc822 (curl: --data-binary @message.eml)',
      });
    }
    const { dryRun, to }: z.output<typeof querySchema> = response.locals.query;
    response.json(await parts.mailIn.receive(request.body, { via: 'api', dryRun, envelopeTo: to }));
  });
  return router;
}
