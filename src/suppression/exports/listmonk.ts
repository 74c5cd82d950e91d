import { isObject } from '../import-policy.js';
import {
  byStatus,
  type ExportOptions,
  type ExportRow,
  isOnly,
  leftOut,
  type Meaning,
  optedOut,
  type Product,
} from './product.js';

const contact = ['email'];
const times = ['updated_at'];

function subscriber(row: ExportRow, options: ExportOptions): Meaning {
  const said = { row, options, contact };
  if (row.text('status') === 'blocklisted') return optedOut({ ...said, status: 'blocklisted', times });
  const lists = row.value('lists');
  const subscriptions = (Array.isArray(lists) ? lists : []).filter(isObject);
  const out = subscriptions.filter((list) => list.subscription_status === 'unsubscribed');
  if (out.length > 0 && out.length === subscriptions.length)
    return optedOut({ ...said, status: 'unsubscribed from every list', times });
  if (out.some((list) => isOnly(options, list.id, list.name, list.uuid)))
    return optedOut({ ...said, status: 'unsubscribed from a list', times });
  if (out.length > 0) return leftOut('out of one list only');
  return byStatus({ ...said, status: row.text('status') || 'no status', times }, 'status', {
    enabled: 'left_out',
    disabled: 'left_out',
    'no status': 'left_out',
  });
}

/**
 * The CSV of the subscribers page, whose status is that of the person, and the answers of the API, which have each list. `disabled` is
 * set by the people who run it and is no opt-out.
 * @see https://listmonk.app/docs/apis/subscribers/ and https://listmonk.app/docs/apis/bounces/
 */
export const listmonk: Product = {
  title: 'listmonk',
  files: [
    {
      name: 'bounces',
      needs: [contact, ['type'], ['created_at'], ['source', 'campaign', 'subscriber_id']],
      without: ['status'],
      contact,
      read: (row, options) =>
        byStatus({ row, options, contact, status: row.text('type'), times: ['created_at'] }, 'type', {
          hard: 'bounced',
          soft: 'left_out',
          complaint: 'complained',
        }),
    },
    { name: 'subscribers', needs: [contact, ['status'], ['uuid']], contact, read: subscriber },
  ],
};
