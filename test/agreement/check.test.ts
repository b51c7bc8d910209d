import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Mocks } from '../../mocks/server.ts';
import { completeLab } from '../../src/model/lab.ts';
import type { Sweep } from '../../src/model/sweep.ts';
import { findK6 } from '../../src/services/k6-binary.ts';
import { openMocks } from '../../src/services/open-mocks.ts';

const root = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'kneepoint-check-k6-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Two workers need 30 s, five 12 s; all of it in about four real seconds. */
const given = { name: 'ci', workers: [2, 5], speed: 10 };
const good = {
  workers: 5,
  maxSeconds: 13.2,
  complete: true,
  maxRateLimited: 0,
  minEfficiency: 0.9,
};
const lab = (name: string, more: object): string => {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify({ ...given, ...more }));
  return path;
};

function check(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'src/cli.ts'), 'check', ...args],
    { cwd: folder, encoding: 'utf8' },
  );
  return { status, stdout, stderr };
}

describe('kneepoint check on k6', () => {
  test('passes what holds and fails what does not, with the run kept', () => {
    const holds = check(lab('good.json', { expect: { ...good, bottleneck: 'none' } }));
    expect(holds.stdout).toMatch(/checks passed/);
    expect(holds).toMatchObject({ status: 0 });
    const [kept] = readdirSync(join(folder, 'results'));
    expect(readdirSync(join(folder, 'results', kept!))).toContain('sweep.json');
    const fails = check(lab('bad.json', { expect: { ...good, maxSeconds: 11 } }));
    expect(fails.status).toBe(1);
    expect(fails.stdout.match(/^FAILED/gm)).toHaveLength(1);
  });

  test('against a baseline of three runs it runs three, and finds nothing where nothing changed', {
    retry: 1,
  }, () => {
    const path = lab('plain.json', {});
    const baseline = join(folder, 'baseline.json');
    const update = check(path, '--baseline', baseline, '--update-baseline');
    expect(update, update.stderr + update.stdout).toMatchObject({ status: 0 });
    const sweep = JSON.parse(readFileSync(baseline, 'utf8')) as Sweep;
    expect(sweep).toMatchObject({ engine: 'k6', valid: true });
    expect(sweep.cells.map(({ repeats }) => repeats?.length)).toEqual([3, 3]);
    const times = sweep.cells.flatMap(({ repeats }) => repeats!.map(({ seconds }) => seconds));
    expect(new Set(times).size).toBe(6);
    const again = check(path, '--baseline', baseline);
    expect(again.stdout).not.toMatch(/^(FAILED|MISSING)/m);
    expect(again.status).toBe(0);

    // As if every run had taken a fifth less once.
    for (const cell of sweep.cells) for (const repeat of cell.repeats!) repeat.seconds *= 0.8;
    writeFileSync(baseline, JSON.stringify(sweep));
    const slower = check(path, '--baseline', baseline);
    expect(slower.status).toBe(1);
    expect(slower.stdout.match(/^FAILED +baseline\.seconds/gm)).toHaveLength(2);
  });

  test('without k6 it exits with 4', () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(root, 'src/cli.ts'), 'check', lab('no-k6.json', { expect: good })],
      { cwd: folder, encoding: 'utf8', env: { ...process.env, KNEEPOINT_K6: '/nonexistent/k6' } },
    );
    expect(status).toBe(4);
    expect(stderr).toContain('KNEEPOINT_K6');
  });
});

describe('k6/capacity-check.ts', () => {
  let mocks: Mocks;
  let k6: string;
  beforeAll(async () => {
    const ports = { openai: 0, qdrant: 0, records: 0, admin: 0 };
    mocks = await openMocks(completeLab({}), 1, '127.0.0.1', ports);
    k6 = (await findK6({ env: process.env, root, say: () => {} })).path;
  }, 600_000);
  afterAll(() => mocks.close());

  async function capacityCheck(env: Record<string, string>) {
    const script = join(root, 'k6/capacity-check.ts');
    const child = spawn(k6, ['run', '--quiet', '--include-system-env-vars=true', script], {
      env: {
        PATH: process.env.PATH,
        HOME: process.env.HOME,
        K6_NO_USAGE_REPORT: 'true',
        K6_AUTO_EXTENSION_RESOLUTION: 'false',
        KNEEPOINT_OPENAI_URL: mocks.openaiUrl,
        KNEEPOINT_QDRANT_URL: mocks.qdrantUrl,
        KNEEPOINT_RECORDS_URL: mocks.recordsUrl,
        ...env,
      },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const [code] = (await once(child, 'close')) as [number];
    return { code, stdout, stderr };
  }

  test('exits with 0 where all of the lab holds', async () => {
    const expected = { ...good, maxQdrantTimeouts: 0, maxMemoryShare: 0.8, bottleneck: 'none' };
    const path = lab('k6-good.json', { expect: { ...expected, minRecommendedWorkers: 5 } });
    const { code, stdout } = await capacityCheck({ KNEEPOINT_LAB: path });
    expect(stdout).toMatch(/^\d+ checks passed\.$/m);
    expect(code).toBe(0);
  });

  test.each([
    [{ MAX_SECONDS: '11' }, 'expect.maxSeconds'],
    [{ MIN_EFFICIENCY: '1', SPEED: '20' }, 'expect.minEfficiency'],
    [{ LAB: 'openai-tier-1', MAX_RATE_LIMITED: '10' }, 'expect.maxRateLimited'],
    [{ MAX_MEMORY_SHARE: '0.01' }, 'expect.maxMemoryShare'],
    [{ LAB: 'qdrant-free', WORKERS: '20', EXPECT_WORKERS: '20' }, 'expect.maxQdrantTimeouts'],
    [{ BOTTLENECK: 'qdrant' }, 'expect.bottleneck'],
    [{ MIN_RECOMMENDED_WORKERS: '9' }, 'expect.minRecommendedWorkers'],
  ] as [Record<string, string>, string][])('exits with 99 for %j', async (env, name) => {
    const path = lab('k6-plain.json', {});
    const { code, stdout } = await capacityCheck({
      ...{ KNEEPOINT_LAB: path, WORKERS: '5', SPEED: '10' },
      ...env,
    });
    expect(stdout).toMatch(new RegExp(`^FAILED +${name}`, 'm'));
    expect(code).toBe(99);
  });

  test('exits with 99 where records are lost', async () => {
    const { code, stdout } = await capacityCheck({
      ...{ LAB: 'sdk-defaults', EXPECT_WORKERS: '20', COMPLETE: 'true', WORKERS: '20' },
    });
    expect(stdout.match(/^FAILED +expect\.complete/gm)).toHaveLength(2);
    expect(code).toBe(99);
  });

  test('a cell that is not run passes nothing: 99', async () => {
    const path = lab('k6-over.json', { workers: [2, 5], host: { memoryGb: 2 } });
    const env = { KNEEPOINT_LAB: path, EXPECT_WORKERS: '5', MAX_QDRANT_TIMEOUTS: '0' };
    const { code, stdout } = await capacityCheck(env);
    expect(stdout).toMatch(/^MISSING +expect\.maxQdrantTimeouts/m);
    expect(code).toBe(99);
  });

  test.each([
    ['KNEEPOINT_OPENAI_URL', 'no OpenAI at http://127.0.0.1:9/v1: start `kneepoint mocks`'],
    ['KNEEPOINT_QDRANT_URL', 'no Qdrant at http://127.0.0.1:9/v1: start `kneepoint mocks`'],
  ])('with a dead %s it ends at once and says so', async (name, why) => {
    const started = Date.now();
    const env = { LAB: 'openai-tier-1', WORKERS: '2', [name]: 'http://127.0.0.1:9/v1' };
    const { code, stderr } = await capacityCheck(env);
    expect(stderr).toContain(why);
    expect(code).toBe(108);
    expect(Date.now() - started).toBeLessThan(20_000);
  });

  test.each([
    [{}, 'expect is empty: nothing to check'],
    [{ MAX_SECONDS: 'soon' }, 'MAX_SECONDS: must be a number'],
    [{ COMPLETE: 'yes' }, 'COMPLETE: must be true, got yes; leave it out'],
    [{ KNEEPOINT_LAB: '/nowhere.json' }, 'KNEEPOINT_LAB: cannot read /nowhere.json'],
    [{ KNEEPOINT_LAB: import.meta.filename }, 'is not JSON, and k6 reads no YAML'],
    [{ EXPECT_WORKERS: '7', MAX_SECONDS: '9' }, 'expect.workers: 7 is not among'],
    [{ LAB: 'nope', MAX_SECONDS: '9' }, 'LAB: no built-in lab nope'],
  ] as [Record<string, string>, string][])(
    '%j is refused before anything runs',
    async (env, why) => {
      const { code, stderr } = await capacityCheck({
        ...{ KNEEPOINT_LAB: lab('k6-refused.json', {}) },
        ...env,
      });
      expect(stderr).toContain(why);
      expect(stderr).not.toMatch(/\bat file:|\.ts:\d/);
      expect(code).toBe(107);
    },
  );
});
