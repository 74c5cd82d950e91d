import { describe, expect, test } from '@jest/globals';
import { isPublicAddress, networkOf } from '../../src/core/ip-address.js';

describe('only addresses on the public internet count as public', () => {
  const inside = [
    ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '100.127.255.255', '127.0.0.1', '169.254.169.254', '172.16.0.1'],
    ...['172.31.255.255', '192.0.0.1', '192.0.2.1', '192.88.99.1', '192.168.1.1', '198.18.0.1', '198.19.255.255'],
    ...['198.51.100.1', '203.0.113.1', '224.0.0.1', '240.0.0.1', '255.255.255.255'],
    ...[
      '::',
      '::1',
      '::1.2.3.4',
      '::ffff:8.8.8.8',
      '64:ff9b::a00:1',
      '64:ff9b:1::1',
      '100::1',
      '2001::1',
      '2001:1ff::1',
    ],
    ...['2001:db8::1', '2002:a00:1::', '3fff::1', '4000::1', '5f00::1', 'fc00::1', 'fd12::1', 'fe80::1', 'fec0::1'],
    ...['fe80::1%eth0', 'ff02::1', 'nonsense', '', '8.8.8', '134744072', '010.8.8.8', '8.8.8.8/32'],
  ];
  test.each(inside)('%s does not', (address) => expect(isPublicAddress(address)).toBe(false));

  const outside = [
    '8.8.8.8',
    '172.32.0.1',
    '100.128.0.1',
    '192.0.1.1',
    '2606:4700::1111',
    '2001:200::1',
    '2001:4860::8888',
  ];
  test.each(outside)('%s does', (address) => expect(isPublicAddress(address)).toBe(true));
});

describe('the network of an address', () => {
  test.each([
    ['203.0.113.77', '203.0.113'],
    ['::ffff:203.0.113.77', '203.0.113'],
    ['::FFFF:cb00:714d', '203.0.113'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['203.0.113', 'unknown'],
    ['x', 'unknown'],
    ['', 'unknown'],
  ])('%s is in %s', (address, network) => expect(networkOf(address)).toBe(network));
});
