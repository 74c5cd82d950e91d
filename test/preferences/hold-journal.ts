/**
 * A process that keeps one opt-out in the journal of a folder and then does nothing: FOLDER INSTALLATION ID. Every such
 * process takes itself for pid 1, as in a container.
 */
Object.defineProperty(process, 'pid', { value: 1 });
const { createJournal } = await import('../../src/preferences/journal.js');
const { createJournalDisk } = await import('../../src/preferences/journal-disk.js');
const { machine } = await import('../../src/machine.js');
const { pino } = await import('pino');

const [dir = '', installation = '', id = ''] = process.argv.slice(2);
const journal = createJournal({
  disk: createJournalDisk(dir),
  installation,
  machine,
  log: pino({ level: 'silent' }),
});
await journal.write({
  key: Buffer.alloc(16, 7),
  type: 'email',
  event: {
    id: id as never,
    type: 'opted_out',
    at: 1,
    recorded: 1024,
    scope: { brand: '*', channel: '*', purpose: '*', topic: '*' },
    source: { kind: 'one_click' },
  },
});
process.stdout.write('kept\n');
setInterval(() => undefined, 1000);
