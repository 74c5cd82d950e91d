import type { Adapter } from '../destination.js';
import { braze } from './braze.js';
import { brevo } from './brevo.js';
import { customerio } from './customerio.js';
import { file } from './file.js';
import { googleCustomerMatch } from './google-customer-match.js';
import { googleDataManager } from './google-data-manager.js';
import { hubspot } from './hubspot.js';
import { iterable } from './iterable.js';
import { klaviyo } from './klaviyo.js';
import { linkedin } from './linkedin.js';
import { listmonk } from './listmonk.js';
import { mailchimp } from './mailchimp.js';
import { mailchimpTransactional } from './mailchimp-transactional.js';
import { mailgun } from './mailgun.js';
import { meta } from './meta.js';
import { postmark } from './postmark.js';
import { sendgrid } from './sendgrid.js';
import { ses } from './ses.js';
import { sparkpost } from './sparkpost.js';
import { tiktok } from './tiktok.js';
import { twilio } from './twilio.js';
import { webhook } from './webhook.js';

/** Every adapter by the name the catalog uses. */
export const adapters: Readonly<Record<string, Adapter>> = {
  braze,
  brevo,
  customerio,
  file,
  'google-customer-match': googleCustomerMatch,
  'google-data-manager': googleDataManager,
  hubspot,
  iterable,
  klaviyo,
  linkedin,
  listmonk,
  mailchimp,
  'mailchimp-transactional': mailchimpTransactional,
  mailgun,
  meta,
  postmark,
  sendgrid,
  ses,
  sparkpost,
  tiktok,
  twilio,
  webhook,
};
