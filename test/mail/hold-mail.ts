/** Queues a mail, begins to send it to a server that stays silent, and waits to be killed. */
import { machine } from '../../src/machine.js';
import { createOutbox } from '../../src/mail/outbox.js';
import { createTransport } from '../../src/mail/transport.js';
import { connectStore } from '../../src/store/connect.js';
import { createMailboxStore } from '../../src/store/mailbox.js';
import { createOutboxStore } from '../../src/store/outbox.js';
import { composer, keepingLog, keyring, VALUES } from './setting.js';

const [uri = '', smtpUrl = '', id = ''] = process.argv.slice(2);
const connection = await connectStore(uri, 'hush');
const outbox = createOutbox({
  store: createOutboxStore(connection),
  composer,
  transport: createTransport({ smtpUrl, mailbox: createMailboxStore(connection), now: Date.now, machine }),
  keyring,
  clock: { now: Date.now },
  machine,
  log: keepingLog().log,
});
outbox.start();
await outbox.enqueue({
  id,
  template: 'your-link',
  language: 'en',
  brand: 'jmf',
  to: 'ana@example.com',
  values: VALUES,
});
