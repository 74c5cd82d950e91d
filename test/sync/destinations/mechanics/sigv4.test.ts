import { expect, test } from '@jest/globals';
import { signAws } from '../../../../src/sync/destinations/mechanics/sigv4.js';

const KEY = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const AT = Date.UTC(2015, 7, 30, 12, 36);

test('signatures are those of the AWS test suite (get-vanilla)', async () => {
  const request = { method: 'GET', url: 'https://example.amazonaws.com/', body: '' };
  const { authorization } = await signAws(request, KEY, 'us-east-1', 'service', AT);
  expect(authorization).toContain('Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31');
});

test('every header is signed, with an encoded path and query, a body and a session', async () => {
  const request = {
    method: 'PUT',
    url: 'https://email.eu-west-1.amazonaws.com/v2/email/contact-lists/a%20b/contacts/o%27neil%2Bx%40example.com?PageSize=5&NextToken=a%2Fb%3D',
    body: '{"a":"ö"}',
    headers: { 'Content-Type': 'application/json' },
  };
  expect(await signAws(request, { ...KEY, sessionToken: 'tok/en==' }, 'eu-west-1', 'ses', AT)).toEqual({
    'content-type': 'application/json',
    'x-amz-date': '20150830T123600Z',
    'x-amz-security-token': 'tok/en==',
    authorization:
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/ses/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=d5d280f0584685a5c392cf14a4c9fffe3587707c11e1e8f9668bff08e20e4164',
  });
});
