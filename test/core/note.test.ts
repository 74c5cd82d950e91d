import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  checkpointText,
  openCheckpoint,
  parseCheckpointText,
  parseTlogProof,
  tlogProofText,
  verifyTlogProof,
} from '../../src/core/checkpoint.js';
import { cosignedMessage, verifyCosignature } from '../../src/core/cosignature.js';
import { commitsTo, erasureEntries, eventEntry, parseEntry } from '../../src/core/leaf.js';
import { EMPTY_ROOT, leafHash, nodeHash } from '../../src/core/merkle.js';
import {
  COSIGNATURE,
  createNoteSigner,
  createVerifier,
  noteText,
  parseNote,
  parseSignatureLine,
  parseVerifier,
  publicKeyBytes,
  verifierText,
  verifyNote,
} from '../../src/core/note.js';

/** The example of C2SP signed-note. */
const VKEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
const NOTE =
  'This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n';
const seed = Buffer.alloc(32, 7);
const signer = createNoteSigner('hush.example/log', seed);

describe('signed notes', () => {
  test('the example of the specification verifies, and its verifier key is read and written', () => {
    const verifier = parseVerifier(VKEY);
    const note = parseNote(NOTE);
    if (!verifier || !note) throw new Error('not read');
    expect(verifierText(verifier)).toBe(VKEY);
    expect(verifyNote(note, [verifier])).toEqual([verifier]);
    expect(noteText(note)).toBe(NOTE);
  });

  test('a note with any character changed does not verify', () => {
    const text = 'hush.example/log\n3\nabc\n';
    const note = noteText({ text, signatures: [signer.sign(text)] });
    fc.assert(
      fc.property(fc.nat(note.length - 1), fc.constantFrom('a', 'B', '7', '\n', ' ', '—'), (at, letter) => {
        fc.pre(note[at] !== letter);
        const changed = parseNote(note.slice(0, at) + letter + note.slice(at + 1));
        expect(changed && verifyNote(changed, [signer.verifier])).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  test('unknown signatures are passed over; a bad one of a known key spoils the note', () => {
    const other = createNoteSigner('other.example', Buffer.alloc(32, 9));
    const text = 'words\n';
    const good = signer.sign(text);
    const both = parseNote(noteText({ text, signatures: [other.sign(text), good] }));
    expect(both && verifyNote(both, [signer.verifier])).toEqual([signer.verifier]);
    const bad = { ...other.sign(text), signature: good.signature };
    const spoilt = parseNote(noteText({ text, signatures: [good, bad] }));
    expect(spoilt && verifyNote(spoilt, [signer.verifier, other.verifier])).toBeUndefined();
    expect(spoilt && verifyNote(spoilt, [signer.verifier])).toEqual([signer.verifier]);
  });

  test.each([
    ['no newline at the end', NOTE.slice(0, -1)],
    ['no signature', 'words\n\n'],
    ['no empty line', 'words\n— a.example AAAAAAAA\n'],
    ['a carriage return', NOTE.replace('message.', 'message.\r')],
    ['base64 in another spelling', NOTE.replace('QM=\n', 'QN=\n')],
    ['a line that is no signature', `${NOTE}words\n`],
  ])('%s is no note', (_name, text) => {
    expect(parseNote(text)).toBeUndefined();
  });

  test.each(['', 'a b', 'a+b', 'a\nb', 'a\u2003b'])('%j names no key', (name) => {
    expect(() => createVerifier(name, Buffer.alloc(32))).toThrow();
  });

  test('a verifier key whose id is not that of its key is refused', () => {
    expect(parseVerifier(VKEY.replace('530d903a', '530d903b'))).toBeUndefined();
    expect(parseVerifier(VKEY.replace('foo', 'bar'))).toBeUndefined();
  });

  test('the key of a seed is the one RFC 8032 §7.1 gives', () => {
    const rfc = createNoteSigner(
      'x',
      Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex'),
    );
    expect(rfc.verifier.publicKey.toString('hex')).toBe(
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    );
  });
});

describe('checkpoints', () => {
  const checkpoint = { origin: 'hush.example/log', size: 20_852_163, root: EMPTY_ROOT };

  test('are three lines', () => {
    const text = checkpointText(checkpoint);
    expect(text).toBe('hush.example/log\n20852163\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n');
    expect(parseCheckpointText(text)).toEqual(checkpoint);
    expect(parseCheckpointText(`${text}an extension\n`)).toEqual(checkpoint);
  });

  test.each([
    'a\n01\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n',
    'a\n1\nAAAA\n',
    'a\n-1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n',
    'a\n1\n',
  ])('%j is none', (text) => {
    expect(parseCheckpointText(text)).toBeUndefined();
  });

  test('a checkpoint of another origin is not opened with our key', () => {
    const text = checkpointText({ ...checkpoint, origin: 'other.example' });
    expect(openCheckpoint(noteText({ text, signatures: [signer.sign(text)] }), [signer.verifier])).toBeUndefined();
  });

  test('the cosignature of the specification is read, and one of ours verifies only on its own checkpoint', () => {
    const line = parseSignatureLine(
      '— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==',
    );
    expect(Number(line?.signature.readBigUInt64BE(0))).toBe(1_679_315_147);
    const { privateKey } = generateKeyPairSync('ed25519');
    const witness = createVerifier('w.example', publicKeyBytes(privateKey), COSIGNATURE);
    const text = checkpointText(checkpoint);
    const stamp = Buffer.alloc(8);
    stamp.writeBigUInt64BE(1_700_000_000n);
    const signature = Buffer.concat([
      stamp,
      sign(
        null,
        cosignedMessage(text, 1_700_000_000),
        createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' })),
      ),
    ]);
    const cosigned = { name: 'w.example', keyId: witness.keyId, signature };
    expect(verifyCosignature(cosigned, text, witness)?.at).toBe(1_700_000_000);
    expect(verifyCosignature(cosigned, text.replace('20852163', '20852164'), witness)).toBeUndefined();
    expect(verifyCosignature({ ...cosigned, name: 'v.example' }, text, witness)).toBeUndefined();
    // The timestamp is signed too.
    const later = Buffer.from(signature);
    later.writeUInt8(1, 7);
    expect(verifyCosignature({ ...cosigned, signature: later }, text, witness)).toBeUndefined();
  });

  test('a .tlog-proof is checked with nothing but the verifier key', () => {
    const entries = [Buffer.from('one'), Buffer.from('two')];
    const [one, two] = entries.map(leafHash);
    if (!one || !two) throw new Error('two leaves');
    const text = checkpointText({ origin: 'hush.example/log', size: 2, root: nodeHash(one, two) });
    const proof = tlogProofText({
      index: 1,
      hashes: [one],
      checkpoint: noteText({ text, signatures: [signer.sign(text)] }),
    });
    expect(
      proof.startsWith(`c2sp.org/tlog-proof@v1\nindex 1\n${one.toString('base64')}\n\nhush.example/log\n2\n`),
    ).toBe(true);
    expect(verifyTlogProof(proof, Buffer.from('two'), [signer.verifier])?.size).toBe(2);
    expect(verifyTlogProof(proof, Buffer.from('tvo'), [signer.verifier])).toBeUndefined();
    expect(verifyTlogProof(proof.replace('index 1', 'index 0'), Buffer.from('two'), [signer.verifier])).toBeUndefined();
    expect(parseTlogProof(proof.replace('index', 'extra aGk=\nindex'))?.index).toBe(1);
    expect(parseTlogProof(proof.replace('index 1', 'index 01'))).toBeUndefined();
    expect(parseTlogProof(proof.replace('@v1', '@v2'))).toBeUndefined();
  });
});

describe('entries', () => {
  const id = 'ABCD-EFGH-JKMN-PQRS-TVWX';

  test('an event entry is version, id and commitment, and says nothing of the event', () => {
    const salt = Buffer.alloc(32, 1);
    const entry = eventEntry(id, salt, '{"contact":"c_x"}');
    expect(entry.length).toBe(57);
    expect(entry.subarray(0, 25).toString('latin1')).toBe(`\u0001${id}`);
    expect(commitsTo(entry, salt, '{"contact":"c_x"}')).toBe(true);
    expect(commitsTo(entry, salt, '{"contact":"c_y"}')).toBe(false);
    expect(commitsTo(entry, Buffer.alloc(32, 2), '{"contact":"c_x"}')).toBe(false);
  });

  test('an erasure names every leaf it emptied, in as many entries as it takes', () => {
    const indexes = Array.from({ length: 10_000 }, (_, at) => at * 3);
    const entries = erasureEntries(id, indexes);
    expect(entries.every((entry) => entry.length <= 65_535)).toBe(true);
    const named = entries.flatMap((entry) => {
      const leaf = parseEntry(entry);
      return leaf?.kind === 'erasure' ? leaf.empties : [];
    });
    expect(named).toEqual(indexes);
  });
});
