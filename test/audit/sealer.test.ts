import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createForget, createProofs, publishedNote } from '../../src/audit/proofs.js';
import { createLogSealer } from '../../src/audit/sealer.js';
import { createSealerLoop, type SealerLoop } from '../../src/audit/sealer-loop.js';
import { verifyLedger } from '../../src/audit/verify.js';
import { openCheckpoint, verifyTlogProof } from '../../src/core/checkpoint.js';
import { parseEventId } from '../../src/core/keys.js';
import { commitsTo, parseEntry } from '../../src/core/leaf.js';
import { leafHash, proveConsistency, rootOfHashes, treeRoot, verifyConsistency } from '../../src/core/merkle.js';
import { hashesFromTiles } from '../../src/core/tile.js';
import type { LogStores } from '../../src/store/log-stores.js';
import { until } from '../support/until.js';
import { type Installation, openInstallation } from './installation.js';

let hush: Installation;
const opened: Installation[] = [];
const stopping: SealerLoop[] = [];

beforeEach(async () => {
  hush = await openInstallation();
  opened.push(hush);
});
afterEach(async () => {
  await Promise.all(stopping.splice(0).map((loop) => loop.stop()));
  for (const installation of opened.splice(0)) await installation.close();
});

const idOf = (text: string) => {
  const id = parseEventId(text);
  if (!id) throw new Error('not an event id');
  return id;
};

/** The whole log as anybody may see it, checked from the ground up. */
async function checkWhole(events: readonly string[]): Promise<void> {
  const { size, root } = await hush.stores.leaves.reached();
  const rows = await hush.stores.leaves.range(0, 1_000_000);
  expect(rows.map(({ index }) => index)).toEqual(rows.map((_, at) => at));
  expect(
    rows
      .slice(0, size)
      .map(({ event }) => event)
      .sort(),
  ).toEqual([...events].sort());
  expect(root).toEqual(rootOfHashes(rows.slice(0, size).map(({ entry }) => leafHash(entry))));
  expect(await treeRoot(size, hashesFromTiles(size, hush.stores.leaves.readTiles))).toEqual(root);
  const report = await verifyLedger(hush.verification());
  expect(report.faults).toEqual([]);
  expect(report.entries).toBe(events.length);
}

describe('the sealer', () => {
  test('signs the empty log, then one checkpoint a round, and none when nothing is new', async () => {
    const sealer = hush.sealer();
    expect((await sealer.round()).checkpoint?.size).toBe(0);
    expect((await sealer.round()).checkpoint).toBeUndefined();
    const entries = await hush.record(700);
    const { added, checkpoint } = await sealer.round();
    expect(added).toBe(700);
    expect(openCheckpoint(checkpoint?.note ?? '', hush.signer.verifiers)?.checkpoint).toMatchObject({
      origin: 'hush.example/log',
      size: 700,
    });
    expect((await sealer.round()).added).toBe(0);
    await checkWhole(entries.map(({ event }) => event.id));
  });

  test('every checkpoint is consistent with every one before', async () => {
    const sealer = hush.sealer();
    for (const count of [1, 2, 253, 1, 255, 300, 1]) {
      await hush.record(count);
      await sealer.round();
    }
    const all = await hush.stores.checkpoints.following(0, 100);
    expect(all.map(({ size }) => size)).toEqual([1, 3, 256, 257, 512, 812, 813]);
    const reader = (size: number) => hashesFromTiles(size, hush.stores.leaves.readTiles);
    for (const older of all) {
      for (const newer of all.filter(({ size }) => size >= older.size)) {
        const proof = await proveConsistency(older.size, newer.size, reader(newer.size));
        expect(verifyConsistency(older.size, newer.size, older.root, newer.root, proof)).toBe(true);
      }
    }
  });

  test('an entry that is inserted late, with an earlier time and a smaller id, gets its leaf', async () => {
    const sealer = hush.sealer();
    const late = hush.entry(randomBytes(16), { recorded: 1024 });
    const entries = await hush.record(3);
    await sealer.round();
    await hush.ledger.insert([late]);
    expect((await sealer.round()).added).toBe(1);
    await checkWhole([...entries, late].map(({ event }) => event.id));
  });

  test('entries that came in past the ledger’s own insert are found when the counts do not agree', async () => {
    const sealer = hush.sealer();
    const entries = await hush.record(5);
    await sealer.round();
    const more = await hush.record(4);
    await hush.ledger.collection.updateMany({}, { $unset: { unsealed: '' } });
    expect((await sealer.round()).added).toBe(0);
    expect(await sealer.catchUp()).toBe(4);
    expect((await sealer.round()).added).toBe(4);
    expect(await sealer.catchUp()).toBe(0);
    await checkWhole([...entries, ...more].map(({ event }) => event.id));
  });

  test('two sealers at once never sign two roots of one size, nor lose or double a leaf', async () => {
    const entries: string[] = [];
    const stop = { now: false };
    const notes = new Map<number, Set<string>>();
    const seal = async () => {
      // What each would publish is looked at, not only what was accepted.
      const watching: LogStores = {
        ...hush.stores,
        checkpoints: {
          ...hush.stores.checkpoints,
          publish: (checkpoint) => {
            const roots = notes.get(checkpoint.size) ?? new Set();
            notes.set(checkpoint.size, roots.add(checkpoint.root.toString('hex')));
            return hush.stores.checkpoints.publish(checkpoint);
          },
        },
      };
      const sealer = hush.sealer(watching);
      while (!stop.now)
        await sealer.round().catch((error: unknown) => {
          if (error instanceof Error && error.name === 'LogDamaged') throw error;
        });
    };
    const sealers = [seal(), seal(), seal()];
    for (let round = 0; round < 25; round++) {
      entries.push(...(await hush.record(1 + ((round * 37) % 120))).map(({ event }) => event.id));
    }
    await until(async () => (await hush.stores.queue.unsealed(1)).length === 0);
    stop.now = true;
    await Promise.all(sealers);
    await hush.sealer().round();
    expect(notes.size).toBeGreaterThan(3);
    expect([...notes.values()].every((roots) => roots.size === 1)).toBe(true);
    await checkWhole(entries);
  });

  test('a sealer that dies at any step loses nothing, and its successor signs the same history', async () => {
    const events: string[] = [];
    const steps = ['append', 'keepTiles', 'advance', 'publish', 'settle'] as const;
    for (const step of steps) {
      for (const when of ['before', 'after'] as const) {
        events.push(...(await hush.record(300)).map(({ event }) => event.id));
        const die =
          <Args extends unknown[], Result>(action: (...args: Args) => Promise<Result>) =>
          async (...args: Args): Promise<Result> => {
            if (when === 'after') await action(...args);
            throw new Error(`died ${when} ${step}`);
          };
        const { leaves, checkpoints, queue } = hush.stores;
        const dying: LogStores = {
          ...hush.stores,
          leaves: {
            ...leaves,
            ...(step === 'append' ? { append: die(leaves.append) } : {}),
            ...(step === 'keepTiles' ? { keepTiles: die(leaves.keepTiles) } : {}),
            ...(step === 'advance' ? { advance: die(leaves.advance) } : {}),
          },
          checkpoints: { ...checkpoints, ...(step === 'publish' ? { publish: die(checkpoints.publish) } : {}) },
          queue: { ...queue, ...(step === 'settle' ? { settle: die(queue.settle) } : {}) },
        };
        await expect(hush.sealer(dying).round()).rejects.toThrow(`died ${when} ${step}`);
        await hush.sealer().round();
        const { size, root } = await hush.stores.leaves.reached();
        expect((await hush.stores.checkpoints.latest())?.size).toBe(size);
        expect((await hush.stores.checkpoints.latest())?.root).toEqual(root);
        await checkWhole(events);
      }
    }
  });

  test('half a batch that a dying sealer left is taken over as it is', async () => {
    const entries = await hush.record(10);
    const { leaves } = hush.stores;
    const half: LogStores = {
      ...hush.stores,
      leaves: {
        ...leaves,
        append: async (rows) => {
          await leaves.append(rows.slice(0, 4));
          throw new Error('died');
        },
      },
    };
    await expect(hush.sealer(half).round()).rejects.toThrow('died');
    expect((await hush.stores.leaves.reached()).size).toBe(0);
    const left = await leaves.range(0, 100);
    expect(left.length).toBe(4);
    expect((await hush.sealer().round()).added).toBe(10);
    expect((await leaves.range(0, 4)).map(({ entry }) => entry)).toEqual(left.map(({ entry }) => entry));
    await checkWhole(entries.map(({ event }) => event.id));
  });

  test('a batch that meets somebody’s leaf stops there, so that no leaf stands without the one before it', async () => {
    const entries = await hush.record(6);
    const rows = entries.map(({ key, event }, index) => ({
      index,
      entry: Buffer.from([index]),
      event: event.id,
      contact: key,
    }));
    expect(await hush.stores.leaves.append(rows.slice(3, 4))).toBe(true);
    expect(await hush.stores.leaves.append(rows)).toBe(false);
    expect((await hush.stores.leaves.range(0, 10)).map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  });

  test('a tree that does not go on from what was signed is not signed', async () => {
    await hush.record(3);
    await hush.sealer().round();
    const { connection } = hush;
    await connection
      .collection<{ _id: number }>('log_entries')
      .updateOne({ _id: 1 }, { $set: { entry: Buffer.from('forged') } });
    await hush.record(1);
    await expect(hush.sealer().round()).rejects.toMatchObject({ name: 'LogDamaged' });
    expect((await hush.stores.checkpoints.latest())?.size).toBe(3);
  });

  test('nor one whose leaves and root were both exchanged: the last signed checkpoint tells', async () => {
    await hush.record(3);
    await hush.sealer().round();
    const { connection, stores } = hush;
    await connection
      .collection<{ _id: number }>('log_entries')
      .updateOne({ _id: 1 }, { $set: { entry: Buffer.from('forged') } });
    const root = rootOfHashes((await stores.leaves.range(0, 3)).map(({ entry }) => leafHash(entry)));
    await connection.collection<{ _id: string }>('log_tree').updateOne({ _id: 'tree' }, { $set: { root } });
    await hush.record(1);
    await expect(hush.sealer().round()).rejects.toThrow('the first 3 leaves are not those that were signed');
  });

  test('leaves and size set back together are not signed over', async () => {
    await hush.record(5);
    await hush.sealer().round();
    await hush.connection.collection<{ _id: number }>('log_entries').deleteMany({ _id: { $gte: 3 } });
    const rows = await hush.stores.leaves.range(0, 3);
    await hush.connection
      .collection<{ _id: string }>('log_tree')
      .updateOne({ _id: 'tree' }, { $set: { size: 3, root: rootOfHashes(rows.map(({ entry }) => leafHash(entry))) } });
    await hush.record(2);
    await expect(hush.sealer().round()).rejects.toThrow(
      'a checkpoint of size 5 was signed, but only 3 leaves are here',
    );
  });
});

describe('the sealer’s loop', () => {
  test('only one of several is at work, and another takes over when it stops', async () => {
    const states = new Map<string, string>();
    const loops = ['a', 'b'].map((name) =>
      createSealerLoop({
        ...hush.parts,
        leader: hush.leaders.leaderFor('sealer', 5000, name),
        intervalMs: 50,
        onState: (state) => states.set(name, state),
      }),
    );
    for (const loop of loops) loop.start();
    stopping.push(...loops);
    await hush.record(10);
    await until(async () => (await hush.stores.leaves.reached()).size === 10);
    await until(async () => states.size === 2);
    expect([...states.values()].sort()).toEqual(['sealing', 'standing_by']);
    const [leader, other] = states.get('a') === 'sealing' ? [loops[0], loops[1]] : [loops[1], loops[0]];
    await leader?.stop();
    await hush.record(10);
    await until(async () => (await hush.stores.leaves.reached()).size === 20);
    await other?.stop();
  });

  test('a lease that was not renewed passes on, one that was does not', async () => {
    const HOUR = 3_600_000;
    const [a, b] = ['a', 'b'].map((name) => hush.leaders.leaderFor('lease', HOUR, name));
    const leases = hush.connection.collection('leases');
    // The lease is in the database's own time: that it passes is told there.
    const pass = (ms: number) =>
      leases.updateOne({ _id: 'lease' as never }, [{ $set: { until: { $subtract: ['$until', ms] } } }]);
    expect(await a?.hold()).toBe(true);
    expect(await b?.hold()).toBe(false);
    await pass(HOUR * 0.7);
    expect(await a?.hold()).toBe(true);
    await pass(HOUR * 0.7);
    expect(await b?.hold()).toBe(false);
    await pass(HOUR * 0.31);
    expect(await b?.hold()).toBe(true);
    expect(await a?.hold()).toBe(false);
  });
});

describe('proofs', () => {
  test('every entry of a log has a proof that checks offline, and an opening that shows what it is about', async () => {
    const entries = await hush.record(300);
    const sealer = hush.sealer();
    await sealer.round();
    await hush.record(2);
    await sealer.round();
    const proofs = createProofs({ stores: hush.stores });
    for (const { event } of entries.slice(0, 40)) {
      const id = idOf(event.id);
      const [proof, entry, opening] = [
        await proofs.proofFor(id),
        await proofs.entryFor(id),
        await proofs.openingFor(id),
      ];
      if (!proof || !entry || !opening) throw new Error('no proof');
      expect(verifyTlogProof(proof, entry, hush.signer.verifiers)?.size).toBe(302);
      expect(commitsTo(entry, opening.salt, opening.canonical)).toBe(true);
      expect(JSON.parse(opening.canonical).event.id).toBe(event.id);
      expect(entry.includes(opening.canonical.slice(0, 30))).toBe(false);
      const wrong = Buffer.from(entry);
      wrong.writeUInt8(wrong.readUInt8(30) ^ 1, 30);
      expect(verifyTlogProof(proof, wrong, hush.signer.verifiers)).toBeUndefined();
    }
  });

  test('before it is sealed an event has none', async () => {
    const [entry] = await hush.record(1);
    const proofs = createProofs({ stores: hush.stores });
    expect(await proofs.proofFor(idOf(entry?.event.id ?? ''))).toBeUndefined();
    expect(await proofs.entryFor(idOf(entry?.event.id ?? ''))).toBeUndefined();
  });
});

describe('erasure', () => {
  test('names the emptied leaves, destroys their salts, and the log still verifies without the bodies', async () => {
    const key = randomBytes(16);
    const hers = [...(await hush.record(4, key)), hush.entry(key, { type: 'erased' })];
    await hush.ledger.insert(hers.slice(4));
    const others = await hush.record(3);
    const sealer = hush.sealer();
    await sealer.round();
    await createForget({ stores: hush.stores })(key);
    await sealer.round();
    const rows = await hush.stores.leaves.ofContact(key);
    const named = rows.flatMap(({ entry }) => {
      const leaf = parseEntry(entry);
      return leaf?.kind === 'erasure' ? leaf.empties : [];
    });
    expect(named).toEqual(rows.slice(0, 5).map(({ index }) => index));
    expect(rows.some(({ salt }) => salt)).toBe(false);
    expect(rows.at(-1)?.event).toBe(hers[4]?.event.id);
    expect(await hush.stores.queue.forgets(10)).toEqual([]);
    const proofs = createProofs({ stores: hush.stores });
    const first = idOf(hers[0]?.event.id ?? '');
    expect(await proofs.openingFor(first)).toBeUndefined();
    expect(
      verifyTlogProof(
        (await proofs.proofFor(first)) ?? '',
        (await proofs.entryFor(first)) ?? Buffer.alloc(0),
        hush.signer.verifiers,
      ),
    ).toBeDefined();

    await hush.ledger.collection.deleteMany({ id: hers[1]?.event.id });
    const report = await verifyLedger(hush.verification());
    expect(report.faults).toEqual([]);
    expect(report).toMatchObject({ entries: others.length, emptied: 5, size: 9 });
  });

  test('waits for entries that have no leaf yet, and a second erasure names only what is new', async () => {
    const key = randomBytes(16);
    await hush.record(2, key);
    const sealer = hush.sealer();
    const forget = createForget({ stores: hush.stores });
    await forget(key);
    // As when a backlog fills the round.
    await hush.sealer({ ...hush.stores, queue: { ...hush.stores.queue, unsealed: async () => [] } }).round();
    expect((await hush.stores.queue.forgets(10)).length).toBe(1);
    await sealer.round();
    await hush.record(1, key);
    await forget(key);
    await forget(key);
    await sealer.round();
    const leaves = (await hush.stores.leaves.ofContact(key)).map(({ entry }) => parseEntry(entry));
    expect(leaves.map((leaf) => (leaf?.kind === 'erasure' ? leaf.empties : 'event'))).toEqual([
      'event',
      'event',
      [0, 1],
      'event',
      [3],
    ]);
    expect((await verifyLedger(hush.verification())).faults).toEqual([]);
  });

  test('that dies between naming and destroying is finished by the next sealer', async () => {
    const key = randomBytes(16);
    await hush.record(3, key);
    await hush.sealer().round();
    await createForget({ stores: hush.stores })(key);
    const dying: LogStores = {
      ...hush.stores,
      leaves: {
        ...hush.stores.leaves,
        destroySalts: async () => {
          throw new Error('died');
        },
      },
    };
    await expect(hush.sealer(dying).round()).rejects.toThrow('died');
    await hush.sealer().round();
    const rows = await hush.stores.leaves.ofContact(key);
    expect(rows.length).toBe(4);
    expect(rows.some(({ salt }) => salt)).toBe(false);
    expect((await verifyLedger(hush.verification())).faults).toEqual([]);
  });
});

describe('rotating the key', () => {
  test('signs with both keys for a month, then with the new one alone; old checkpoints stay valid', async () => {
    await hush.record(2);
    await hush.sealer().round();
    const before = await hush.stores.checkpoints.latest();
    const roots = new Map([...hush.keyring.roots, [2, Buffer.alloc(32, 5)] as const]);
    const rotated = await openInstallation({ ...hush.keyring, current: 2, roots });
    opened.push(rotated);
    // The same store under the new keyring.
    const { createLogSigner } = await import('../../src/audit/log-keys.js');
    const signer = createLogSigner({
      keyring: rotated.keyring,
      origin: hush.signer.origin,
      checkpoints: hush.stores.checkpoints,
      clock: hush.clock,
    });
    const sealer = createLogSealer({ ...hush.parts, signer });
    await hush.record(2);
    await sealer.round();
    const both = await hush.stores.checkpoints.latest();
    expect(openCheckpoint(both?.note ?? '', signer.verifiers)?.by.length).toBe(2);
    expect(openCheckpoint(both?.note ?? '', hush.signer.verifiers)?.by.length).toBe(1);
    expect((await signer.vkeys()).trim().split('\n').length).toBe(2);
    hush.time.now += 31 * 86_400_000;
    await sealer.round();
    await hush.record(1);
    await sealer.round();
    const one = await hush.stores.checkpoints.latest();
    expect(openCheckpoint(one?.note ?? '', signer.verifiers)?.by).toEqual([signer.verifiers[1]]);
    expect(openCheckpoint(one?.note ?? '', hush.signer.verifiers)).toBeUndefined();
    expect((await signer.vkeys()).trim().split('\n').length).toBe(1);
    expect(before && openCheckpoint(publishedNote(before), signer.verifiers)?.checkpoint.size).toBe(2);
    expect((await verifyLedger({ ...hush.verification(), verifiers: signer.verifiers })).faults).toEqual([]);
  });
});
