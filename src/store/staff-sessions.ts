import MongoStore from 'connect-mongo';
import type { Store } from 'express-session';
import type { Connection } from 'mongoose';
import { collectionSchema } from './schema.js';

interface SessionRow {
  readonly _id: string;
  readonly expires: Date;
  readonly session: string;
}

// connect-mongo writes the rows.
const sessionSchema = collectionSchema<SessionRow>('staff_sessions', {
  _id: { type: String, required: true },
  expires: { type: Date, required: true },
  session: { type: String, required: true },
});
sessionSchema.index({ expires: 1 }, { expireAfterSeconds: 0 });

/** Seals what a session holds: reasons for looking at people are in it, in free words. */
export interface SessionSeal {
  readonly seal: (text: string) => string;
  /** Undefined for what does not open. */
  readonly open: (sealed: string) => string | undefined;
}

/**
 * Sessions of staff, over the connection everything else uses. An id out of the database is of no use to anybody: the
 * cookie carries it signed, and what it holds is sealed.
 */
export function createStaffSessions(connection: Connection) {
  const model = connection.model('StaffSession', sessionSchema);
  return {
    models: [model] as const,
    /** @param seconds a session lives without being used */
    storeFor: (seconds: number, { seal, open }: SessionSeal): Store =>
      MongoStore.create({
        client: connection.getClient() as never,
        dbName: connection.name,
        collectionName: 'staff_sessions',
        // The index is made with all others.
        autoRemove: 'disabled',
        ttl: seconds,
        stringify: false,
        serialize: (session) => seal(JSON.stringify(session)),
        // One that does not open any more, after a change of keys, is one that has ended.
        unserialize: (stored) => JSON.parse((typeof stored === 'string' ? open(stored) : undefined) ?? '{"cookie":{}}'),
      }),
    /** Ends every session; for tests and for the day an identity provider is lost. */
    async endAll(): Promise<void> {
      await model.deleteMany({});
    },
  };
}

export type StaffSessions = ReturnType<typeof createStaffSessions>;
