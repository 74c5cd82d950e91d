import { bounced, complained, isOnly, leftOut, optedOut, type Product } from './product.js';

const contact = ['address'];
const times = ['created_at', 'createdAt'];
const created = ['created_at', 'createdAt'];

/** Tags of an unsubscribe: `*` is all mail. As JSON a list, as CSV text such as `*` or `["*"]`. */
const tagsOf = (text: string): string[] =>
  text
    .replace(/[[\]"']/g, '')
    .split(/[,;\s]+/)
    .filter((tag) => tag !== '');

/**
 * The CSV files of Suppressions and the pages of the API (`items`): times as in mail (RFC 2822).
 * @see https://documentation.mailgun.com/docs/mailgun/user-manual/suppressions/
 */
export const mailgun: Product = {
  title: 'Mailgun',
  files: [
    {
      name: 'bounces',
      needs: [contact, ['code'], ['error'], created],
      contact,
      read: (row, options) =>
        /^4/.test(row.text('code'))
          ? leftOut('temporary bounce')
          : bounced({ row, options, contact, status: 'bounce', times }),
    },
    {
      name: 'unsubscribes',
      needs: [contact, ['tag', 'tags'], created],
      contact,
      read(row, options) {
        const tags = tagsOf(row.text('tags', 'tag'));
        if (tags.length === 0 || tags.includes('*') || isOnly(options, ...tags))
          return optedOut({ row, options, contact, status: 'unsubscribe', times });
        return leftOut('out of one tag only');
      },
    },
    {
      name: 'complaints',
      needs: [contact, created],
      without: ['code', 'error', 'tag', 'tags', 'type', 'reason', 'value'],
      contact,
      read: (row, options) => complained({ row, options, contact, status: 'complaint', times }),
    },
  ],
};
