/**
 * What acknowledging is measured beside: a bare Express route that reads its body and answers (`/u`), and one that makes one
 * durable write of its own for every request (`/w`), to the MongoDB named by MONGODB_URI.
 */
import { randomBytes } from 'node:crypto';
import express from 'express';
import mongoose from 'mongoose';

const connection = await mongoose.createConnection(process.env.MONGODB_URI ?? '').asPromise();
const contacts = connection.useDb('bare').collection<{ _id: Buffer; pending: object[] }>('contacts');

const app = express();
app.disable('x-powered-by');
const body = express.urlencoded({ extended: false });
app.post('/u/:token', body, (_request, response) => {
  response.type('text/plain').send('Unsubscribed.\n');
});
app.post('/w/:token', body, async (_request, response) => {
  await contacts.updateOne(
    { _id: randomBytes(16) },
    { $push: { pending: { type: 'opted_out', at: Date.now(), sealed: randomBytes(120) } } },
    { upsert: true, writeConcern: { w: 'majority', journal: true } },
  );
  response.type('text/plain').send('Unsubscribed.\n');
});
const server = app.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`hush ready on http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}\n`);
});
