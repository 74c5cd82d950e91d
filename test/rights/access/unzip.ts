import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** The files of an archive, as a program that is not ours opens it: Python's zipfile checks lengths and sums. */
export function unzipped(archive: Buffer): Map<string, Buffer> {
  const dir = mkdtempSync(path.join(tmpdir(), 'hush-zip-'));
  try {
    const file = path.join(dir, 'archive.zip');
    const out = path.join(dir, 'out');
    writeFileSync(file, archive);
    const script =
      'import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\nz.extractall(sys.argv[2])\nprint("\\n".join(z.namelist()))';
    const names = execFileSync('python3', ['-c', script, file, out], { encoding: 'utf8' }).trim().split('\n');
    if (readdirSync(out).length !== names.length) throw new Error('the archive lists other files than it has');
    return new Map(names.map((name) => [name, readFileSync(path.join(out, name))]));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
