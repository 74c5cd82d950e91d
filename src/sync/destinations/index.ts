import type { Adapter } from '../destination.js';
import { file } from './file.js';
import { sendgrid } from './sendgrid.js';
import { webhook } from './webhook.js';

/** Every adapter by the name the catalog uses. */
export const adapters: Readonly<Record<string, Adapter>> = {
  file,
  sendgrid,
  webhook,
};
