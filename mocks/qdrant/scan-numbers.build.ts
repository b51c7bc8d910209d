/**
 * `npx -p wabt@1.0.39 -c 'node mocks/qdrant/scan-numbers.build.ts'` compiles scan-numbers.wat into
 * scan-numbers.wasm.ts; wabt is no dependency of this package, as nothing else needs it.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const source = new URL('scan-numbers.wat', import.meta.url).pathname;
const output = join(mkdtempSync(join(tmpdir(), 'kneepoint-wat-')), 'out.wasm');
execFileSync('wat2wasm', [source, '-o', output]);
const base64 = readFileSync(output, 'base64');
const sha256 = createHash('sha256').update(readFileSync(source)).digest('hex');
const lines = base64.match(/.{1,92}/g)!.map((line) => `  '${line}',`);
writeFileSync(
  new URL('scan-numbers.wasm.ts', import.meta.url),
  `/** Made by scan-numbers.build.ts; not to be changed by hand. */

/** The source this was made from, by its SHA-256. */
export const sourceSha256 = '${sha256}';

/** The compiled module in base64. */
export const wasmBase64 = [
${lines.join('\n')}
].join('');
`,
);
