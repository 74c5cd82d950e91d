import { AwsV4Signer } from 'aws4fetch';

export interface AwsKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface AwsRequest {
  readonly method: string;
  readonly url: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * AWS Signature Version 4: the headers to send with a request at `now` (ms). They sign every header that is given.
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
export async function signAws(
  request: AwsRequest,
  { sessionToken, ...key }: AwsKey,
  region: string,
  service: string,
  now: number,
): Promise<Record<string, string>> {
  const datetime = new Date(now).toISOString().replace(/[-:]|\.\d{3}/g, '');
  const session = sessionToken === undefined ? {} : { sessionToken };
  const signer = new AwsV4Signer({ ...request, ...key, ...session, region, service, datetime, allHeaders: true });
  return Object.fromEntries((await signer.sign()).headers);
}
