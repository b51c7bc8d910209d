import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import {
  access,
  chmod,
  constants,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  stat,
} from 'node:fs/promises';
import { delimiter, dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { MissingPartError } from './missing-part.ts';

/** The one k6 this repository builds, downloads and caches; k6/build/go.mod pins the same. */
export const K6_VERSION = '2.2.0';

const RELEASES = `https://github.com/grafana/k6/releases/download/v${K6_VERSION}`;
const PROBE_TIMEOUT_MS = 30_000;
const DOWNLOAD_TIMEOUT_MS = 15 * 60_000;

type Env = Record<string, string | undefined>;

export type K6 = {
  path: string;
  version: string;
  origin: 'KNEEPOINT_K6' | 'PATH' | 'cache' | 'build' | 'download';
};

export type FindK6Options = {
  env: Env;
  /** The repository's root: where k6/build is, and .cache unless KNEEPOINT_CACHE says otherwise. */
  root: string;
  /** Told about anything slow or surprising; a k6 that is simply there is not worth a line. */
  say: (line: string) => void;
  signal?: AbortSignal;
  /** How often a build in progress is reported. */
  progressMs?: number;
};

/** A way of getting k6 either ends in one or in the reason, which the final error repeats. */
type Outcome = { k6: K6 } | { reason: string };

/**
 * Finds a k6 that can be run, cheapest way first: the one the user names, the one on PATH, the one
 * cached earlier, one built from pinned source, and last a pinned release. Building comes before
 * downloading because go.sum already vouches for the source, while a release needs a digest that
 * somebody has to have pinned.
 */
export async function findK6(options: FindK6Options): Promise<K6> {
  const { env, root, signal } = options;
  signal?.throwIfAborted();
  const named = env.KNEEPOINT_K6;
  if (named) return namedK6(resolve(named), env);

  const reasons: string[] = [];
  for (const way of [k6OnPath, cachedK6, builtK6, downloadedK6]) {
    const outcome = await way(options);
    // A way that was interrupted fails like any other; it must not start the next one.
    signal?.throwIfAborted();
    if ('k6' in outcome) return outcome.k6;
    reasons.push(outcome.reason);
  }
  const [path, , build, download] = reasons;
  throw new MissingPartError('k6 was not found', [
    'set KNEEPOINT_K6 to the path of a k6',
    `put k6 v2.x, or v1.8 or later, on PATH (${path})`,
    `let Go build it from ${join(root, 'k6', 'build')} (${build})`,
    `let the v${K6_VERSION} release be downloaded (${download})`,
  ]);
}

/** Where a built or downloaded k6 is kept; the version is in the name so that a new pin misses. */
export function cachedK6Path(env: Env, root: string): string {
  return join(cacheDir(env, root), `k6-${K6_VERSION}`, executableName('k6'));
}

/** The name of the release archive for a platform, or undefined where k6 publishes none. */
export function releaseAsset(platform: string, arch: string): string | undefined {
  const os = { linux: 'linux', darwin: 'macos', win32: 'windows' }[platform];
  const cpu = { x64: 'amd64', arm64: 'arm64' }[arch];
  if (!os || !cpu || (os === 'windows' && cpu === 'arm64')) return undefined;
  return `k6-v${K6_VERSION}-${os}-${cpu}.${os === 'linux' ? 'tar.gz' : 'zip'}`;
}

/**
 * A k6 the user names is used or refused, never replaced: silently running another binary than the
 * one asked for would make the measurements someone else's.
 */
async function namedK6(path: string, env: Env): Promise<K6> {
  const outcome = await probe(path, 'KNEEPOINT_K6', env);
  if ('k6' in outcome) return outcome.k6;
  throw new MissingPartError(`KNEEPOINT_K6 is set but cannot be used: ${outcome.reason}`, [
    'set KNEEPOINT_K6 to the path of a k6 v2.x, or v1.8 or later',
    'unset KNEEPOINT_K6 to have one found',
  ]);
}

async function k6OnPath({ env, say }: FindK6Options): Promise<Outcome> {
  const path = await which('k6', env);
  if (!path) return { reason: 'there is none' };
  const outcome = await probe(path, 'PATH', env);
  if ('reason' in outcome) say(`not using the k6 on PATH: ${outcome.reason}`);
  return outcome;
}

async function cachedK6({ env, root, say }: FindK6Options): Promise<Outcome> {
  const path = cachedK6Path(env, root);
  if (!(await isExecutable(path))) return { reason: `no ${path}` };
  const outcome = await probe(path, 'cache', env);
  if ('reason' in outcome) say(`not using the cached k6: ${outcome.reason}`);
  return outcome;
}

async function builtK6(options: FindK6Options): Promise<Outcome> {
  const { env, root, say, signal, progressMs = 10_000 } = options;
  const go = await which('go', env);
  if (!go) return { reason: 'go is not on PATH' };
  const source = join(root, 'k6', 'build');
  const started = performance.now();
  const elapsed = () => `${Math.round((performance.now() - started) / 1000)} s`;
  say(`building k6 v${K6_VERSION} with ${go}; this takes about two minutes, once`);
  const progress = setInterval(() => say(`still building k6, ${elapsed()}`), progressMs);
  const outcome = await intoCache(options, 'build', async (staging) => {
    const output = join(staging, executableName('k6'));
    // -buildvcs=false: the build must not depend on the state of the repository around it.
    const args = ['build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', output, '.'];
    await run(go, args, {
      cwd: source,
      env: { ...env, CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOWORK: 'off' },
      // go tidies up after an interrupt, and not after a SIGTERM.
      killSignal: 'SIGINT',
      ...(signal && { signal }),
    });
    return output;
  }).finally(() => clearInterval(progress));
  if ('k6' in outcome) say(`built k6 v${outcome.k6.version} in ${elapsed()}`);
  else if (!signal?.aborted) say(`building k6 failed: ${outcome.reason}`);
  return outcome;
}

async function downloadedK6(options: FindK6Options): Promise<Outcome> {
  const { env, root, say, signal } = options;
  const asset = releaseAsset(process.platform, process.arch);
  if (!asset) return { reason: `there is no release for ${process.platform}/${process.arch}` };
  const pinned = await pinnedDigest(asset, env, root);
  if ('reason' in pinned) return pinned;
  const base = (env.KNEEPOINT_K6_DOWNLOAD_URL || RELEASES).replace(/\/+$/, '');
  const url = `${base}/${asset}`;
  say(`downloading ${url}`);
  const outcome = await intoCache(options, 'download', async (staging) => {
    const archive = join(staging, asset);
    const deadline = AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS);
    await download(url, archive, signal ? AbortSignal.any([signal, deadline]) : deadline);
    const actual = await sha256(archive);
    if (actual !== pinned.digest) {
      throw new Error(`${url} has SHA-256 ${actual}, not the pinned ${pinned.digest}`);
    }
    await run('tar', ['-xf', archive, '-C', staging], { env, ...(signal && { signal }) });
    const binary = join(staging, asset.replace(/\.(tar\.gz|zip)$/, ''), executableName('k6'));
    await chmod(binary, 0o755);
    return binary;
  });
  if ('reason' in outcome && !signal?.aborted) say(`downloading k6 failed: ${outcome.reason}`);
  return outcome;
}

/** An archive nobody has vouched for is not fetched at all, so that none can ever be run. */
async function pinnedDigest(
  asset: string,
  env: Env,
  root: string,
): Promise<{ digest: string } | { reason: string }> {
  const file = join(root, 'k6', 'build', 'checksums.json');
  const own = env.KNEEPOINT_K6_SHA256;
  let digest: unknown = own;
  if (!own) {
    try {
      digest = JSON.parse(await readFile(file, 'utf8')).sha256?.[asset];
    } catch (error) {
      return { reason: `refused: ${file} cannot be read: ${why(error)}` };
    }
  }
  if (digest === undefined) {
    return {
      reason: `refused: no SHA-256 is pinned for ${asset}; pin it in ${file} or set KNEEPOINT_K6_SHA256`,
    };
  }
  if (typeof digest !== 'string' || !/^[0-9a-f]{64}$/i.test(digest)) {
    const source = own ? 'KNEEPOINT_K6_SHA256' : `the one pinned for ${asset} in ${file}`;
    return { reason: `refused: ${source} is not a SHA-256 (64 hex digits)` };
  }
  return { digest: digest.toLowerCase() };
}

/**
 * Makes a k6 in a directory of its own and renames it into the cache only once it has run, so that
 * the cache never holds half a binary, whether two processes fill it at once or one is interrupted.
 */
async function intoCache(
  { env, root }: FindK6Options,
  origin: 'build' | 'download',
  make: (staging: string) => Promise<string>,
): Promise<Outcome> {
  const target = cachedK6Path(env, root);
  let staging: string | undefined;
  try {
    await mkdir(cacheDir(env, root), { recursive: true });
    staging = await mkdtemp(join(cacheDir(env, root), `k6-${origin}-`));
    const made = await make(staging);
    const outcome = await probe(made, origin, env);
    if ('reason' in outcome) return outcome;
    await mkdir(dirname(target), { recursive: true });
    await rename(made, target);
    return { k6: { ...outcome.k6, path: target } };
  } catch (error) {
    return { reason: why(error) };
  } finally {
    if (staging) await rm(staging, { recursive: true, force: true });
  }
}

/** Runs `k6 version`: the only proof that a file is a k6, fits this machine, and is new enough. */
async function probe(path: string, origin: K6['origin'], env: Env): Promise<Outcome> {
  let output: string;
  try {
    output = await run(path, ['version'], { env, timeout: PROBE_TIMEOUT_MS });
  } catch (error) {
    return { reason: `${path} does not run: ${why(error)}` };
  }
  const found = /^k6(?:\.exe)? v((\d+)\.(\d+)\.\S+)/m.exec(output);
  if (!found?.[1]) return { reason: `${path} does not say which k6 it is` };
  const [, version, major, minor] = found;
  if (!(Number(major) === 2 || (Number(major) === 1 && Number(minor) >= 8))) {
    return { reason: `${path} is k6 v${version}, and v2.x, or v1.8 or later, is needed` };
  }
  return { k6: { path, version, origin } };
}

async function download(url: string, file: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(url, { signal });
  if (!response.ok || !response.body) throw new Error(`${url} answered ${response.status}`);
  await pipeline(Readable.fromWeb(response.body), createWriteStream(file), { signal });
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

type RunOptions = {
  env: Env;
  cwd?: string;
  signal?: AbortSignal;
  timeout?: number;
  killSignal?: NodeJS.Signals;
};

async function run(command: string, args: string[], options: RunOptions): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, {
    ...options,
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}

/** The last line a failed program wrote is the one that names the cause; the rest is its log. */
function why(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { stderr, killed, code, cause } = error as Error & {
    stderr?: string;
    killed?: boolean;
    code?: unknown;
  };
  const lastLine = stderr?.trim().split('\n').at(-1)?.trim();
  if (lastLine) return lastLine.slice(0, 300);
  if (killed) return 'it was stopped';
  if (typeof code === 'number') return `exit code ${code}`;
  // fetch says only "fetch failed" and keeps the reason in the cause.
  if (cause instanceof Error) return `${error.message}: ${cause.message}`;
  return error.message.split('\n')[0] ?? error.message;
}

async function which(name: string, env: Env): Promise<string | undefined> {
  for (const dir of (env.PATH ?? '').split(delimiter)) {
    const path = resolve(dir, executableName(name));
    if (dir && (await isExecutable(path))) return path;
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

function cacheDir(env: Env, root: string): string {
  return resolve(env.KNEEPOINT_CACHE || join(root, '.cache'));
}

function executableName(name: string): string {
  return process.platform === 'win32' ? `${name}.exe` : name;
}
