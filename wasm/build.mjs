/** Compiles `contact-keys.ts` into `src/core/contact-keys-wasm.ts`: `npm run wasm`. With `--print` only says what it would write. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import asc from 'assemblyscript/asc';

const SOURCE = path.join(import.meta.dirname, 'contact-keys.ts');
const TARGET = path.join(import.meta.dirname, '../src/core/contact-keys-wasm.ts');
const LINE = 110;

/** The text of the module that holds the program. */
async function compiled() {
  const args = [SOURCE, '--outFile', 'out.wasm', '-O3', '--converge', '--runtime', 'stub', '--enable', 'simd'];
  let binary;
  const { error, stderr } = await asc.main([...args, '--noAssert', '--use', 'abort='], {
    writeFile: (_name, contents) => {
      binary = contents;
    },
  });
  if (error) throw new Error(stderr.toString());
  const lines = Buffer.from(binary)
    .toString('base64')
    .match(new RegExp(`.{1,${LINE}}`, 'g'));
  return `/** \`wasm/contact-keys.ts\`, compiled by \`npm run wasm\`. */\nexport const CONTACT_KEYS_WASM =\n  '${lines.join("' +\n  '")}';\n`;
}

if (process.argv.includes('--print')) process.stdout.write(await compiled());
else await writeFile(TARGET, await compiled());
