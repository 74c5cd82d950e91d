import type { Collection } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import { DURABLE } from './connect.js';

/** A link with which the package can be fetched once. */
export interface Download {
  readonly id: string;
  /** Keyed hash of the link's token. */
  readonly token: string;
  readonly salt: Buffer;
  /** Opens only with the right passphrase. */
  readonly check: Buffer;
  readonly size: number;
  readonly chunks: number;
  /** Passphrases that may still be tried. */
  readonly attempts: number;
  readonly at: number;
  readonly until: number;
  /** ms; while it is being fetched: when another fetch may begin. */
  readonly servedUntil?: number;
}

/** Reads what a package has of its link. */
export function downloadFrom(value: unknown): Download | undefined {
  if (!value) return undefined;
  const row = value as Record<string, unknown>;
  return { ...(row as unknown as Download), salt: bytesOf(row.salt), check: bytesOf(row.check) };
}

const id = (text: string): object => ({ _id: text });
const BUFFERS = { promoteBuffers: true } as const;

/** Every query to the links of packages: each changes one document, so that tries and fetches are counted once. */
export function createAccessDownloads<Package>(on: {
  readonly packages: Collection;
  readonly parts: Collection;
  readonly found: (row: unknown) => Package | undefined;
}) {
  const { packages, parts: partsOf, found } = on;
  return {
    /** A new link takes the place of an earlier one, whose parts go. */
    async offer(one: string, download: Download, by: string, at: Date): Promise<boolean> {
      const before = await packages.findOneAndUpdate(
        { ...id(one), state: { $in: ['ready', 'delivered'] }, key: { $exists: true } },
        {
          $set: {
            state: 'delivered',
            deliveredAt: at,
            deliveredBy: by,
            download: { ...download, salt: binary(download.salt), check: binary(download.check) },
          },
        },
        { returnDocument: 'before', writeConcern: DURABLE, ...BUFFERS },
      );
      const old = before && downloadFrom(before.download);
      if (old) await partsOf.deleteMany({ _id: { $regex: `^${one}/download/${old.id}/` } } as never);
      return before !== null;
    },

    /** Takes one of the tries at a link's passphrase; undefined when none is left, it is over, or it is being fetched. */
    async tryPassphrase(token: string, now: number): Promise<Package | undefined> {
      return found(
        await packages.findOneAndUpdate(
          {
            'download.token': token,
            'download.attempts': { $gt: 0 },
            'download.until': { $gt: now },
            openedAt: { $exists: false },
          },
          { $inc: { 'download.attempts': -1 } },
          { returnDocument: 'after', writeConcern: DURABLE, ...BUFFERS },
        ),
      );
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

    async opened(one: string, at: Date): Promise<void> {
      await packages.updateOne(id(one), { $set: { openedAt: at } }, { writeConcern: DURABLE });
    },
  };
}
