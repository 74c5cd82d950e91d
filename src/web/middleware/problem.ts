import type { ErrorRequestHandler, Request, Response } from 'express';
import type { Logger } from 'pino';
import { type ErrorKind, HushError } from '../../core/errors.js';
import { unavailable } from '../../store/connect.js';

const STATUS: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  id_reused: 409,
  too_large: 413,
  too_slow: 408,
  rate_limited: 429,
  unavailable: 503,
};

const TITLE: Readonly<Record<ErrorKind, string>> = {
  invalid: 'The request is not valid',
  unauthorized: 'Who asks is not known',
  forbidden: 'This key may not do that',
  not_found: 'There is nothing here',
  method_not_allowed: 'That cannot be done here',
  conflict: 'This contradicts what is there',
  id_reused: 'The id was used before',
  too_large: 'The request is too large',
  too_slow: 'The request did not arrive in time',
  rate_limited: 'Too many requests',
  unavailable: 'Not available right now',
};

/** RFC 9457 */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly [extension: string]: unknown;
}

export function statusOf(kind: ErrorKind): number {
  return STATUS[kind];
}

export function problemOf(error: HushError): Problem {
  const { field, remedy, errors } = error.detail;
  return {
    type: `urn:hush:problem:${error.kind}`,
    title: TITLE[error.kind],
    status: STATUS[error.kind],
    code: error.kind,
    detail: error.message,
    ...(field === undefined ? {} : { field }),
    ...(remedy === undefined ? {} : { remedy }),
    ...(errors === undefined ? {} : { errors }),
  };
}

function sendProblem(response: Response, error: HushError): void {
  if (error.detail.retryAfter !== undefined) response.set('Retry-After', String(Math.ceil(error.detail.retryAfter)));
  if (error.kind === 'unauthorized') response.set('WWW-Authenticate', 'Bearer realm="hush"');
  response
    .status(STATUS[error.kind])
    .type('application/problem+json')
    .send(JSON.stringify(problemOf(error)));
}

/** What the body parser and Express itself throw, in our terms; undefined for a bug. */
function known(error: unknown): HushError | undefined {
  const failure = unavailable(error);
  if (failure instanceof HushError) return failure;
  if (!(error instanceof Error)) return undefined;
  const status = 'status' in error ? Number(error.status) : 0;
  if (status === 413) {
    return new HushError('too_large', 'The body is larger than allowed here.', {
      remedy: 'send less at once; events take up to 5 MB',
    });
  }
  if (status === 400 && 'type' in error && error.type === 'entity.parse.failed') {
    return new HushError('invalid', 'The body is not JSON.', {
      remedy: 'send one JSON object in UTF-8',
      field: 'body',
    });
  }
  if (status === 415)
    return new HushError('invalid', 'This kind of body is not understood.', {
      remedy: 'send application/json in UTF-8',
      field: 'content-type',
    });
  if (status >= 400 && status < 500)
    return new HushError('invalid', 'The request cannot be read.', {
      remedy: 'check the path and the encoding of the body',
    });
  return undefined;
}

/** What an answer may say of an error: without `error` it is a bug, of which it says nothing. */
export interface Failure {
  readonly status: number;
  readonly error?: HushError;
}

/** A problem document (RFC 9457), for machines. */
export function sendFailure(response: Response, { status, error }: Failure): void {
  if (error) {
    sendProblem(response, error);
    return;
  }
  const bug = problemOf(
    new HushError('unavailable', 'Something broke on our side; nothing is known to have changed.', {
      remedy: 'try again; if it stays, tell the operator the time',
    }),
  );
  response
    .status(status)
    .type('application/problem+json')
    .send(
      JSON.stringify({
        ...bug,
        status,
        code: 'internal',
        type: 'urn:hush:problem:internal',
        title: 'Something broke on our side',
      }),
    );
}

/**
 * The one place where kinds of error become statuses. `answer` sends it: a problem document to machines, a page to people.
 * A bug is logged here, once, with the request's id.
 *
 * @example app.use(problems({ log, answer: (_request, response, failure) => sendFailure(response, failure) }));
 */
export function problems(options: {
  readonly log: Logger;
  readonly answer: (request: Request, response: Response, failure: Failure) => void;
}): ErrorRequestHandler {
  return (error, request, response, next) => {
    // The server has answered a body that did not come, and ended the connection.
    if (response.writableEnded) return;
    const reqId = response.locals.requestId;
    if (response.headersSent) {
      options.log.error({ err: error, reqId }, 'failed after the answer began');
      next(error);
      return;
    }
    const expected = known(error);
    if (!expected) options.log.error({ err: error, reqId }, 'unexpected error');
    options.answer(request, response, expected ? { status: STATUS[expected.kind], error: expected } : { status: 500 });
  };
}
