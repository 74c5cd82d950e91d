import { describe, expect, test } from '@jest/globals';
import { deliveryHeaders, messageId } from '../../src/sync/webhook-delivery.js';

const SECRETS = ['whsec_bmV3IHNlY3JldCBvZiBhIHJlY2VpdmVy', 'whsec_b2xkIHNlY3JldCBvZiBhIHJlY2VpdmVy'];
const subscription = (id: string, number: number) => ({ id, position: { number } }) as never;
const upTo = { number: 9 } as never;

describe('the id of a delivery', () => {
  const id = messageId(subscription('wh_1', 3), upTo, '{}');

  test('is the same when the delivery is repeated', () => {
    expect(messageId(subscription('wh_1', 3), upTo, '{}')).toBe(id);
    expect(id).toMatch(/^msg_[0-9a-f]{32}$/);
  });

  test.each([
    ['another subscription', messageId(subscription('wh_2', 3), upTo, '{}')],
    ['another place in the feed', messageId(subscription('wh_1', 4), upTo, '{}')],
    ['another end', messageId(subscription('wh_1', 3), { number: 10 } as never, '{}')],
    ['another body', messageId(subscription('wh_1', 3), upTo, '{"a":1}')],
  ])('is another one for %s', (_name, other) => {
    expect(other).not.toBe(id);
  });
});

describe('the headers of a delivery', () => {
  test('carry a signature by every secret in force, and the time in seconds', () => {
    const headers = deliveryHeaders(SECRETS, 'msg_1', 1_700_000_000_999, '{}');
    expect(headers['webhook-timestamp']).toBe('1700000000');
    expect(headers['webhook-id']).toBe('msg_1');
    const [first, second, ...more] = (headers['webhook-signature'] ?? '').split(' ');
    expect(more).toEqual([]);
    expect(first).toBe(deliveryHeaders(SECRETS.slice(0, 1), 'msg_1', 1_700_000_000_999, '{}')['webhook-signature']);
    expect(second).toBe(deliveryHeaders(SECRETS.slice(1), 'msg_1', 1_700_000_000_999, '{}')['webhook-signature']);
    expect(first).not.toBe(second);
  });

  test('are not made without a secret: nothing goes out unsigned', () => {
    expect(() => deliveryHeaders([], 'msg_1', 0, '{}')).toThrow('is its key gone?');
  });
});
