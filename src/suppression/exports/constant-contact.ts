import { byStatus, type Product } from './product.js';

const contact = ['Email address', 'Email'];

/**
 * An export of contacts; the opt-out has a date of its own. "No Permissions Set" and an empty status are people who were never asked.
 * @see https://knowledgebase.constantcontact.com/email-digital-marketing/articles/KnowledgeBase/5872 (export contacts)
 */
export const constantContact: Product = {
  title: 'Constant Contact',
  order: 'mdy',
  files: [
    {
      name: 'contacts',
      needs: [contact, ['Email status', 'Email permission status', 'Confirmed Opt-Out Date', 'Unsubscribed At']],
      contact,
      read(row, options) {
        const times = ['Confirmed Opt-Out Date', 'Unsubscribed At'];
        const hasDate = row.text(...times) !== '';
        const status = row.text('Email status', 'Email permission status') || (hasDate ? 'Unsubscribed' : 'no status');
        return byStatus({ row, options, contact, status, times }, 'Email status', {
          Unsubscribed: 'opted_out',
          'Opted out': 'opted_out',
          'Opt-out': 'opted_out',
          Removed: 'opted_out',
          Active: 'left_out',
          Confirmed: 'left_out',
          'Awaiting confirmation': 'left_out',
          Pending: 'left_out',
          'No permissions set': 'left_out',
          'Temporary hold': 'left_out',
          Express: 'left_out',
          Implied: 'left_out',
          'no status': 'left_out',
          Bounced: 'bounced',
          Undeliverable: 'bounced',
          'Non-existent address': 'bounced',
        });
      },
    },
  ],
};
