import { randomBytes } from 'node:crypto';
import { afterEach, expect, test } from '@jest/globals';
import pino from 'pino';
import { createQueues, type Handler, type QueueName, type Queues, syncQueue } from '../src/queues.js';
import { until } from './support/until.js';

const log = pino({ level: 'silent' });
const opened: Queues[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((queues) => queues.close()));
});

function openQueues(namespace = `t${randomBytes(6).toString('hex')}`, url = process.env.REDIS_URL ?? ''): Queues {
  const queues = createQueues({ url, namespace, destinations: ['braze', 'file'], log });
  opened.push(queues);
  return queues;
}

/** A handler that waits to be let go, and how often it was called. */
function gate() {
  const calls: (() => void)[] = [];
  const handler: Handler = () => new Promise<void>((resolve) => calls.push(resolve));
  return { calls, handler };
}

const only = (name: QueueName, handler: Handler) => new Map([[name, handler]]);
const queueOf = (queues: Queues, name: QueueName) => {
  const queue = queues.queues.find((one) => one.name === name);
  if (!queue) throw new Error(`no queue ${name}`);
  return queue;
};

test('there is a queue for each destination and each kind of work', () => {
  expect(openQueues().queues.map(({ name }) => name)).toEqual([
    'sync-braze',
    'sync-file',
    'evaluation',
    'reconcile',
    'mail',
    'access-package',
    'export',
  ]);
});

test('work added by one process is done by another that works', async () => {
  const namespace = `t${randomBytes(6).toString('hex')}`;
  const [adds, works] = [openQueues(namespace), openQueues(namespace)];
  const { calls, handler } = gate();
  works.work(only('export', handler));
  adds.add('export');
  await until(() => calls.length === 1);
  calls[0]?.();
  await until(async () => (await queueOf(adds, 'export').getJobCounts('completed')).completed === 1);
});

test('what is added while its job is active makes one more job, however often', async () => {
  const queues = openQueues();
  const { calls, handler } = gate();
  queues.work(only(syncQueue('braze'), handler));
  queues.add(syncQueue('braze'));
  await until(() => calls.length === 1);
  for (let n = 0; n < 10; n++) {
    queues.add(syncQueue('braze'));
    // Answered on the same connection, after the job: each of them reached Redis.
    await queueOf(queues, 'sync-braze').getJobCounts('waiting');
  }
  calls[0]?.();
  await until(() => calls.length === 2);
  calls[1]?.();
  await until(async () => (await queueOf(queues, 'sync-braze').getJobCounts('completed')).completed === 2);
  const left = await queueOf(queues, 'sync-braze').getJobCounts('waiting', 'active', 'delayed');
  expect([calls.length, left]).toEqual([2, { waiting: 0, active: 0, delayed: 0 }]);
});

test('one destination that is slow holds up no other', async () => {
  const queues = openQueues();
  const slow = gate();
  const quick = gate();
  queues.work(
    new Map([
      [syncQueue('braze'), slow.handler],
      [syncQueue('file'), quick.handler],
    ]),
  );
  queues.add(syncQueue('braze'));
  await until(() => slow.calls.length === 1);
  queues.add(syncQueue('file'));
  await until(() => quick.calls.length === 1);
  quick.calls[0]?.();
  slow.calls[0]?.();
});

test('work that fails is tried again later', async () => {
  const queues = openQueues();
  let attempts = 0;
  queues.work(
    only('mail', async () => {
      attempts++;
      if (attempts === 1) throw new Error('the database was away');
    }),
  );
  queues.add('mail');
  await until(() => attempts === 2);
});

test('the board shows how far a job is', async () => {
  const queues = openQueues();
  queues.work(only(syncQueue('file'), async (report) => report({ synced: 7 })));
  queues.add(syncQueue('file'));
  await until(async () => {
    const [job] = await queueOf(queues, 'sync-file').getCompleted();
    return JSON.stringify(job?.progress) === '{"synced":7}';
  });
  const [job] = await queueOf(queues, 'sync-file').getCompleted();
  expect(job?.data).toEqual({});
});

test('without Redis adding fails nobody, and closing ends', async () => {
  const queues = openQueues(undefined, 'redis://127.0.0.1:1');
  expect(queues.add('mail')).toBeUndefined();
});
