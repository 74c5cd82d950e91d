import { byStatus, type Product } from './product.js';

const contact = ['EmailAddress', 'Email Address', 'Email'];
const reason = ['SuppressionReason', 'Suppression Reason', 'Reason'];

/**
 * The suppressions of a message stream, as the API dumps them or the CSV of the stream's Suppressions page. `ManualSuppression` is an
 * unsubscribe, or an entry of the account's people: both say no more mail.
 * @see https://postmarkapp.com/developer/api/suppressions-api
 */
export const postmark: Product = {
  title: 'Postmark',
  files: [
    {
      name: 'suppressions',
      needs: [contact, reason, ['CreatedAt', 'Created At', 'Origin']],
      contact,
      read: (row, options) =>
        byStatus(
          { row, options, contact, status: row.text(...reason), times: ['CreatedAt', 'Created At'] },
          'SuppressionReason',
          {
            HardBounce: 'bounced',
            SpamComplaint: 'complained',
            ManualSuppression: 'opted_out',
            Unsubscribe: 'opted_out',
          },
        ),
    },
  ],
};
