import { byStatus, leftOut, type Product } from './product.js';

const contact = ['EmailAddress', 'Email Address', 'Email'];
const dates = ['Date', 'Date Unsubscribed', 'Unsubscribed Date', 'Date Suppressed', 'Date Bounced'];
const state = ['State', 'Status', 'Subscriber Status'];
const reason = ['SuppressionReason', 'Suppression Reason', 'Reason'];

/**
 * The subscribers of a list by state, and the suppression list, as the API gives them or as CSV. Times are those of the client's zone.
 * @see https://www.campaignmonitor.com/api/lists/#unsubscribed-subscribers and …/api/clients/#getting-suppression-list
 */
export const campaignMonitor: Product = {
  title: 'Campaign Monitor',
  order: 'dmy',
  files: [
    {
      name: 'suppression list',
      needs: [contact, reason],
      contact,
      read: (row, options) =>
        byStatus({ row, options, contact, status: row.text(...reason), times: dates }, 'SuppressionReason', {
          Unsubscribed: 'opted_out',
          Bounced: 'bounced',
          'Hard bounced': 'bounced',
          'Marked as spam': 'complained',
          MarkedAsSpam: 'complained',
          'Spam complaint': 'complained',
          Complained: 'complained',
          Manual: 'opted_out',
          ManuallySuppressed: 'opted_out',
          Suppressed: 'opted_out',
        }),
    },
    {
      name: 'subscribers with a state',
      needs: [contact, state],
      without: reason,
      contact,
      read(row, options) {
        if (row.text(...state) === '') return leftOut('no state');
        return byStatus({ row, options, contact, status: row.text(...state), times: dates }, 'State', {
          Active: 'left_out',
          Unconfirmed: 'left_out',
          Deleted: 'left_out',
          Unsubscribed: 'opted_out',
          Suppressed: 'opted_out',
          Bounced: 'bounced',
        });
      },
    },
    {
      name: 'unsubscribed subscribers',
      needs: [contact, ['Date Unsubscribed', 'Unsubscribed Date']],
      without: [...state, ...reason],
      contact,
      read: (row, options) =>
        byStatus({ row, options, contact, status: 'Unsubscribed', times: dates }, 'Date Unsubscribed', {
          Unsubscribed: 'opted_out',
        }),
    },
  ],
};
