import { connect, createServer, type Socket } from 'node:net';

/** A way to a server that can be shut: `stall` keeps connections and passes nothing on, `refuse` ends them all. */
export interface Gate {
  readonly port: number;
  open(): void;
  stall(): void;
  refuse(): void;
  close(): Promise<void>;
}

export async function gateTo(port: number, host = '127.0.0.1'): Promise<Gate> {
  const pairs = new Set<[Socket, Socket]>();
  let state: 'open' | 'stall' | 'refuse' = 'open';
  const server = createServer((near) => {
    if (state === 'refuse') return near.destroy();
    const far = connect(port, host);
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on('data', (chunk) => to.write(chunk));
      from.on('error', () => undefined);
      from.on('close', () => {
        to.destroy();
        pairs.delete(pair);
      });
      if (state === 'stall') from.pause();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const each = (act: (socket: Socket) => void) => {
    for (const pair of pairs) for (const socket of pair) act(socket);
  };
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    open() {
      state = 'open';
      each((socket) => socket.resume());
    },
    stall() {
      state = 'stall';
      each((socket) => socket.pause());
    },
    refuse() {
      state = 'refuse';
      each((socket) => socket.destroy());
    },
    close() {
      each((socket) => socket.destroy());
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
