import type { Connection } from 'mongoose';
import { type Machine, sleep } from '../../core/machine.js';
import { DURABLE } from '../connect.js';
import { type Leaders, whileLeading } from '../leader.js';
import { collectionSchema } from '../schema.js';
import { auditTrailWithoutFixedEnd } from './0001-audit-trail-without-fixed-end.js';
import { eventsOfPersonsApart } from './0002-events-of-persons-apart.js';
import type { Migration } from './migration.js';

/** In the order they run. New ones come last. */
const MIGRATIONS: readonly Migration[] = [auditTrailWithoutFixedEnd, eventsOfPersonsApart];

/** How often (ms) it is looked whether another process has finished. */
const POLL_MS = 200;

const migrationSchema = collectionSchema<{ readonly _id: string; readonly finishedAt: Date }>('migrations', {
  _id: { type: String, required: true },
  finishedAt: { type: Date, required: true },
});

/** What has been done to what earlier versions stored. */
export function createMigrations(connection: Connection, leaders: Leaders, machine: Pick<Machine, 'now' | 'after'>) {
  const model = connection.model('Migration', migrationSchema);

  async function unfinished(migrations: readonly Migration[]): Promise<Migration[]> {
    const names = migrations.map(({ name }) => name);
    const finished = new Set(await model.distinct('_id', { _id: { $in: names } }));
    return migrations.filter(({ name }) => !finished.has(name));
  }

  return {
    models: [model] as const,

    /**
     * Resolves when every migration is finished: one process at a time runs them, in order, and the others wait. Rejects
     * when one fails; it and those after it run again at the next start.
     */
    async run(migrations: readonly Migration[] = MIGRATIONS): Promise<void> {
      const leader = leaders.leaderFor('migrations');
      while ((await unfinished(migrations)).length > 0) {
        const led = await whileLeading(machine, leader, async (leads) => {
          for (const migration of await unfinished(migrations)) {
            if (!leads()) return;
            await migration.run(connection, machine).catch((cause: unknown) => {
              throw new Error(`The migration ${migration.name} failed. Put right what it says and start again.`, {
                cause,
              });
            });
            const done = { $setOnInsert: { finishedAt: new Date(machine.now()) } };
            await model.updateOne({ _id: migration.name }, done, { upsert: true, writeConcern: DURABLE });
          }
        });
        if (!led) await sleep(machine, POLL_MS);
      }
    },
  };
}
