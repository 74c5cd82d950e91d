import { HushError } from '../../core/errors.js';
import { ownNumberFrom } from '../../staff/caller-text.js';
import type { FindCaller } from '../../staff/find-caller.js';
import type { Visit } from './shell.js';

const PAGES = {
  receipt: { path: '/staff/receipts', permission: 'receipts.read' },
  request: { path: '/staff/requests', permission: 'requests.read' },
} as const;

async function isAddress(find: Pick<FindCaller, 'find'>, text: string): Promise<boolean> {
  try {
    return (await find.find(text)).length > 0;
  } catch (error) {
    if (error instanceof HushError && error.kind === 'invalid') return false;
    throw error;
  }
}

/**
 * The page of a receipt or of a request whose number was typed into a search for people: it names nobody. Undefined where the
 * text is an address (a phone number may be as long as a reference), or the page is not the visitor's.
 *
 * @param find without it every number of that form is taken for one of ours
 */
export async function ownPageOf(
  visit: Visit,
  text: string,
  find?: Pick<FindCaller, 'find'>,
): Promise<string | undefined> {
  const own = ownNumberFrom(text);
  const page = own && PAGES[own.kind];
  if (!own || !page || !visit.may(page.permission)) return undefined;
  return find && (await isAddress(find, text)) ? undefined : `${page.path}/${own.id}`;
}
