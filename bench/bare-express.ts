/** A bare Express route that reads its body and answers: what acknowledging is measured beside. */
import express from 'express';

const app = express();
app.disable('x-powered-by');
app.post('/u/:token', express.urlencoded({ extended: false }), (_request, response) => {
  response.type('text/plain').send('Unsubscribed.\n');
});
const server = app.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`hush ready on http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}\n`);
});
