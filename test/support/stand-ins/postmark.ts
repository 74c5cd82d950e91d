import { z } from 'zod';
import { looksLikeEmail, refuse, startServer } from './server.js';

const body = z.strictObject({ Suppressions: z.array(z.strictObject({ EmailAddress: z.string() })) });

/** Postmark's suppressions of the stream `broadcast`. */
export async function startPostmark(token = 'postmark-stand-in-token') {
  const held = new Map<string, { reason: string; origin: string }>();
  const stream = (name = '') => name === 'broadcast' || refuse(422, { ErrorCode: 1226, Message: 'stream not found' });
  const asked = (json: unknown) => {
    const parsed = body.safeParse(json);
    if (!parsed.success) return refuse(422, { ErrorCode: 402, Message: 'wrong JSON' });
    if (parsed.data.Suppressions.length > 50) return refuse(422, { ErrorCode: 1234, Message: 'at most 50' });
    return parsed.data.Suppressions.map((one) => one.EmailAddress);
  };
  const server = await startServer({
    authorised: ({ headers }) => headers['x-postmark-server-token'] === token,
    unauthorised: { status: 401, json: { ErrorCode: 10, Message: 'Bad or missing Server API token.' } },
    routes: {
      'POST /message-streams/:stream/suppressions': ({ params, json }) => {
        stream(params.stream);
        const Suppressions = asked(json).map((EmailAddress) => {
          if (!looksLikeEmail(EmailAddress) || EmailAddress.endsWith('.invalid')) {
            return {
              EmailAddress,
              Status: 'Failed',
              Message: `An invalid email address was provided: ${EmailAddress}`,
            };
          }
          const key = EmailAddress.toLowerCase();
          if (!held.has(key)) held.set(key, { reason: 'ManualSuppression', origin: 'Customer' });
          return { EmailAddress, Status: 'Suppressed', Message: null };
        });
        return { status: 200, json: { Suppressions } };
      },
      'POST /message-streams/:stream/suppressions/delete': ({ params, json }) => {
        stream(params.stream);
        const Suppressions = asked(json).map((EmailAddress) => {
          const key = EmailAddress.toLowerCase();
          if (held.get(key)?.reason === 'SpamComplaint') {
            return {
              EmailAddress,
              Status: 'Failed',
              Message: 'You do not have the required authority to change this suppression.',
            };
          }
          held.delete(key);
          return { EmailAddress, Status: 'Deleted', Message: null };
        });
        return { status: 200, json: { Suppressions } };
      },
      'GET /message-streams/:stream/suppressions/dump': ({ params, query }) => {
        stream(params.stream);
        const only = query.get('EmailAddress')?.toLowerCase();
        const Suppressions = [...held]
          .filter(([address]) => only === undefined || address === only)
          .map(([EmailAddress, { reason, origin }]) => ({
            EmailAddress,
            SuppressionReason: reason,
            Origin: origin,
            CreatedAt: '2026-03-01T10:00:00-05:00',
          }));
        return { status: 200, json: { Suppressions } };
      },
    },
  });
  return { ...server, token, held };
}
