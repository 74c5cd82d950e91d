import { Long } from 'mongodb';
import { driverFile } from './driver-internals.js';
import { isRow, type Row, sentRow } from './values.js';

/** The driver's own classes of answers, which it asks its answers to be instances of. */
interface ResponseClass {
  new (bson: Uint8Array, offset: number, isArray: boolean, elements: readonly never[]): object;
}

const { MongoDBResponse, CursorResponse }: { MongoDBResponse: ResponseClass; CursorResponse: ResponseClass } =
  driverFile('mongodb/lib/cmap/wire_protocol/responses.js');

/** An empty document in BSON. */
const EMPTY = new Uint8Array([5, 0, 0, 0, 0]);

/** An answer that was never serialised: what the driver reads of it comes from the object that the server made. */
class LightResponse extends MongoDBResponse {
  readonly #reply: Row;

  constructor(reply: Row) {
    super(EMPTY, 0, false, []);
    this.#reply = reply;
  }

  get ok(): number {
    return this.#reply.ok === 1 ? 1 : 0;
  }
  get code(): unknown {
    return this.#reply.code;
  }
  get $clusterTime(): null {
    return null;
  }
  get operationTime(): null {
    return null;
  }
  get recoveryToken(): null {
    return null;
  }
  get isMaxTimeExpiredError(): boolean {
    return this.#reply.code === 50;
  }
  has(field: string): boolean {
    return this.#reply[field] !== undefined;
  }
  get(field: string): unknown {
    return this.#reply[field] ?? null;
  }
  getNumber(field: string): unknown {
    return this.#reply[field] ?? null;
  }
  toObject(): Record<string, unknown> {
    return sentRow(this.#reply);
  }
}

/** A batch of a cursor. */
class LightCursor extends CursorResponse {
  readonly #reply: Row;
  readonly #rows: readonly Row[];
  #next = 0;

  constructor(reply: Row) {
    super(EMPTY, 0, false, []);
    this.#reply = isRow(reply.cursor) ? reply.cursor : {};
    const batch = this.#reply.firstBatch ?? this.#reply.nextBatch;
    this.#rows = Array.isArray(batch) ? batch : [];
  }

  get ok(): number {
    return 1;
  }
  get $clusterTime(): null {
    return null;
  }
  get operationTime(): null {
    return null;
  }
  get recoveryToken(): null {
    return null;
  }
  get atClusterTime(): null {
    return null;
  }
  get id(): Long {
    return Long.fromNumber(Number(this.#reply.id));
  }
  /** The driver goes on with the namespace that it asked for. */
  get ns(): null {
    return null;
  }
  get batchSize(): number {
    return this.#rows.length;
  }
  get length(): number {
    return this.#rows.length - this.#next;
  }
  get postBatchResumeToken(): null {
    return null;
  }
  has(): boolean {
    return false;
  }
  shift(): Record<string, unknown> | null {
    const row = this.#rows[this.#next];
    if (!row) return null;
    this.#next++;
    return sentRow(row);
  }
  clear(): void {
    this.#next = this.#rows.length;
  }
}

/** An answer with `ok: 1` as the driver takes it. */
export function responseOf(reply: Row): object {
  return isRow(reply.cursor) ? new LightCursor(reply) : new LightResponse(reply);
}
