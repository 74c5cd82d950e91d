import { bounced, flag, folded, isOnly, leftOut, optedOut, type Product } from './product.js';

const contact = ['Email', 'email'];
const optOut = ['Unsubscribed from all email', 'hs_email_optout'];
const hardBounce = ['Email hard bounce reason', 'hs_email_hard_bounce_reason_enum', 'hs_email_hard_bounce_reason'];
const TYPE = /^opted out of email:?\s*(.+)$/i;

/**
 * An export of contacts with the property "Unsubscribed from all email". It says whether, not when.
 * @see https://knowledge.hubspot.com/import-and-export/export-records
 * @see https://knowledge.hubspot.com/properties/hubspots-default-contact-properties
 */
export const hubspot: Product = {
  title: 'HubSpot',
  files: [
    {
      name: 'contacts',
      needs: [contact, optOut],
      contact,
      read(row, options) {
        const said = { row, options, contact, times: [] };
        const [column = '', ...others] = optOut;
        if (flag(row, column, ...others)) return optedOut({ ...said, status: 'unsubscribed from all email' });
        const types = row.names.filter((name) => TYPE.test(name) && flag(row, name));
        if (types.some((name) => isOnly(options, name, TYPE.exec(name)?.[1])))
          return optedOut({ ...said, status: 'opted out of a subscription type' });
        if (
          hardBounce.some((name) => row.text(name) !== '') &&
          !/^(none|false|0)$/.test(folded(row.text(...hardBounce)))
        )
          return bounced({ ...said, status: 'hard bounce' });
        return leftOut(types.length > 0 ? 'out of one subscription type only' : 'not unsubscribed');
      },
    },
  ],
};
