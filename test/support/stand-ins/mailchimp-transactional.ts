import { z } from 'zod';
import { type Asked, looksLikeEmail, refuse, startServer } from './server.js';

const common = { key: z.string(), email: z.string(), subaccount: z.string().optional() };
const addBody = z.strictObject({ ...common, comment: z.string().max(255).optional() });
const body = z.strictObject(common);

/** Mandrill's denylists: of the account (under ''), and of the subaccount `offers`. Every error is a 500 with a name. */
export async function startMandrill(key = 'mandrill-stand-in-key') {
  const lists = new Map<string, Map<string, string>>([
    ['', new Map()],
    ['offers', new Map()],
  ]);
  const allowed = new Set<string>();
  const fail = (name: string, message: string) => refuse(500, { status: 'error', code: -1, name, message });
  function checked<T extends { email: string; subaccount?: string | undefined }>(schema: z.ZodType<T>, json: unknown) {
    const parsed = schema.safeParse(json);
    if (!parsed.success) return fail('ValidationError', 'Validation error');
    const list = lists.get(parsed.data.subaccount ?? '') ?? fail('Unknown_Subaccount', 'No subaccount exists');
    return { email: parsed.data.email, at: parsed.data.email.toLowerCase(), list };
  }
  const keyOf = ({ json }: Asked) => z.object({ key: z.string() }).safeParse(json).data?.key;
  const server = await startServer({
    authorised: (asked) => keyOf(asked) === key,
    unauthorised: { status: 500, json: { status: 'error', code: -1, name: 'Invalid_Key', message: 'Invalid API key' } },
    routes: {
      'POST /api/1.0/rejects/add.json': ({ json }) => {
        const { email, at, list } = checked(addBody, json);
        if (!looksLikeEmail(email) || email.endsWith('.invalid'))
          return fail('ValidationError', `The email ${email} is not valid`);
        if (allowed.has(at)) return { status: 200, json: { email, added: false } };
        if (!list.has(at)) list.set(at, 'custom');
        return { status: 200, json: { email, added: true } };
      },
      'POST /api/1.0/rejects/delete.json': ({ json }) => {
        const { email, at, list } = checked(body, json);
        return { status: 200, json: { email, deleted: list.delete(at), subaccount: null } };
      },
      'POST /api/1.0/rejects/list.json': ({ json }) => {
        const { email, at, list } = checked(body, json);
        const reason = list.get(at);
        const found =
          reason === undefined ? [] : [{ email, reason, created_at: '2026-03-01 10:00:00', expired: false }];
        return { status: 200, json: found };
      },
    },
  });
  return { ...server, key, lists, allowed };
}
