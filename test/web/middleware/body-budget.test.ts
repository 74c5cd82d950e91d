import { EventEmitter } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import type { Request, Response } from 'express';
import { createBodyBudget } from '../../../src/web/middleware/body-budget.js';

const refused: string[] = [];
const bodies = createBodyBudget({
  budget: { total: 1000, ofOneNetwork: 400, free: 10 },
  clientAddress: (request) => String(request.headers.from),
  onRefused: (reason) => refused.push(reason),
});

/** Asks for room; ends by `close`. */
function ask(from: string, headers: Record<string, string>, limit = 300): { close: () => void } | string {
  const response = new EventEmitter();
  let admitted = false;
  try {
    bodies.admit(limit)(
      { headers: { from, ...headers } } as unknown as Request,
      response as unknown as Response,
      () => {
        admitted = true;
      },
    );
  } catch (error) {
    return (error as { kind: string }).kind;
  }
  expect(admitted).toBe(true);
  return { close: () => void response.emit('close') };
}
const length = (bytes: number) => ({ 'content-length': String(bytes) });

describe('bytes of bodies in flight', () => {
  test('have a limit for one network and one for all, and are given back', () => {
    const open = [ask('192.0.2.1', length(300)), ask('192.0.2.2', length(100))];
    expect(bodies.reserved()).toBe(400);
    expect(ask('192.0.2.3', length(20))).toBe('rate_limited');
    open.push(ask('198.51.100.1', length(300)), ask('203.0.113.1', { 'transfer-encoding': 'chunked' }));
    expect(bodies.reserved()).toBe(1000);
    expect(ask('203.0.114.1', length(11))).toBe('rate_limited');
    expect(refused).toEqual(['bodies', 'bodies']);
    // What has no file needs no room.
    for (let n = 0; n < 100; n++) ask('192.0.2.1', length(10));
    for (const one of open) if (typeof one !== 'string') one.close();
    expect(bodies.reserved()).toBe(0);
    expect(typeof ask('192.0.2.1', length(300))).toBe('object');
  });

  test('that are more than a body may have are refused at once', () => {
    expect(ask('192.0.9.1', length(301))).toBe('too_large');
    expect(ask('192.0.9.1', { 'content-length': 'many' })).toBe('too_large');
  });
});
