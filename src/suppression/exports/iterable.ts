import { RowFault } from '../import.js';
import {
  bounced,
  complained,
  type ExportOptions,
  type ExportRow,
  isOnly,
  leftOut,
  type Meaning,
  optedOut,
  type Product,
} from './product.js';

const contact = ['email', 'Email'];
const times = ['createdAt', 'Created At'];

/** Ids in a cell or list: `[1, 2]`, `1;2`, `"1"`. */
const idsOf = (text: string): string[] => text.match(/\d+/g) ?? [];

/** Which kind of event a row is: by its name, else by the name of the file. */
function kindOf(row: ExportRow, { file }: ExportOptions): 'unsubscribe' | 'complaint' | 'bounce' | 'other' | undefined {
  const name = row.text('eventName', 'eventType', '_type', 'type') || file;
  if (/unsub/i.test(name)) return 'unsubscribe';
  if (/complaint/i.test(name)) return 'complaint';
  if (/bounce/i.test(name)) return 'bounce';
  return row.text('eventName', 'eventType', '_type', 'type') === '' ? undefined : 'other';
}

function eventOf(row: ExportRow, options: ExportOptions): Meaning {
  const said = { row, options, contact, times };
  switch (kindOf(row, options)) {
    case 'complaint':
      return complained({ ...said, status: 'complaint' });
    case 'bounce':
      return /soft/i.test(row.text('bounceType', 'recipientState'))
        ? leftOut('soft bounce')
        : bounced({ ...said, status: 'bounce' });
    case 'unsubscribe': {
      const message = idsOf(row.text('messageTypeIds', 'messageTypeId'));
      const all = row.text('channelIds', 'channelId', 'emailListIds', 'unsubSource') !== '' || message.length === 0;
      if (message.length > 0 && row.text('channelIds', 'channelId') === '' && !isOnly(options, ...message))
        return leftOut('out of one message type only');
      return all || message.length > 0
        ? optedOut({ ...said, status: 'unsubscribe' })
        : leftOut('unsubscribe of nothing');
    }
    case 'other':
      return leftOut('another event');
    case undefined:
      throw new RowFault(
        'eventName',
        'nothing says which event this is: keep the name of the file, such as emailUnSubscribe.csv',
      );
  }
}

/**
 * An export of users with their subscriptions, and of the events emailUnSubscribe, emailComplaint and emailBounce, as CSV or JSON lines.
 * A user out of a channel is out of all mail of it; out of a message type, out of that alone. Times have `+00:00`.
 * @see https://support.iterable.com/hc/en-us/articles/360047119391 (export user lists and campaign analytics)
 * @see https://api.iterable.com/api/docs#export_exportDataJson
 */
export const iterable: Product = {
  title: 'Iterable',
  files: [
    {
      name: 'users',
      needs: [contact, ['unsubscribedChannelIds', 'unsubscribedMessageTypeIds']],
      contact,
      read(row, options) {
        const said = { row, options, contact, times: [] };
        const channels = idsOf(row.text('unsubscribedChannelIds'));
        const types = idsOf(row.text('unsubscribedMessageTypeIds'));
        if (channels.length > 0) return optedOut({ ...said, status: 'unsubscribed from a channel' });
        if (types.length === 0) return leftOut('subscribed');
        return isOnly(options, ...types) || types.some((id) => isOnly(options, id))
          ? optedOut({ ...said, status: 'unsubscribed from a message type' })
          : leftOut('out of one message type only');
      },
    },
    {
      name: 'events',
      needs: [contact, ['createdAt']],
      without: ['unsubscribedChannelIds', 'unsubscribedMessageTypeIds'],
      contact,
      read: eventOf,
    },
  ],
};
