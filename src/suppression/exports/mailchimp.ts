import { bounced, byStatus, complained, leftOut, optedOut, type Product } from './product.js';

const contact = ['Email Address', 'email_address'];
/** "The emails are spam and should be reported" is an answer of the unsubscribe form; an abuse report says `abuse`. */
const SPAM = /spam and should be reported|\babuse\b/i;

/**
 * The zip of an audience export: one CSV for the subscribed, unsubscribed, non-subscribed and cleaned each. Times are UTC.
 * @see https://mailchimp.com/help/view-export-contacts/ and https://mailchimp.com/help/about-your-contact-export-file/
 */
export const mailchimp: Product = {
  title: 'Mailchimp',
  files: [
    {
      name: 'unsubscribed contacts',
      needs: [contact, ['UNSUB_TIME', 'unsubscribe_time']],
      contact,
      read(row, options) {
        const said = { row, options, contact, status: 'unsubscribed', times: ['UNSUB_TIME', 'unsubscribe_time'] };
        // Files that somebody has joined have the columns of all: who never left has no time there.
        if (row.text(...said.times) === '' && !/^un|\/un/i.test(options.file)) {
          if (row.text('CLEAN_TIME') === '') return leftOut('without a time of leaving');
          return bounced({ ...said, status: 'cleaned', times: ['CLEAN_TIME'] });
        }
        return SPAM.test(row.text('UNSUB_REASON', 'unsubscribe_reason'))
          ? complained({ ...said, status: 'reported as spam' })
          : optedOut(said);
      },
    },
    {
      name: 'cleaned contacts',
      needs: [contact, ['CLEAN_TIME']],
      contact,
      read: (row, options) => bounced({ row, options, contact, status: 'cleaned', times: ['CLEAN_TIME'] }),
    },
    {
      name: 'contacts with a status',
      needs: [contact, ['status', 'Email Marketing Status', 'Contact Status']],
      without: ['UNSUB_TIME', 'CLEAN_TIME'],
      contact,
      read(row, options) {
        const status = row.text('Email Marketing Status', 'Contact Status', 'status');
        const times = ['LAST_CHANGED', 'last_changed'];
        return byStatus({ row, options, contact, status, times }, 'status', {
          subscribed: 'left_out',
          unsubscribed: 'opted_out',
          cleaned: 'bounced',
          pending: 'left_out',
          transactional: 'left_out',
          archived: 'left_out',
          'non-subscribed': 'left_out',
          nonsubscribed: 'left_out',
        });
      },
    },
    {
      name: 'subscribed or non-subscribed contacts',
      needs: [contact, ['MEMBER_RATING', 'OPTIN_TIME', 'LEID']],
      without: ['UNSUB_TIME', 'CLEAN_TIME', 'status', 'Email Marketing Status', 'Contact Status'],
      contact,
      read: () => leftOut('subscribed or non-subscribed'),
    },
  ],
};
