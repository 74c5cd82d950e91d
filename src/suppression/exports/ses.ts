import { isObject } from '../import-policy.js';
import { byStatus, flag, isOnly, leftOut, optedOut, type Product } from './product.js';

const contact = ['EmailAddress'];

/**
 * What the AWS CLI prints of the account's suppression list, and of a contact list. Times are ISO 8601 or seconds since 1970.
 * @see https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_ListSuppressedDestinations.html
 * @see https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_ListContacts.html
 */
export const ses: Product = {
  title: 'Amazon SES',
  files: [
    {
      name: 'suppression list',
      needs: [contact, ['Reason']],
      contact,
      read: (row, options) =>
        byStatus({ row, options, contact, status: row.text('Reason'), times: ['LastUpdateTime'] }, 'Reason', {
          BOUNCE: 'bounced',
          COMPLAINT: 'complained',
        }),
    },
    {
      name: 'contact list',
      needs: [contact, ['UnsubscribeAll', 'TopicPreferences']],
      contact,
      read(row, options) {
        const said = { row, options, contact, times: ['LastUpdatedTimestamp'] };
        if (flag(row, 'UnsubscribeAll')) return optedOut({ ...said, status: 'UnsubscribeAll' });
        const topics = row.value('TopicPreferences');
        const out = (Array.isArray(topics) ? topics : []).filter(
          (topic) => isObject(topic) && topic.SubscriptionStatus === 'OPT_OUT',
        );
        if (out.some((topic) => isOnly(options, topic.TopicName)))
          return optedOut({ ...said, status: 'OPT_OUT of a topic' });
        return leftOut(out.length > 0 ? 'out of one topic only' : 'subscribed');
      },
    },
  ],
};
