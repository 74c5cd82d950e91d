import mongoose, { type Connection } from 'mongoose';
import { type Line, topologyFor } from './driver.js';

/**
 * A connection of Mongoose, open, whose commands go to `line.send`: everything above the driver's topology is the real
 * thing, and there are no sockets and no timers. Compiling the models of all stores costs far more than a command, so a
 * connection is worth keeping: give `line` another `send`, and call `openStores` with the same connection again.
 */
export function simulatedConnection(line: Line, name = 'hush'): Connection {
  // As in `connectStore`, as far as it says what commands are sent and how answers are read.
  const client = new mongoose.mongo.MongoClient(`mongodb://simulated/${name}`, {
    retryWrites: true,
    promoteBuffers: true,
    pkFactory: { createPk: () => line.createId() },
  });
  Object.assign(client, { topology: topologyFor(line) });
  const connection = mongoose.createConnection();
  Object.assign(connection.config, { bufferCommands: false, autoIndex: false, autoCreate: false });
  return connection.setClient(client);
}
