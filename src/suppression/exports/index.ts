import { HushError } from '../../core/errors.js';
import { activecampaign } from './activecampaign.js';
import { braze } from './braze.js';
import { brevo } from './brevo.js';
import { campaignMonitor } from './campaign-monitor.js';
import { constantContact } from './constant-contact.js';
import { hubspot } from './hubspot.js';
import { iterable } from './iterable.js';
import { klaviyo } from './klaviyo.js';
import { listmonk } from './listmonk.js';
import { mailchimp } from './mailchimp.js';
import { mailgun } from './mailgun.js';
import { postmark } from './postmark.js';
import { type ExportFile, folded, type Product } from './product.js';
import { sendgrid } from './sendgrid.js';
import { ses } from './ses.js';

/** Products whose exports are read, by the name that `from` has. */
const PRODUCTS = {
  mailchimp,
  sendgrid,
  hubspot,
  klaviyo,
  mailgun,
  ses,
  brevo,
  postmark,
  'constant-contact': constantContact,
  activecampaign,
  'campaign-monitor': campaignMonitor,
  braze,
  iterable,
  listmonk,
} as const satisfies Readonly<Record<string, Product>>;

export type ProductName = keyof typeof PRODUCTS;
export const PRODUCT_NAMES = Object.keys(PRODUCTS) as readonly ProductName[];
export const productOf = (from: ProductName): Product => PRODUCTS[from];

/** The kind of file that has these columns, and which product's it is. */
export interface FoundFile {
  readonly from: ProductName;
  readonly product: Product;
  readonly file: ExportFile;
  /** Place of the contact among the names. */
  readonly place: number;
}

const has = (names: ReadonlySet<string>, spellings: readonly string[]): boolean =>
  spellings.some((name) => names.has(folded(name)));

/** The first kind of file of a product that fits: a narrower kind stands before a wider one. */
function fileOf(from: ProductName, names: readonly string[]): FoundFile | undefined {
  const product = productOf(from);
  const known = new Set(names.map(folded));
  const file = product.files.find(
    ({ needs, without = [] }) => needs.every((one) => has(known, one)) && !without.some((name) => has(known, [name])),
  );
  if (!file) return undefined;
  const place = names.findIndex((name) => file.contact.some((contact) => folded(contact) === folded(name)));
  return { from, product, file, place };
}

/** Products that have a kind of file with these columns: those alone that know it by the most of them. */
function fitting(names: readonly string[]): FoundFile[] {
  const all = PRODUCT_NAMES.flatMap((from) => fileOf(from, names) ?? []);
  const most = Math.max(0, ...all.map(({ file }) => file.needs.length));
  return all.filter(({ file }) => file.needs.length === most);
}

/** What a name of a column may be repeated as: a file without a header has a person in its first line. */
const isName = (name: string): boolean => name.length <= 60 && !name.includes('@') && !/\d{5}/.test(name);

/** The kinds of file of a product, by what they are known by. */
const wanted = ({ files }: Product): string =>
  files.map(({ name, needs }) => `${needs.map(([first]) => first).join(' + ')} (${name})`).join(', or ');

/**
 * The kind of file that these names make, of the product that was chosen; `auto` takes the one product that has such a file.
 *
 * @throws HushError `invalid` that names the columns that were looked for, and the product it may be of
 */
export function foundFile(from: ProductName | 'auto', names: readonly string[]): FoundFile {
  const here = names.every(isName) ? `the file has: ${names.join(', ')}` : 'the first line seems to be no header';
  const others = fitting(names);
  const refuse = (message: string, remedy: string) => new HushError('invalid', message, { field: 'from', remedy });
  if (from === 'auto') {
    const [only] = others;
    if (only && others.length === 1) return only;
    if (!only)
      throw refuse(
        'the file is no export of a product that is known',
        `say which it is, from=… (${PRODUCT_NAMES.join(', ')}), or from=csv with column and type; ${here}`,
      );
    throw refuse(
      'several products have such a file',
      `say which it is: ${others.map((one) => `from=${one.from}`).join(' or ')}`,
    );
  }
  const found = fileOf(from, names);
  if (found) return found;
  const { title } = productOf(from);
  const guess = others.length > 0 ? `; it looks like from=${others.map((one) => one.from).join(' or from=')}` : '';
  throw refuse(
    `the file is no export of ${title} that can be read`,
    `looked for the columns ${wanted(productOf(from))}; ${here}${guess}; see docs/migrating/${from}.md`,
  );
}

/** Where the contact may be, for a reader that tries delimiters. */
export const contactPlacesIn = (from: ProductName | 'auto', names: readonly string[]): number[] =>
  (from === 'auto' ? fitting(names) : [fileOf(from, names)]).flatMap((found) => (found ? [found.place] : []));
