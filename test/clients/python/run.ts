import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Bench } from '../bench.ts';

/** What a Python client came to: a value, or all that its error says. */
export type Line = {
  name: string;
  end: 'ok' | 'error' | 'waiting';
  value: unknown;
  error?: { class: string; status: number | null; message: string } & Record<string, unknown>;
  tookMs: number;
};

const script = fileURLToPath(new URL('client.py', import.meta.url));

/** Runs a suite of client.py to its end, and gives its lines by the name of the case. */
export async function runPython(
  interpreter: string,
  suite: string,
  cases: Record<string, unknown>,
  { openai, qdrant }: Bench,
  tiktokenFolder: string,
): Promise<Map<string, Line>> {
  const env = {
    ...process.env,
    CASES: JSON.stringify(cases),
    OPENAI_BASE_URL: `${openai.url}/v1`,
    QDRANT_URL: qdrant.url,
    TIKTOKEN_CACHE_DIR: tiktokenFolder,
    // A proxy of the machine must not stand between a client and the mocks.
    NO_PROXY: '127.0.0.1',
    PYTHONUTF8: '1',
  };
  const options = { env, maxBuffer: 64 * 1024 * 1024, timeout: 100_000 };
  const { stdout } = await promisify(execFile)(interpreter, [script, suite], options);
  const lines = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
  return new Map(lines.map((line) => [line.name, line]));
}
