/** A parent to be killed: starts both stores in the directory given, prints their pids, and stops them 1 s after SIGINT. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startMongo, startRedis } from '../../src/embedded/index.js';

const options = { dataDir: process.argv[2] ?? '', say: () => {} };
const stores = await Promise.all([startMongo(options), startRedis(options)]);
process.once('SIGINT', async () => {
  // Stands for the work a graceful shutdown still has to finish.
  await sleep(1_000);
  const alive = stores.filter(({ pid }) => process.kill(pid, 0)).length;
  process.stdout.write(`alive ${alive}\n`);
  await Promise.all(stores.map((store) => store.stop()));
  process.exit(0);
});
setInterval(() => {}, 60_000);
process.stdout.write(`${stores.map(({ pid }) => pid).join(' ')}\n`);
