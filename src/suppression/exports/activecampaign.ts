import { byStatus, type Product } from './product.js';

const contact = ['Email', 'Email Address'];
const status = ['Status', 'List Status', 'Contact Status', 'Subscription Status'];
const NUMBERS: Readonly<Record<string, string>> = {
  '-1': 'any',
  '0': 'Unconfirmed',
  '1': 'Active',
  '2': 'Unsubscribed',
  '3': 'Bounced',
};

/**
 * An export of contacts with their status in a list: four there are, in words or by the numbers of the API.
 * @see https://help.activecampaign.com/hc/en-us/articles/221073788-Contact-list-statuses-explained
 * @see https://help.activecampaign.com/hc/en-us/articles/115001344304 (export contacts)
 */
export const activecampaign: Product = {
  title: 'ActiveCampaign',
  order: 'mdy',
  files: [
    {
      name: 'contacts',
      needs: [contact, status],
      contact,
      read(row, options) {
        const text = row.text(...status);
        const times = ['Unsubscribe Date', 'Unsubscribed Date', 'Date Unsubscribed', 'Unsubscribed At', 'udate'];
        const said = { row, options, contact, status: NUMBERS[text] ?? (text === '' ? 'no status' : text), times };
        return byStatus(said, 'Status', {
          Active: 'left_out',
          Confirmed: 'left_out',
          Subscribed: 'left_out',
          Unconfirmed: 'left_out',
          any: 'left_out',
          'no status': 'left_out',
          Unsubscribed: 'opted_out',
          Bounced: 'bounced',
        });
      },
    },
  ],
};
