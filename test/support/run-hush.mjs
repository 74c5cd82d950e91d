/** An installation in a process of its own whose worker has shorter times than an operator's: HUSH_TEST_TIMES as JSON. */
import { compose } from '../../.test-build/compose.js';
import { readEnvironment } from '../../.test-build/config/environment.js';

const environment = readEnvironment();
const hush = await compose(
  { ...environment, mongoUri: environment.mongoUri ?? '', redisUrl: environment.redisUrl ?? '' },
  { workerTimes: JSON.parse(process.env.HUSH_TEST_TIMES ?? '{}'), sweepMs: 500 },
);
const { port } = await hush.start();
process.stdout.write(`hush ready on http://127.0.0.1:${port}\n`);
process.once('SIGTERM', () => {
  void hush.stop().then(() => process.exit(0));
});
