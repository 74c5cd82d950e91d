import { bounced, complained, isOnly, leftOut, optedOut, type Product } from './product.js';

const contact = ['email', 'recipient_email'];
const times = ['created', 'created_at'];

/**
 * The files of Suppressions, and the answers of the API as they are: times in seconds since 1970. Blocks have the columns of bounces,
 * and no address is wrong there: they are told by the file's name, else by the status (4.x.x, and 5.7.x, which is a policy).
 * @see https://www.twilio.com/docs/sendgrid/api-reference/suppressions and …/blocks-api, …/bounces-api, …/spam-reports-api
 */
export const sendgrid: Product = {
  title: 'SendGrid',
  files: [
    {
      name: 'bounces',
      needs: [contact, ['created'], ['reason'], ['status']],
      contact,
      read(row, options) {
        const status = row.text('status');
        if (/block/i.test(options.file)) return leftOut('blocked');
        if (/^4/.test(status) || /^5\.7\./.test(status)) return leftOut('blocked or temporary bounce');
        return bounced({ row, options, contact, status: 'bounce', times });
      },
    },
    {
      name: 'spam reports',
      needs: [contact, ['created'], ['ip']],
      without: ['reason'],
      contact,
      read: (row, options) => complained({ row, options, contact, status: 'spam report', times }),
    },
    {
      name: 'invalid emails',
      needs: [contact, ['created'], ['reason']],
      without: ['status'],
      contact,
      read: (row, options) => bounced({ row, options, contact, status: 'invalid email', times }),
    },
    {
      name: 'unsubscribes of a group',
      needs: [contact, ['group_id', 'group_name']],
      contact,
      read(row, options) {
        if (!isOnly(options, row.text('group_id'), row.text('group_name'))) return leftOut('out of one group only');
        return optedOut({ row, options, contact, status: 'group unsubscribe', times });
      },
    },
    {
      name: 'global unsubscribes',
      needs: [contact, ['created']],
      without: ['reason', 'status', 'ip', 'group_id', 'group_name'],
      contact,
      read: (row, options) => optedOut({ row, options, contact, status: 'global unsubscribe', times }),
    },
    {
      name: 'addresses of one group, from its API',
      needs: [['address alone']],
      contact: ['address alone'],
      read: (row, options) =>
        optedOut({ row, options, contact: ['address alone'], status: 'group unsubscribe', times: [] }),
    },
  ],
};
