import type { Row } from './values.js';

/** What a command, or one of its statements, is refused with: as the server numbers and words it. */
export class CommandError extends Error {
  readonly code: number;
  /** Further fields of the answer. */
  readonly more: Row;

  constructor(code: number, message: string, more: Row = {}) {
    super(message);
    this.code = code;
    this.more = more;
  }
}

/** For what the simulation lacks. A bug of the simulation or of its user, not an answer of the server. */
export class UnknownToSimulation extends Error {
  constructor(what: string) {
    super(
      `the simulated MongoDB does not know ${what}: add it under test/simulation/mongo and to the differential test`,
    );
  }
}

const CODE_NAMES: Readonly<Record<number, string>> = {
  2: 'BadValue',
  14: 'TypeMismatch',
  26: 'NamespaceNotFound',
  27: 'IndexNotFound',
  28: 'PathNotViable',
  40: 'ConflictingUpdateOperators',
  43: 'CursorNotFound',
  64: 'WriteConcernTimeout',
  66: 'ImmutableField',
  112: 'WriteConflict',
  225: 'TransactionTooOld',
  251: 'NoSuchTransaction',
  10107: 'NotWritablePrimary',
  11000: 'DuplicateKey',
};

/** The answer to a command that failed as a whole. */
export function failed({ code, message, more }: CommandError): Row {
  return { ok: 0, errmsg: message, code, codeName: CODE_NAMES[code] ?? `Location${code}`, ...more };
}

/** The answer of a server that is not the primary any more: the driver sends a retryable write again. */
export function notPrimary(): Row {
  return failed(new CommandError(10107, 'not primary', { errorLabels: ['RetryableWriteError'] }));
}

/** The answer to a write that was made, but that no majority had in time. */
export function unconfirmed(reply: Row): Row {
  const writeConcernError = {
    code: 64,
    codeName: 'WriteConcernTimeout',
    errmsg: 'waiting for replication timed out',
    errInfo: { wtimeout: true },
  };
  return { ...reply, writeConcernError };
}
