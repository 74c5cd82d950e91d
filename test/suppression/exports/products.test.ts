import { describe, expect, test } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import { foundFile, PRODUCT_NAMES, type ProductName } from '../../../src/suppression/exports/index.js';
import {
  type ExportOptions,
  type ExportRow,
  isLeftOut,
  type Meaning,
} from '../../../src/suppression/exports/product.js';
import { entriesOf, rowOfCells, rowOfJson } from '../../../src/suppression/exports/rows.js';
import { RowFault } from '../../../src/suppression/import.js';

const plain: ExportOptions = { file: '', only: undefined, timeZone: 'UTC', order: 'mdy' };

/** What happened, to whom, when; or why it is left out. */
function told(meaning: Meaning): string {
  if (isLeftOut(meaning)) return `– ${meaning.leftOut}`;
  const { type, contact, at, scope } = meaning as {
    type: string;
    contact: object;
    at?: string;
    scope?: { channel: string };
  };
  return [type, ...Object.values(contact), at?.replace(/\.000Z$/, 'Z'), scope?.channel].filter(Boolean).join(' ');
}

function readRow(from: ProductName | 'auto', row: ExportRow, options: Partial<ExportOptions>): string[] {
  const { file, product } = foundFile(from, row.names);
  try {
    return [file.read(row, { ...plain, order: product.order ?? 'mdy', ...options })].flat().map(told);
  } catch (error) {
    if (error instanceof RowFault) return [`! ${error.field}`];
    throw error;
  }
}

function csv(from: ProductName | 'auto', text: string, options: Partial<ExportOptions> = {}): string[] {
  const [names = [], ...rows] = parse(text, { relax_column_count: true, delimiter: [',', ';'] }) as string[][];
  return rows.flatMap((cells) => readRow(from, rowOfCells(names, cells), options));
}
const json = (from: ProductName | 'auto', value: unknown, options: Partial<ExportOptions> = {}): string[] =>
  (entriesOf(value) ?? []).flatMap((entry) => readRow(from, rowOfJson(entry), options));

describe('Mailchimp', () => {
  const common =
    'MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION';
  const values = '2,2017-06-13 15:08:21,,2017-06-13 15:08:21,203.0.113.9,,,,,,US,WI';

  test('unsubscribed people have opted out when they did, and who reports spam has complained', () => {
    const text = `"Email Address","First Name",${common},UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER,LEID,EUID,NOTES,TAGS
gone@example.com,Ana,${values},"2019-08-20 10:11:12","August",1,"No longer interested",,1,a,,
spam@example.com,Bo,${values},"2019-08-21 10:11:12","August",1,"The emails are spam and should be reported",,2,b,,
`;
    expect(csv('mailchimp', text)).toEqual([
      'opted_out gone@example.com 2019-08-20T10:11:12Z',
      'complained spam@example.com 2019-08-21T10:11:12Z',
    ]);
  });

  test('cleaned addresses bounced; subscribed and non-subscribed ones are left out', () => {
    const cleaned = `Email Address,${common},CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID,LEID,EUID,NOTES\nbad@example.com,${values},2020-01-02 03:04:05,x,1,1,a,\n`;
    expect(csv('mailchimp', cleaned)).toEqual(['bounced bad@example.com 2020-01-02T03:04:05Z']);
    const subscribed = `Email Address,${common},LAST_CHANGED,LEID,EUID,NOTES,TAGS\nin@example.com,${values},2020-01-02 03:04:05,1,a,,\n`;
    expect(csv('mailchimp', subscribed)).toEqual(['– subscribed or non-subscribed']);
  });

  test('in files that somebody has joined, who never left is neither', () => {
    const joined = `Email Address,${common},UNSUB_TIME,UNSUB_REASON,CLEAN_TIME\nin@example.com,${values},,,\ngone@example.com,${values},2019-08-20 10:11:12,,\nbad@example.com,${values},,,2020-01-02 03:04:05\n`;
    expect(csv('mailchimp', joined)).toEqual([
      '– without a time of leaving',
      'opted_out gone@example.com 2019-08-20T10:11:12Z',
      'bounced bad@example.com 2020-01-02T03:04:05Z',
    ]);
    const unsubscribed = `Email Address,UNSUB_TIME\ngone@example.com,\n`;
    expect(csv('mailchimp', unsubscribed, { file: 'unsubscribed_members_export_1.csv' })).toEqual([
      'opted_out gone@example.com',
    ]);
  });

  test('members as the interface gives them', () => {
    const members = ['subscribed', 'unsubscribed', 'cleaned', 'pending', 'transactional', 'archived'].map((status) => ({
      email_address: `${status}@example.com`,
      status,
      last_changed: '2023-05-04T03:02:01+00:00',
    }));
    expect(json('mailchimp', { members, list_id: 'x', total_items: 6 })).toEqual([
      '– subscribed',
      'opted_out unsubscribed@example.com 2023-05-04T03:02:01Z',
      'bounced cleaned@example.com 2023-05-04T03:02:01Z',
      '– pending',
      '– transactional',
      '– archived',
    ]);
  });
});

describe('SendGrid', () => {
  test('each list by its columns', () => {
    expect(csv('sendgrid', 'email,created\na@example.com,1443651141\n')).toEqual([
      'opted_out a@example.com 2015-09-30T22:12:21Z',
    ]);
    expect(csv('sendgrid', 'email,created,ip\na@example.com,1443651141,192.0.2.1\n')).toEqual([
      'complained a@example.com 2015-09-30T22:12:21Z',
    ]);
    expect(json('sendgrid', [{ created: 1443651141, email: 'a@example.com', reason: 'Known bad domain' }])).toEqual([
      'bounced a@example.com 2015-09-30T22:12:21Z',
    ]);
  });

  test('blocks are no bounces: by the name of the file, else by the status', () => {
    const rows =
      'status,reason,email,created\n5.1.1,no such user,a@example.com,1443651141\n4.0.0,try later,b@example.com,1443651141\n5.7.1,policy,c@example.com,1443651141\n';
    expect(csv('sendgrid', rows, { file: 'suppression_bounces.csv' })).toEqual([
      'bounced a@example.com 2015-09-30T22:12:21Z',
      '– blocked or temporary bounce',
      '– blocked or temporary bounce',
    ]);
    expect(new Set(csv('sendgrid', rows, { file: 'suppression_blocks.csv' }))).toEqual(new Set(['– blocked']));
  });

  test('who left one group has left that one: it counts where it is asked for', () => {
    const group = [
      { email: 'a@example.com', group_id: 1, group_name: 'Weekly', created_at: 1443651141 },
      { email: 'b@example.com', group_id: 2, group_name: 'Tips', created_at: 1443651141 },
    ];
    expect(json('sendgrid', group)).toEqual(['– out of one group only', '– out of one group only']);
    const weekly = ['opted_out a@example.com 2015-09-30T22:12:21Z', '– out of one group only'];
    expect(json('sendgrid', group, { only: 'weekly' })).toEqual(weekly);
    expect(json('sendgrid', group, { only: '1' })).toEqual(weekly);
    expect(json('sendgrid', ['a@example.com'])).toEqual(['opted_out a@example.com']);
  });
});

test('HubSpot: unsubscribed from all email, one subscription type where it is asked for, hard bounces', () => {
  const text = `Record ID,First Name,Last Name,Email,Unsubscribed from all email,Opted out of email: Marketing Information,Email hard bounce reason
1,A,B,all@example.com,true,true,
2,A,B,type@example.com,,Yes,
3,A,B,bounce@example.com,false,,UNKNOWN_USER
4,A,B,in@example.com,false,false,
5,A,B,odd@example.com,perhaps,,
`;
  expect(csv('hubspot', text)).toEqual([
    'opted_out all@example.com',
    '– out of one subscription type only',
    'bounced bounce@example.com',
    '– not unsubscribed',
    '! Unsubscribed from all email',
  ]);
  expect(csv('hubspot', text, { only: 'Marketing Information' })[1]).toBe('opted_out type@example.com');
});

describe('Klaviyo', () => {
  test('suppressed profiles by their reasons, the gravest of several', () => {
    const text = `Email,Reason,Timestamp
a@example.com,UNSUBSCRIBE,2023-02-21T20:07:38+00:00
b@example.com,SPAM_COMPLAINT,2023-02-21T20:07:38+00:00
c@example.com,HARD_BOUNCE,2023-02-21 20:07:38
d@example.com,INVALID_EMAIL,
e@example.com,USER_SUPPRESSED,
f@example.com,"[""HARD_BOUNCE"", ""SPAM_COMPLAINT""]",
g@example.com,SOMETHING_NEW,
`;
    expect(csv('klaviyo', text)).toEqual([
      'opted_out a@example.com 2023-02-21T20:07:38Z',
      'complained b@example.com 2023-02-21T20:07:38Z',
      'bounced c@example.com 2023-02-21T20:07:38Z',
      'bounced d@example.com',
      'opted_out e@example.com',
      'complained f@example.com',
      '! Reason',
    ]);
  });

  test('profiles with their consents, by email and by text', () => {
    const text = `Email,Klaviyo ID,First Name,Phone Number,Email Marketing Consent,Email Marketing Consent Timestamp,SMS Marketing Consent
a@example.com,1,A,,UNSUBSCRIBED,2023-02-21 20:07:38,
b@example.com,2,B,+14155550100,SUBSCRIBED,2023-02-21 20:07:38,UNSUBSCRIBED
c@example.com,3,C,,NEVER_SUBSCRIBED,,
`;
    expect(csv('klaviyo', text)).toEqual([
      'opted_out a@example.com 2023-02-21T20:07:38Z',
      '– subscribed',
      'opted_out +14155550100 sms',
      '– never_subscribed',
    ]);
  });

  test('profiles of the interface', () => {
    const profile = (email: string, marketing: object) => ({
      type: 'profile',
      id: '1',
      attributes: { email, phone_number: null, subscriptions: { email: { marketing }, sms: null } },
    });
    const suppression = [{ reason: 'HARD_BOUNCE', timestamp: '2023-02-21T20:07:38+00:00' }];
    const data = [
      profile('a@example.com', { consent: 'UNSUBSCRIBED', consent_timestamp: '2023-02-21T20:07:38+00:00' }),
      profile('b@example.com', { consent: 'SUBSCRIBED', suppression }),
      profile('c@example.com', { consent: 'NEVER_SUBSCRIBED', suppression: [] }),
    ];
    expect(json('klaviyo', { data, links: { next: null } })).toEqual([
      'opted_out a@example.com 2023-02-21T20:07:38Z',
      'bounced b@example.com',
      '– never_subscribed',
    ]);
  });
});

test('Mailgun: unsubscribes of all mail, of a tag where it is asked for, complaints, permanent bounces', () => {
  const at = '"Fri, 21 Oct 2011 11:02:55 GMT"';
  const tags = `address,tags,created_at\na@example.com,*,${at}\nb@example.com,"[""news""]",${at}\n`;
  expect(csv('mailgun', tags)).toEqual(['opted_out a@example.com 2011-10-21T11:02:55Z', '– out of one tag only']);
  expect(csv('mailgun', tags, { only: 'news' })[1]).toBe('opted_out b@example.com 2011-10-21T11:02:55Z');
  expect(csv('mailgun', `address,created_at\na@example.com,${at}\n`)).toEqual([
    'complained a@example.com 2011-10-21T11:02:55Z',
  ]);
  const items = [
    { address: 'a@example.com', code: '550', error: 'No such mailbox', created_at: 'Fri, 21 Oct 2011 11:02:55 GMT' },
    { address: 'b@example.com', code: '421', error: '', created_at: 'Fri, 21 Oct 2011 11:02:55 GMT' },
  ];
  expect(json('mailgun', { items, paging: { next: 'https://x.example' } })).toEqual([
    'bounced a@example.com 2011-10-21T11:02:55Z',
    '– temporary bounce',
  ]);
  expect(() => csv('mailgun', 'type,value,reason,createdAt\naddress,a@example.com,vip,x\n')).toThrow(
    /no export of Mailgun/,
  );
});

test('Amazon SES: the suppression list, and a contact list by all mail or one topic', () => {
  const SuppressedDestinationSummaries = [
    { EmailAddress: 'a@example.com', Reason: 'COMPLAINT', LastUpdateTime: '2020-03-31T20:40:00+02:00' },
    { EmailAddress: 'b@example.com', Reason: 'BOUNCE', LastUpdateTime: 1585680000.5 },
  ];
  expect(json('ses', { SuppressedDestinationSummaries })).toEqual([
    'complained a@example.com 2020-03-31T18:40:00Z',
    'bounced b@example.com 2020-03-31T18:40:00.500Z',
  ]);
  const topic = (TopicName: string, SubscriptionStatus: string) => ({ TopicName, SubscriptionStatus });
  const Contacts = [
    { EmailAddress: 'a@example.com', UnsubscribeAll: true, LastUpdatedTimestamp: '2020-03-31T18:40:00Z' },
    { EmailAddress: 'b@example.com', UnsubscribeAll: false, TopicPreferences: [topic('news', 'OPT_OUT')] },
    { EmailAddress: 'c@example.com', UnsubscribeAll: false, TopicPreferences: [topic('news', 'OPT_IN')] },
  ];
  expect(json('ses', { Contacts })).toEqual([
    'opted_out a@example.com 2020-03-31T18:40:00Z',
    '– out of one topic only',
    '– subscribed',
  ]);
  expect(json('ses', { Contacts }, { only: 'news' })[1]).toBe('opted_out b@example.com');
});

test('Brevo: semicolons, blocklisted contacts by email and text, reasons of blocked ones', () => {
  const text =
    'CONTACT ID;EMAIL;PRENOM;SMS;EMAIL_BLACKLISTED;SMS_BLACKLISTED\n1;a@example.com;A;;true;false\n2;b@example.com;B;33612345678;No;Yes\n3;c@example.com;C;;false;false\n';
  expect(csv('brevo', text)).toEqual([
    'opted_out a@example.com',
    '– not blocklisted',
    'opted_out +33612345678 sms',
    '– not blocklisted',
  ]);
  const contacts = ['unsubscribedViaEmail', 'hardBounce', 'contactFlaggedAsSpam', 'adminBlocked'].map((code) => ({
    email: `${code}@example.com`,
    senderEmail: 'us@example.com',
    reason: { code, message: 'x' },
    blockedAt: '2017-05-01T12:30:00Z',
  }));
  expect(json('brevo', { count: 4, contacts })).toEqual([
    'opted_out unsubscribedViaEmail@example.com 2017-05-01T12:30:00Z',
    'bounced hardBounce@example.com 2017-05-01T12:30:00Z',
    'complained contactFlaggedAsSpam@example.com 2017-05-01T12:30:00Z',
    'opted_out adminBlocked@example.com 2017-05-01T12:30:00Z',
  ]);
});

test('Postmark: suppressions by reason', () => {
  const one = (SuppressionReason: string) => ({
    EmailAddress: `${SuppressionReason}@example.com`,
    SuppressionReason,
    Origin: 'Recipient',
    CreatedAt: '2019-12-10T08:58:33-05:00',
  });
  expect(
    json('postmark', { Suppressions: ['HardBounce', 'SpamComplaint', 'ManualSuppression', 'Odd'].map(one) }),
  ).toEqual([
    'bounced HardBounce@example.com 2019-12-10T13:58:33Z',
    'complained SpamComplaint@example.com 2019-12-10T13:58:33Z',
    'opted_out ManualSuppression@example.com 2019-12-10T13:58:33Z',
    '! SuppressionReason',
  ]);
});

test('Constant Contact: who was never asked is left out', () => {
  const text = `Email address,First name,Email status,Email permission status,Confirmed Opt-Out Date,Confirmed Opt-Out Reason
a@example.com,A,Unsubscribed,Unsubscribed,08/31/2023 02:11 PM,too many
b@example.com,B,Active,Implied,,
c@example.com,C,Awaiting Confirmation,,,
d@example.com,D,No Permissions Set,,,
e@example.com,E,,,,
f@example.com,F,Bounced,,,
`;
  expect(csv('constant-contact', text)).toEqual([
    'opted_out a@example.com 2023-08-31T14:11:00Z',
    '– active',
    '– awaiting confirmation',
    '– no permissions set',
    '– no status',
    'bounced f@example.com',
  ]);
});

test('ActiveCampaign: four statuses, in words or numbers', () => {
  const text =
    'ID,Email,First Name,Status,Unsubscribe Date\n1,a@example.com,A,Unsubscribed,2023-05-04 03:02:01\n2,b@example.com,B,Active,\n3,c@example.com,C,Unconfirmed,\n4,d@example.com,D,3,\n';
  expect(csv('activecampaign', text)).toEqual([
    'opted_out a@example.com 2023-05-04T03:02:01Z',
    '– active',
    '– unconfirmed',
    'bounced d@example.com',
  ]);
});

test('Campaign Monitor: states, unsubscribed people, the suppression list', () => {
  const Results = ['Active', 'Unsubscribed', 'Bounced', 'Deleted', 'Unconfirmed'].map((State) => ({
    EmailAddress: `${State}@example.com`,
    Name: 'x',
    Date: '2010-10-25 10:28:00',
    State,
  }));
  expect(json('campaign-monitor', { Results, PageNumber: 1 }, { timeZone: 'Australia/Sydney' })).toEqual([
    '– active',
    'opted_out Unsubscribed@example.com 2010-10-24T23:28:00Z',
    'bounced Bounced@example.com 2010-10-24T23:28:00Z',
    '– deleted',
    '– unconfirmed',
  ]);
  expect(csv('campaign-monitor', 'Email Address,Name,Date Unsubscribed\na@example.com,A,25/10/2010\n')).toEqual([
    'opted_out a@example.com 2010-10-25',
  ]);
  const suppressed = [
    {
      EmailAddress: 'a@example.com',
      SuppressionReason: 'Marked as spam',
      Date: '2010-10-25 10:28:00',
      State: 'Suppressed',
    },
  ];
  expect(json('campaign-monitor', { Results: suppressed })).toEqual(['complained a@example.com 2010-10-25T10:28:00Z']);
});

test('Braze: users by their state, and the answers of its endpoints', () => {
  const text =
    'user_id,email,email_subscribe,email_unsubscribed_at\n1,a@example.com,unsubscribed,2023-05-04 03:02:01 UTC\n2,b@example.com,opted_in,\n3,c@example.com,subscribed,\n';
  expect(csv('braze', text)).toEqual(['opted_out a@example.com 2023-05-04T03:02:01Z', '– opted_in', '– subscribed']);
  const emails = [{ email: 'a@example.com', unsubscribed_at: '2016-08-25 15:24:32 +0000' }];
  expect(json('braze', { emails, message: 'success' })).toEqual(['opted_out a@example.com 2016-08-25T15:24:32Z']);
  const bounces = [{ email: 'a@example.com', hard_bounced_at: '2016-08-25 15:24:32 +0000' }];
  expect(json('braze', { emails: bounces, message: 'success' })).toEqual([
    'bounced a@example.com 2016-08-25T15:24:32Z',
  ]);
});

test('Iterable: users by channels and message types, events by name or file', () => {
  const text =
    'email,userId,emailListIds,unsubscribedChannelIds,unsubscribedMessageTypeIds\na@example.com,1,"[1]","[101]","[]"\nb@example.com,2,"[1]","[]","[202, 203]"\nc@example.com,3,"[1]","[]","[]"\n';
  expect(csv('iterable', text)).toEqual(['opted_out a@example.com', '– out of one message type only', '– subscribed']);
  expect(csv('iterable', text, { only: '203' })[1]).toBe('opted_out b@example.com');
  const event = (eventName: string, more: object = {}) => ({
    email: 'a@example.com',
    createdAt: '2017-07-29 18:30:11 +00:00',
    ...(eventName === '' ? {} : { eventName }),
    ...more,
  });
  expect(
    json('iterable', [
      event('emailUnSubscribe', { channelIds: [1] }),
      event('emailComplaint'),
      event('emailBounce'),
      event('emailOpen'),
    ]),
  ).toEqual([
    'opted_out a@example.com 2017-07-29T18:30:11Z',
    'complained a@example.com 2017-07-29T18:30:11Z',
    'bounced a@example.com 2017-07-29T18:30:11Z',
    '– another event',
  ]);
  expect(json('iterable', [event('')], { file: 'emailComplaint.json' })).toEqual([
    'complained a@example.com 2017-07-29T18:30:11Z',
  ]);
  expect(json('iterable', [event('')])).toEqual(['! eventName']);
});

test('listmonk: blocklisted people, people out of every list, bounces', () => {
  const text =
    'uuid,email,name,attributes,status,created_at,updated_at\n1,a@example.com,A,{},blocklisted,2023-05-04T03:02:01Z,2024-05-04T03:02:01.123456Z\n2,b@example.com,B,{},enabled,2023-05-04T03:02:01Z,\n3,c@example.com,C,{},disabled,2023-05-04T03:02:01Z,\n';
  expect(csv('listmonk', text)).toEqual(['opted_out a@example.com 2024-05-04T03:02:01Z', '– enabled', '– disabled']);
  const person = (email: string, ...states: string[]) => ({
    uuid: '1',
    email,
    status: 'enabled',
    updated_at: '2024-05-04T03:02:01Z',
    lists: states.map((subscription_status, id) => ({ id, name: `list ${id}`, subscription_status })),
  });
  const results = [
    person('a@example.com', 'unsubscribed', 'unsubscribed'),
    person('b@example.com', 'confirmed', 'unsubscribed'),
    person('c@example.com'),
  ];
  expect(json('listmonk', { data: { results } })).toEqual([
    'opted_out a@example.com 2024-05-04T03:02:01Z',
    '– out of one list only',
    '– enabled',
  ]);
  expect(json('listmonk', { data: { results } }, { only: 'list 1' })[1]).toBe(
    'opted_out b@example.com 2024-05-04T03:02:01Z',
  );
  const bounce = (type: string) => ({
    id: 1,
    email: 'a@example.com',
    type,
    source: 'ses',
    created_at: '2024-05-04T03:02:01Z',
  });
  expect(json('listmonk', { data: { results: ['hard', 'soft', 'complaint'].map(bounce) } })).toEqual([
    'bounced a@example.com 2024-05-04T03:02:01Z',
    '– soft',
    'complained a@example.com 2024-05-04T03:02:01Z',
  ]);
});

describe('a file of the wrong product', () => {
  test.each(PRODUCT_NAMES)('%s says which columns it looked for', (from) => {
    expect(() => foundFile(from, ['name', 'city'])).toThrow(/is no export of/);
    try {
      foundFile(from, ['name', 'city']);
    } catch (error) {
      const { remedy } = (error as { detail: { remedy: string } }).detail;
      expect(remedy).toMatch(/looked for the columns .+; the file has: name, city; see docs\/migrating\//);
    }
  });

  test('and says whose it looks like, and repeats no person of a first line', () => {
    const remedyOf = (from: ProductName | 'auto', names: string[]): string => {
      try {
        foundFile(from, names);
      } catch (error) {
        return (error as { detail: { remedy: string } }).detail.remedy;
      }
      return '';
    };
    expect(remedyOf('mailchimp', ['EmailAddress', 'SuppressionReason', 'Origin', 'CreatedAt'])).toMatch(
      /looks like from=postmark/,
    );
    expect(remedyOf('mailchimp', ['ana@example.com', 'Ana'])).not.toMatch(/ana@example/);
    expect(remedyOf('auto', ['name'])).toMatch(/from=csv/);
  });

  test('auto takes the one product that has such a file, and asks where there are several', () => {
    expect(foundFile('auto', ['Email Address', 'UNSUB_TIME', 'LEID']).from).toBe('mailchimp');
    expect(foundFile('auto', ['uuid', 'email', 'name', 'attributes', 'status']).from).toBe('listmonk');
    expect(() => foundFile('auto', ['Email', 'Status'])).toThrow(/several products/);
  });
});
