/** MongoDB and Redis without installing anything, for development and tests. */
export { startMongo } from './mongo.js';
export { startRedis } from './redis.js';
export type { EmbeddedOptions, EmbeddedStore } from './serve.js';
export { runningStores, startStores } from './stores.js';
