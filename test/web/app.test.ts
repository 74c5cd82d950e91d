import { describe, expect, test } from '@jest/globals';
import { Router } from 'express';
import pino from 'pino';
import request from 'supertest';
import { createApp } from '../../src/web/app.js';

function appFor(production: boolean) {
  return createApp({
    log: pino({ level: 'silent' }),
    trustProxy: undefined,
    production,
    machines: [['/v1', Router().get('/thing', (_request, response) => void response.json({}))]],
    people: [
      Router().get('/page', (_request, response) => void response.send('page')),
      Router().get('/broken', () => {
        throw new Error('odd');
      }),
    ],
    problems: (_error, _request, response, _next) => {
      response.status(500).send('problem');
    },
  });
}

describe.each(['/v1/thing', '/page', '/broken', '/nowhere'])('the answer to %s', (path) => {
  test('says that nothing from elsewhere may run in it, and tells nobody where its reader was', async () => {
    const { headers } = await request(appFor(false)).get(path);
    expect(headers).toMatchObject({
      'content-security-policy':
        "default-src 'none';style-src 'self';img-src 'self' data:;form-action 'self';frame-src 'self';base-uri 'none';frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'SAMEORIGIN',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'x-request-id': expect.stringMatching(/^[\w-]{36}$/),
    });
    expect(headers).not.toHaveProperty('strict-transport-security');
    expect(headers).not.toHaveProperty('x-powered-by');
    expect(headers).not.toHaveProperty('etag');
  });

  test('in production asks for HTTPS', async () => {
    const { headers } = await request(appFor(true)).get(path);
    expect(headers['strict-transport-security']).toBe('max-age=31536000; includeSubDomains');
  });
});
