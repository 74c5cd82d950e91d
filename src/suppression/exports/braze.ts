import { bounced, byStatus, complained, optedOut, type Product } from './product.js';

const contact = ['email', 'Email'];

/**
 * The answers of the unsubscribe, hard bounce and spam endpoints, and the CSV of a segment or of users by id. Times are UTC.
 * @see https://www.braze.com/docs/api/endpoints/email/get_query_unsubscribed_email_addresses and …/get_query_hard_bounces
 * @see https://www.braze.com/docs/user_guide/data/export_braze_data/segment_data_to_csv
 */
export const braze: Product = {
  title: 'Braze',
  files: [
    {
      name: 'users',
      needs: [contact, ['email_subscribe', 'Email Subscription Status', 'Email Subscription']],
      contact,
      read(row, options) {
        const status = row.text('email_subscribe', 'Email Subscription Status', 'Email Subscription') || 'no state';
        const times = ['email_unsubscribed_at', 'Email Unsubscribed At'];
        return byStatus({ row, options, contact, status, times }, 'email_subscribe', {
          unsubscribed: 'opted_out',
          opted_out: 'opted_out',
          subscribed: 'left_out',
          opted_in: 'left_out',
          'no state': 'left_out',
        });
      },
    },
    {
      name: 'unsubscribed addresses',
      needs: [contact, ['unsubscribed_at']],
      contact,
      read: (row, options) => optedOut({ row, options, contact, status: 'unsubscribed', times: ['unsubscribed_at'] }),
    },
    {
      name: 'hard bounces',
      needs: [contact, ['hard_bounced_at']],
      contact,
      read: (row, options) => bounced({ row, options, contact, status: 'hard bounce', times: ['hard_bounced_at'] }),
    },
    {
      name: 'spam reports',
      needs: [contact, ['marked_as_spam_at', 'spam_at']],
      contact,
      read: (row, options) =>
        complained({ row, options, contact, status: 'marked as spam', times: ['marked_as_spam_at', 'spam_at'] }),
    },
  ],
};
