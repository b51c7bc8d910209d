/** `kneepoint exec --real`: mocks in another process stand for the real services. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Sweep } from '../../../src/model/sweep.ts';
import { packageRoot } from '../../../src/package-root.ts';

const cli = join(packageRoot, 'src/cli.ts');
const pipeline = join(packageRoot, 'test/commands/exec/pipeline.mjs');
const folder = mkdtempSync(join(tmpdir(), 'kneepoint-real-'));
const lab = join(folder, 'lab.yaml');
writeFileSync(
  lab,
  `name: real
workers: [1, 4]
workload: { records: 20, chunksPerRecord: 4, bytesPerChunk: 400 }
worker: { readMs: 0, computeMs: 0 }
openai: { tier: tier-1, latency: { fixed: 40 } }
qdrant: { latency: { fixed: 20 } }
`,
);

let mocks: ChildProcess;
let env: Record<string, string>;

beforeAll(async () => {
  mocks = spawn(
    process.execPath,
    [
      cli,
      'mocks',
      '--lab',
      lab,
      ...['openai', 'qdrant', 'records', 'admin'].flatMap((name) => [`--${name}-port`, '0']),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let said = '';
  await new Promise<void>((resolve) =>
    mocks.stdout!.on('data', (text: Buffer) => {
      said += text;
      if (said.includes('KNEEPOINT_ADMIN_TOKEN=')) resolve();
    }),
  );
  const exported = Object.fromEntries(
    [...said.matchAll(/^export (\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
  );
  env = { ...process.env, ...exported } as Record<string, string>;
});
afterAll(() => {
  mocks.kill();
});

function real(options: string[], more: Record<string, string | undefined> = {}) {
  const out = mkdtempSync(join(folder, 'out-'));
  const given = { ...env, ...more };
  const command = [process.execPath, pipeline, '--workers', '{workers}', '--records', '{records}'];
  const done = spawnSync(
    process.execPath,
    [cli, 'exec', lab, '--real', '--json', '--out', out, ...options, '--', ...command],
    { encoding: 'utf8', env: given },
  );
  const files = readdirSync(out, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
  return {
    status: done.status,
    stderr: done.stderr,
    sweep: (done.stdout ? JSON.parse(done.stdout) : undefined) as Sweep,
    written: [done.stdout, done.stderr, ...files].join('\n'),
  };
}

const requestsSent = async (): Promise<number> => {
  const answer = await fetch(`${env.KNEEPOINT_ADMIN_URL}/journal?limit=1000`, {
    headers: { authorization: `Bearer ${env.KNEEPOINT_ADMIN_TOKEN}` },
  });
  return ((await answer.json()) as { entries: unknown[] }).entries.length;
};

test('says what it will send and what that costs, and sends nothing before --yes', async () => {
  const before = await requestsSent();
  const { status, stderr } = real([]);
  expect(status).toBe(2);
  expect(stderr).toContain(`embeddings to ${new URL(env.OPENAI_BASE_URL!).origin}`);
  expect(stderr).toMatch(/20 records × 2 worker counts \(1, 4\): 40 embeddings requests/);
  expect(stderr).toMatch(/Estimated cost: \$0\.0003, at \$0\.02 per million tokens/);
  expect(stderr).toMatch(/nothing was sent; add --yes and --max-cost/);
  expect(await requestsSent()).toBe(before);
});

test('measures the real services through loopback, and keeps the keys to itself', () => {
  const key = 'sk-kneepoint-lab-secretsuffix42';
  const { status, sweep, written } = real(['--yes', '--max-cost', '1', '--workers', '4'], {
    OPENAI_API_KEY: key,
    QDRANT_API_KEY: 'kneepoint-lab-othersecret43',
  });
  expect(status).toBe(0);
  const [cell] = sweep.cells;
  expect(cell!.openai).toMatchObject({ requests: 20, succeeded: 20 });
  expect(cell!.openai.latencyMs.p50).toBeGreaterThanOrEqual(39);
  expect(cell!.completeness).toMatchObject({ pointsStored: 80, recordsFailed: 0 });
  expect(sweep.provenance.services).toContain('127.0.0.1');
  expect(written).not.toContain('secretsuffix42');
  expect(written).not.toContain('othersecret43');
});

test('stops at --max-cost: the cell is marked, and the run is no verdict', () => {
  // 20 records of about 400 tokens are 8,000 tokens, $0.00016.
  const { status, sweep } = real(['--yes', '--max-cost', '0.00005', '--workers', '1'], {
    QDRANT_API_KEY: 'kneepoint-lab-costly',
  });
  expect(status).toBe(3);
  expect(sweep.cells[0]!.command!.problem).toMatch(/the limit of --max-cost was reached/);
  expect(sweep.cells[0]!.openai.succeeded).toBeLessThan(20);
});

test.each([
  [{ OPENAI_API_KEY: '' }, /OPENAI_API_KEY is not set/],
  [{ QDRANT_URL: '' }, /QDRANT_URL is not set/],
  [{ OPENAI_BASE_URL: 'ftp://x' }, /OPENAI_BASE_URL/],
])('%j is refused in one line', (more, message) => {
  const { status, stderr } = real(['--yes', '--max-cost', '1'], more);
  expect(status).toBe(2);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/ at .*\.ts:/);
});
