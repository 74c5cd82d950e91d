import type { Connection } from 'mongoose';
import { leaseOwner, type Machine, type Timer } from '../core/machine.js';
import { isDuplicate } from './connect.js';
import { collectionSchema } from './schema.js';

interface LeaseRow {
  readonly _id: string;
  readonly holder: string;
  readonly until: Date;
}

const leaseSchema = collectionSchema<LeaseRow>('leases', {
  _id: { type: String, required: true },
  holder: { type: String, required: true },
  until: { type: Date, required: true },
});

const MAJORITY = { writeConcern: { w: 'majority' } } as const;
const TAKE = { ...MAJORITY, updatePipeline: true } as const;

/** The right to do one thing alone for a while. It saves work; it is no lock, and what it guards must bear two holders. */
export interface Leader {
  /** Takes or renews the lease: true when this process has it for the coming `leaseMs`. */
  hold(): Promise<boolean>;
  /** Gives it up, so that the next holder need not wait. */
  release(): Promise<void>;
}

/** Between renewals of a lease (ms) during long work: a third of the usual lease. */
const BEAT = 1500;

/**
 * Does long work under a lease that is renewed meanwhile, and gives it up at the end, so that somebody else follows a
 * process that died within the lease and not within the work. `leads` tells whether it still is ours. False when somebody
 * else has it.
 */
export async function whileLeading(
  machine: Pick<Machine, 'after'>,
  leader: Leader,
  work: (leads: () => boolean) => Promise<void>,
): Promise<boolean> {
  let leads = await leader.hold();
  if (!leads) return false;
  const renew = () => {
    beat = machine.after(BEAT, renew);
    leader.hold().then(
      (held) => {
        leads = held;
      },
      () => {
        leads = false;
      },
    );
  };
  let beat: Timer = machine.after(BEAT, renew);
  try {
    await work(() => leads);
  } finally {
    beat.cancel();
    await leader.release().catch(() => undefined);
  }
  return true;
}

/** Leases by name, all in the database's own time: clocks of machines do not matter. */
export function createLeaders(connection: Connection, machine: Pick<Machine, 'randomBytes'>) {
  const model = connection.model('Lease', leaseSchema);
  return {
    models: [model] as const,

    leaderFor(name: string, leaseMs = 5000, holder = leaseOwner(machine)): Leader {
      return {
        async hold() {
          const free = { $or: [{ $eq: ['$holder', holder] }, { $lt: ['$until', '$$NOW'] }] };
          const take = [{ $set: { holder, until: { $add: ['$$NOW', leaseMs] } } }];
          const taken = await model.updateOne({ _id: name, $expr: free }, take, TAKE);
          if (taken.matchedCount === 1) return true;
          try {
            // Nobody has ever had it: made as one that has run out, so that its time is the database's too.
            await model.insertOne({ _id: name, holder, until: new Date(0) }, MAJORITY);
          } catch (error) {
            if (isDuplicate(error)) return false;
            throw error;
          }
          return (await model.updateOne({ _id: name, $expr: free }, take, TAKE)).matchedCount === 1;
        },
        async release() {
          await model.deleteOne({ _id: name, holder });
        },
      };
    },
  };
}

export type Leaders = ReturnType<typeof createLeaders>;
