import type { ContactCollections } from './contact-rows.js';

/** Which contacts are to be evaluated again: because time passed, or under another configuration. */
export function contactEvaluation({ model }: Pick<ContactCollections, 'model'>) {
  return {
    /** Keys of contacts that something must be done about because time passed. */
    async awake(now: number, limit: number): Promise<Buffer[]> {
      const due = { wakeAt: { $lte: new Date(now) } };
      return (await model.find(due, { _id: 1 }).limit(limit).lean()).map(({ _id }) => _id);
    },

    /** Keys of contacts whose state was last evaluated under another configuration. */
    async outdated(configuration: string, limit: number): Promise<Buffer[]> {
      const filter = { configuration: { $ne: configuration }, entries: { $gt: 0 } };
      return (await model.find(filter, { _id: 1 }).limit(limit).lean()).map(({ _id }) => _id);
    },

    async countOutdated(configuration: string): Promise<number> {
      return model.countDocuments({ configuration: { $ne: configuration }, entries: { $gt: 0 } });
    },
  };
}
