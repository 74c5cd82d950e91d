import { type AccessModels, type Download, packageFrom, type StoredPackage } from './access-rows.js';
import { DURABLE } from './connect.js';

/** Every query to the links of packages: each changes one document, so that tries and fetches are counted once. */
export function accessDownloads({ packages, parts }: AccessModels) {
  return {
    /** A new link takes the place of an earlier one, whose parts go. */
    async offer(id: string, download: Download, by: string, at: Date): Promise<boolean> {
      const before = await packages
        .findOneAndUpdate(
          { _id: id, state: { $in: ['ready', 'delivered'] }, key: { $exists: true } },
          { $set: { state: 'delivered', deliveredAt: at, deliveredBy: by, download } },
          { returnDocument: 'before', writeConcern: DURABLE },
        )
        .lean();
      const old = before?.download;
      if (old) await parts.deleteMany({ _id: { $regex: `^${id}/download/${old.id}/` } });
      return before !== null;
    },

    async byToken(token: string): Promise<StoredPackage | undefined> {
      const row = await packages.findOne({ 'download.token': token }).lean();
      return row ? packageFrom(row) : undefined;
    },

    /** Takes one of the tries at a link's passphrase; undefined when none is left, it is over, or it is being fetched. */
    async tryPassphrase(token: string, now: number): Promise<StoredPackage | undefined> {
      const row = await packages
        .findOneAndUpdate(
          {
            'download.token': token,
            'download.attempts': { $gt: 0 },
            'download.until': { $gt: now },
            openedAt: { $exists: false },
          },
          { $inc: { 'download.attempts': -1 } },
          { returnDocument: 'after', writeConcern: DURABLE },
        )
        .lean();
      return row ? packageFrom(row) : undefined;
    },

    /** The right passphrase: gives the try back and begins a fetch, alone. False when another is under way. */
    async beginFetch(token: string, now: number, until: number): Promise<boolean> {
      const { modifiedCount } = await packages.updateOne(
        {
          'download.token': token,
          openedAt: { $exists: false },
          $or: [{ 'download.servedUntil': { $exists: false } }, { 'download.servedUntil': { $lte: now } }],
        },
        { $set: { 'download.servedUntil': until }, $inc: { 'download.attempts': 1 } },
        { writeConcern: DURABLE },
      );
      return modifiedCount === 1;
    },

    /** The right passphrase came while another fetch was under way: that was no wrong try. */
    async giveBack(token: string): Promise<void> {
      await packages.updateOne({ 'download.token': token }, { $inc: { 'download.attempts': 1 } });
    },

    /** The connection broke: the person may try again. */
    async endFetch(token: string): Promise<void> {
      await packages.updateOne({ 'download.token': token }, { $unset: { 'download.servedUntil': '' } });
    },

    async opened(id: string, at: Date): Promise<void> {
      await packages.updateOne({ _id: id }, { $set: { openedAt: at } }, { writeConcern: DURABLE });
    },
  };
}
