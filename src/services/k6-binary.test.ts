import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cachedK6Path, findK6, K6_VERSION, releaseAsset } from './k6-binary.ts';
import { MissingPartError } from './missing-part.ts';

let root: string;
let bin: string;
let said: string[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'k6-binary-'));
  bin = join(root, 'bin');
  said = [];
  mkdirSync(bin);
  mkdirSync(join(root, 'k6', 'build'), { recursive: true });
  writeFileSync(join(root, 'k6', 'build', 'checksums.json'), '{ "sha256": {} }');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function find(env: Record<string, string> = {}, more: { signal?: AbortSignal } = {}) {
  const say = (line: string) => void said.push(line);
  return findK6({ env: { PATH: bin, ...env }, root, say, progressMs: 50, ...more });
}

async function failure(promise: Promise<unknown>): Promise<MissingPartError> {
  const error = await promise.then(
    (value) => expect.fail(`found ${JSON.stringify(value)}`),
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(MissingPartError);
  expect(error.message).not.toContain('\n');
  return error;
}

function script(path: string, ...lines: string[]): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${lines.join('\n')}\n`);
  chmodSync(path, 0o755);
  return path;
}

function fakeK6(path: string, version = '2.2.0'): string {
  return script(path, `[ "$1" = version ] && echo "k6 v${version} (go1.26.8, linux/amd64)"`);
}

/** Writes the fake k6 in two halves with a pause between, as a linker would. */
function fakeGo(...before: string[]): string {
  return script(
    join(bin, 'go'),
    'PATH=/usr/bin:/bin',
    `echo "$PWD|$CGO_ENABLED|$GOTOOLCHAIN|$*" >> '${root}/go.log'`,
    ...before,
    'while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done',
    `printf '#!/bin/sh\\n' > "$out"; sleep 0.3`,
    `printf 'echo "k6 v2.2.0 (fake)"\\n' >> "$out"; chmod +x "$out"`,
  );
}

function cacheContents(): string[] {
  try {
    return readdirSync(join(root, '.cache'), { recursive: true }).map(String).sort();
  } catch {
    return [];
  }
}

const cachedOnly = [`k6-${K6_VERSION}`, `k6-${K6_VERSION}/k6`];

it('builds the version it names', () => {
  const goMod = join(import.meta.dirname, '..', '..', 'k6', 'build', 'go.mod');
  expect(readFileSync(goMod, 'utf8')).toContain(`go.k6.io/k6/v2 v${K6_VERSION}\n`);
});

describe('KNEEPOINT_K6', () => {
  it('goes before everything else', async () => {
    fakeK6(join(bin, 'k6'));
    const path = fakeK6(join(root, 'own', 'k6'), '2.1.0');
    expect(await find({ KNEEPOINT_K6: path })).toEqual({
      path,
      version: '2.1.0',
      origin: 'KNEEPOINT_K6',
    });
  });

  it.each([
    ['is absent', () => join(root, 'absent')],
    ['fails', () => script(join(root, 'broken'), 'echo bad luck >&2; exit 3')],
    ['is not k6', () => script(join(root, 'other'), 'echo hello')],
    ['is too old', () => fakeK6(join(root, 'old'), '0.49.0')],
  ])('is an error naming it when it %s, whatever else there is', async (_, make) => {
    fakeK6(join(bin, 'k6'));
    const path = make();
    const { message } = await failure(find({ KNEEPOINT_K6: path }));
    expect(message).toContain(`KNEEPOINT_K6 is set but cannot be used: ${path}`);
  });
});

describe('PATH', () => {
  it.each(['1.8.0', '1.10.2', '2.0.0-rc1', '2.2.0', '2.17.3'])('takes v%s', async (version) => {
    const path = fakeK6(join(bin, 'k6'), version);
    fakeK6(cachedK6Path({}, root));
    expect(await find()).toEqual({ path, version, origin: 'PATH' });
    expect(said).toEqual([]);
  });

  it.each(['0.49.0', '1.7.9', '3.0.0'])('passes over v%s, and says so', async (version) => {
    fakeK6(join(bin, 'k6'), version);
    fakeK6(cachedK6Path({}, root));
    expect(await find()).toMatchObject({ origin: 'cache' });
    expect(said).toEqual([expect.stringContaining(`is k6 v${version}`)]);
  });
});

describe('cache', () => {
  it('is in the repository', async () => {
    const path = fakeK6(join(root, '.cache', 'k6-2.2.0', 'k6'));
    expect(await find()).toEqual({ path, version: '2.2.0', origin: 'cache' });
    expect(said).toEqual([]);
  });

  it('is where KNEEPOINT_CACHE says', async () => {
    const path = fakeK6(join(root, 'elsewhere', 'k6-2.2.0', 'k6'));
    expect(await find({ KNEEPOINT_CACHE: join(root, 'elsewhere') })).toMatchObject({ path });
  });

  it('is filled anew when what it holds does not run', async () => {
    script(cachedK6Path({}, root), 'exit 1');
    fakeGo();
    expect(await find()).toMatchObject({ origin: 'build' });
    expect(await find()).toMatchObject({ origin: 'cache' });
  });
});

describe('build', () => {
  it('compiles the pinned source into the cache and reports progress', async () => {
    fakeGo();
    const path = cachedK6Path({}, root);
    expect(await find()).toEqual({ path, version: '2.2.0', origin: 'build' });
    expect(cacheContents()).toEqual(cachedOnly);
    const log = readFileSync(join(root, 'go.log'), 'utf8');
    expect(log).toContain(`${join(root, 'k6', 'build')}|0|local|build -trimpath`);
    expect(log).toContain('-ldflags=-s -w -o');
    expect(said.filter((line) => /still building k6, \d+ s/.test(line))).not.toEqual([]);
    expect(await find()).toMatchObject({ path, origin: 'cache' });
  });

  it('survives another build at the same time', async () => {
    fakeGo();
    const found = await Promise.all([find(), find(), find()]);
    expect(found.map(({ origin }) => origin)).toEqual(['build', 'build', 'build']);
    expect(cacheContents()).toEqual(cachedOnly);
    expect(await find()).toMatchObject({ origin: 'cache' });
  });

  it('leaves nothing behind when it fails, and gives the reason', async () => {
    fakeGo('echo "go: downloading x" >&2; echo "go: no such host" >&2; exit 1');
    const { message } = await failure(find());
    expect(message).toContain('(go: no such host)');
    expect(cacheContents()).toEqual([]);
  });

  it('stops when interrupted, without trying the next way', async () => {
    fakeGo('exec sleep 30');
    const reason = new Error('interrupted');
    const interrupted = new AbortController();
    setTimeout(() => interrupted.abort(reason), 100);
    const found = find({ KNEEPOINT_K6_SHA256: '0'.repeat(64) }, { signal: interrupted.signal });
    await expect(found).rejects.toBe(reason);
    expect(said.join()).not.toContain('download');
    expect(cacheContents()).toEqual([]);
  });
});

describe('download', () => {
  const asset = releaseAsset(process.platform, process.arch) ?? 'none';

  /** An archive laid out like a release's, and the means to unpack it on the controlled PATH. */
  function release(): { archive: Buffer; digest: string } {
    for (const tool of ['tar', 'gzip']) {
      const which = execFileSync('/bin/sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' });
      symlinkSync(which.trim(), join(bin, tool));
    }
    const folder = asset.replace(/\.(tar\.gz|zip)$/, '');
    fakeK6(join(root, 'release', folder, 'k6'));
    const file = join(root, 'release', asset);
    execFileSync('tar', ['-czf', file, '-C', join(root, 'release'), folder]);
    const archive = readFileSync(file);
    return { archive, digest: createHash('sha256').update(archive).digest('hex') };
  }

  async function serving<T>(
    archive: Buffer,
    use: (url: string, requests: string[]) => Promise<T>,
  ): Promise<T> {
    const requests: string[] = [];
    const server = createServer((request, response) => {
      requests.push(request.url ?? '');
      const known = request.url === `/mirror/${asset}`;
      response.writeHead(known ? 200 : 404).end(known ? archive : 'not here');
    });
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    try {
      const { port } = server.address() as AddressInfo;
      return await use(`http://127.0.0.1:${port}/mirror`, requests);
    } finally {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    }
  }

  it('takes an archive with the pinned SHA-256', async () => {
    const { archive, digest } = release();
    const pins = JSON.stringify({ sha256: { [asset]: digest } });
    writeFileSync(join(root, 'k6', 'build', 'checksums.json'), pins);
    const found = await serving(archive, (url) => find({ KNEEPOINT_K6_DOWNLOAD_URL: url }));
    const path = cachedK6Path({}, root);
    expect(found).toEqual({ path, version: '2.2.0', origin: 'download' });
    expect(cacheContents()).toEqual(cachedOnly);
    expect(await find()).toMatchObject({ path, origin: 'cache' });
  });

  it('takes the SHA-256 from KNEEPOINT_K6_SHA256', async () => {
    const { archive, digest } = release();
    const env = { KNEEPOINT_K6_SHA256: digest.toUpperCase() };
    const found = await serving(archive, (url) =>
      find({ ...env, KNEEPOINT_K6_DOWNLOAD_URL: `${url}/` }),
    );
    expect(found).toMatchObject({ origin: 'download' });
  });

  it('refuses an archive with another SHA-256 and keeps nothing of it', async () => {
    const { archive, digest } = release();
    const wrong = 'a'.repeat(64);
    const { message } = await serving(archive, (url) =>
      failure(find({ KNEEPOINT_K6_SHA256: wrong, KNEEPOINT_K6_DOWNLOAD_URL: url })),
    );
    expect(message).toContain(`has SHA-256 ${digest}, not the pinned ${wrong}`);
    expect(cacheContents()).toEqual([]);
  });

  it('does not even ask for an archive whose SHA-256 is not pinned', async () => {
    const { archive } = release();
    const message = await serving(archive, async (url, requests) => {
      const error = await failure(find({ KNEEPOINT_K6_DOWNLOAD_URL: url }));
      expect(requests).toEqual([]);
      return error.message;
    });
    expect(message).toContain(`no SHA-256 is pinned for ${asset}`);
    expect(cacheContents()).toEqual([]);
  });

  it('refuses a SHA-256 that is none', async () => {
    const { message } = await failure(find({ KNEEPOINT_K6_SHA256: 'abc' }));
    expect(message).toContain('KNEEPOINT_K6_SHA256 is not a SHA-256');
  });

  it('names the address that does not answer with an archive', async () => {
    const { archive, digest } = release();
    const env = { KNEEPOINT_K6_SHA256: digest };
    const { message } = await serving(archive, (url) =>
      failure(find({ ...env, KNEEPOINT_K6_DOWNLOAD_URL: `${url}/wrong` })),
    );
    expect(message).toContain(`/mirror/wrong/${asset} answered 404`);
    expect(cacheContents()).toEqual([]);
  });

  it.each([
    ['linux', 'x64', 'k6-v2.2.0-linux-amd64.tar.gz'],
    ['linux', 'arm64', 'k6-v2.2.0-linux-arm64.tar.gz'],
    ['darwin', 'arm64', 'k6-v2.2.0-macos-arm64.zip'],
    ['win32', 'x64', 'k6-v2.2.0-windows-amd64.zip'],
    ['linux', 'riscv64', undefined],
    ['aix', 'x64', undefined],
  ])('knows the release for %s/%s', (platform, arch, name) => {
    expect(releaseAsset(platform, arch)).toBe(name);
  });
});

it('lists every way out in one line when there is no k6', async () => {
  const { message, ways } = await failure(find());
  expect(ways).toHaveLength(4);
  for (const way of ways) expect(message).toContain(way);
  expect(message).toMatch(/KNEEPOINT_K6 .*PATH \(there is none\).*Go .*\(go is not on PATH\)/);
  expect(message).toMatch(/downloaded \(refused: no SHA-256 is pinned for /);
});
