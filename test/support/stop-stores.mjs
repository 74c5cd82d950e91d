export { stopStores as default } from './start-stores.mjs';
