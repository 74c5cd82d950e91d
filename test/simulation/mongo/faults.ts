import mongoose from 'mongoose';

export { notPrimary, unconfirmed } from './errors.js';

/** What a client sees of a connection that broke, with the command or with its answer: the driver retries what it may. */
export function connectionLost(): Error {
  return new mongoose.mongo.MongoNetworkError('connection to simulated:27017 closed');
}

/** What a client sees of a server that has said nothing for `socketTimeoutMS`: the driver gives the connection up. */
export function noAnswer(): Error {
  return new mongoose.mongo.MongoNetworkTimeoutError('connection to simulated:27017 timed out');
}
