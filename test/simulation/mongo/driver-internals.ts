import { createRequire } from 'node:module';

/** Loads a file of the driver that Mongoose uses, which need not be the one that is installed beside it. */
export const driverFile: NodeJS.Require = createRequire(createRequire(import.meta.url).resolve('mongoose'));
