import { byStatus, flag, leftOut, optedOut, optedOutOfTexts, type Product } from './product.js';

const contact = ['EMAIL', 'email'];
const blocklisted = [
  'EMAIL_BLOCKLISTED',
  'EMAIL_BLACKLISTED',
  'emailBlacklisted',
  'Email blocklisted',
  'BLACKLISTED',
  'Blocklisted',
];
const textsBlocked = ['SMS_BLOCKLISTED', 'SMS_BLACKLISTED', 'smsBlacklisted', 'SMS blocklisted'];
const reason = ['reason.code', 'Reason', 'blocked reason', 'Blocklist reason'];

/**
 * An export of contacts with the blocklist columns, the blocked contacts of transactional mail, and both as the API gives them. CSV is
 * separated by semicolons, dates have the day first.
 * @see https://help.brevo.com/hc/en-us/articles/209499265 (export), https://developers.brevo.com/reference/getcontacts
 * @see https://developers.brevo.com/reference/gettransacblockedcontacts
 */
export const brevo: Product = {
  title: 'Brevo',
  order: 'dmy',
  files: [
    {
      name: 'blocked contacts',
      needs: [contact, reason],
      without: blocklisted,
      contact,
      read: (row, options) =>
        byStatus(
          { row, options, contact, status: row.text(...reason), times: ['blockedAt', 'Blocked at', 'Date'] },
          'Reason',
          {
            unsubscribedViaMA: 'opted_out',
            unsubscribedViaEmail: 'opted_out',
            unsubscribedViaApi: 'opted_out',
            adminBlocked: 'opted_out',
            unsubscribed: 'opted_out',
            'Admin blocked': 'opted_out',
            hardBounce: 'bounced',
            'Hard bounced': 'bounced',
            contactFlaggedAsSpam: 'complained',
            'Flagged as spam': 'complained',
            Complaint: 'complained',
          },
        ),
    },
    {
      name: 'contacts',
      needs: [contact, blocklisted],
      contact,
      read(row, options) {
        const [column = '', ...others] = blocklisted;
        const said = { row, options, status: 'blocklisted' };
        // The last change is of whatever it was: no time of the opt-out.
        const isOut = flag(row, column, ...others);
        const email = isOut ? optedOut({ ...said, contact, times: [] }) : leftOut('not blocklisted');
        const [sms = '', ...more] = textsBlocked;
        if (!flag(row, sms, ...more)) return email;
        return [email, optedOutOfTexts({ ...said, contact: ['SMS', 'attributes.SMS'], times: [] })];
      },
    },
  ],
};
