import { isObject } from '../import-policy.js';
import {
  byStatus,
  type ExportOptions,
  type ExportRow,
  leftOut,
  type Meaning,
  optedOutOfTexts,
  type Product,
} from './product.js';

const contact = ['Email', 'attributes.email'];
const phone = ['Phone Number', 'attributes.phone_number'];
const reason = ['Suppression Reason', 'Suppression Reasons', 'Reason', 'Reasons'];
const consent = ['Email Marketing Consent', 'attributes.subscriptions.email.marketing.consent'];
const texts = ['SMS Marketing Consent', 'attributes.subscriptions.sms.marketing.consent'];

const SUPPRESSED = {
  UNSUBSCRIBE: 'opted_out',
  UNSUBSCRIBED: 'opted_out',
  'Global unsubscribe': 'opted_out',
  SPAM_COMPLAINT: 'complained',
  'Marked as spam': 'complained',
  'Marked email as spam': 'complained',
  'Reported spam': 'complained',
  HARD_BOUNCE: 'bounced',
  'Hard bounced': 'bounced',
  Bounced: 'bounced',
  INVALID_EMAIL: 'bounced',
  'Soft bounced': 'left_out',
  SOFT_BOUNCE: 'left_out',
  USER_SUPPRESSED: 'opted_out',
  'Manually suppressed': 'opted_out',
  'Manually added': 'opted_out',
} as const;

/** The gravest of several reasons stands for them. */
const GRAVITY = ['spam', 'unsub', 'user', 'manual', 'hard', 'invalid', 'bounce'];
const gravest = (reasons: readonly string[]): string => [...reasons].sort((a, b) => rank(a) - rank(b))[0] ?? '';
const rank = (text: string): number => {
  const at = GRAVITY.findIndex((word) => text.toLowerCase().includes(word));
  return at === -1 ? GRAVITY.length : at;
};
const reasonsIn = (text: string): string[] =>
  text
    .replace(/[[\]"']/g, '')
    .split(/[,;|]/)
    .map((one) => one.trim())
    .filter((one) => one !== '');

function email(row: ExportRow, options: ExportOptions): Meaning {
  const status = row.text(...consent);
  const said = { row, options, contact };
  const stamps = ['Email Marketing Consent Timestamp', 'attributes.subscriptions.email.marketing.consent_timestamp'];
  if (status.toUpperCase().startsWith('UNSUB'))
    return byStatus({ ...said, status: 'UNSUBSCRIBED', times: stamps }, 'Email Marketing Consent', SUPPRESSED);
  const listed = row.value('attributes.subscriptions.email.marketing.suppression');
  const reasons = [
    ...(Array.isArray(listed) ? listed : []).flatMap((one) => (isObject(one) ? [String(one.reason ?? '')] : [])),
    ...reasonsIn(row.text('Email Suppressions')),
  ];
  if (reasons.length > 0)
    return byStatus({ ...said, status: gravest(reasons), times: [] }, 'Email Suppressions', SUPPRESSED);
  return leftOut(status === '' ? 'no consent said' : status.toLowerCase());
}

/**
 * The suppressed profiles, exports of lists and segments with their consents, and profiles as the API gives them. Times are UTC.
 * @see https://help.klaviyo.com/hc/en-us/articles/115005246108 (suppressed profiles)
 * @see https://developers.klaviyo.com/en/reference/get_profiles (consent, suppression reasons)
 */
export const klaviyo: Product = {
  title: 'Klaviyo',
  files: [
    {
      name: 'suppressed profiles',
      needs: [contact, reason],
      contact,
      read(row, options) {
        const times = ['Timestamp', 'Suppressed At', 'Suppression Timestamp', 'Date', 'Date Suppressed'];
        const status = gravest(reasonsIn(row.text(...reason)));
        return byStatus({ row, options, contact, status, times }, 'Reason', SUPPRESSED);
      },
    },
    {
      name: 'profiles of a list or segment',
      needs: [contact, [...consent, 'Email Suppressions']],
      contact,
      read(row, options) {
        const isOut = row
          .text(...texts)
          .toUpperCase()
          .startsWith('UNSUB');
        const stamps = ['SMS Marketing Consent Timestamp', 'attributes.subscriptions.sms.marketing.consent_timestamp'];
        const out = optedOutOfTexts({ row, options, contact: phone, status: 'SMS unsubscribed', times: stamps });
        return isOut ? [email(row, options), out] : email(row, options);
      },
    },
  ],
};
