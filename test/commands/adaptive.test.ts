/** `--workers auto` and `--refine` as commands: on the simulator, on k6, and around a user's own command. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Sweep } from '../../src/model/sweep.ts';
import { packageRoot } from '../../src/package-root.ts';
import { execute } from './exec/execute.ts';

const folder = mkdtempSync(join(tmpdir(), 'kneepoint-adaptive-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs kneepoint to its end; `during` is told what it says on stderr as it goes. */
async function kneepoint(args: string[], during?: (said: string, interrupt: () => void) => void) {
  const child = spawn(process.execPath, [join(packageRoot, 'src/cli.ts'), ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  // Once: the second Ctrl-C of an impatient user ends the process at once.
  let interrupt = () => {
    interrupt = () => {};
    child.kill('SIGINT');
  };
  child.stdout.on('data', (text: Buffer) => {
    stdout += text;
  });
  child.stderr.on('data', (text: Buffer) => {
    stderr += text;
    during?.(stderr, () => interrupt());
  });
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, stdout, stderr };
}

const counts = ({ cells }: Sweep) => cells.map(({ workers }) => workers);

test('simulate places the cells, says which and why, and stdout stays one document', async () => {
  const args = ['simulate', 'openai-tier-1', '--workers', 'auto', '--json'];
  const { status, stdout, stderr } = await kneepoint(args);
  expect(status).toBe(0);
  const sweep = JSON.parse(stdout) as Sweep;
  expect(counts(sweep)).toEqual([1, 2, 3, 5]);
  expect(sweep.lab.workers).toEqual([1, 2, 3, 5]);
  expect(sweep.verdict).toMatchObject({ bottleneck: 'openai-tpm', knee: 2.5 });
  expect(stderr).toBe(
    'kneepoint: openai-tier-1: knee expected near 2.5 (openai-tpm); adding 3 and 5 workers\n' +
      'kneepoint: openai-tier-1: the knee near 2.5 (openai-tpm) is bracketed; done after 4 worker counts\n',
  );
  expect((await kneepoint(args)).stdout).toBe(stdout);
});

test('the lab of the result is the one that ran: its hash is that of the same matrix', async () => {
  const auto = await kneepoint(['simulate', 'openai-tier-1', '--workers', 'auto', '--json']);
  const list = await kneepoint(['simulate', 'openai-tier-1', '--workers', '1,2,3,5', '--json']);
  expect(auto.stdout).toBe(list.stdout);
});

test('--refine keeps the matrix and adds to it', async () => {
  const { stdout } = await kneepoint(['simulate', 'openai-tier-2', '--refine', '--json']);
  expect(counts(JSON.parse(stdout) as Sweep)).toEqual([1, 2, 5, 8, 10, 20]);
});

test('k6 runs the same cells in one folder, with repeats', async () => {
  const out = mkdtempSync(join(folder, 'k6-'));
  const { status, stdout, stderr } = await kneepoint([
    'run',
    'openai-tier-1',
    '--workers',
    'auto',
    '--repeats',
    '2',
    '--json',
    '--out',
    out,
  ]);
  const sweep = JSON.parse(stdout) as Sweep;
  expect(status, stderr).toBe(0);
  expect(counts(sweep)).toEqual([1, 2, 3, 5]);
  expect(sweep.cells.every(({ repeats }) => repeats?.length === 2)).toBe(true);
  expect(Math.abs(sweep.verdict.knee! / 2.5 - 1)).toBeLessThan(0.05);
  expect(stderr).toContain('adding 3 and 5 workers');
  const [results, ...others] = readdirSync(out);
  expect(others).toEqual([]);
  const kept = JSON.parse(readFileSync(join(out, results!, 'sweep.json'), 'utf8')) as Sweep;
  expect(kept).toEqual(sweep);
});

test('Ctrl-C after the first round keeps what was measured', async () => {
  const out = mkdtempSync(join(folder, 'stopped-'));
  const { status } = await kneepoint(
    ['run', 'openai-tier-1', '--workers', 'auto', '--out', out],
    (said, interrupt) => {
      if (said.includes('adding 3 and 5 workers')) interrupt();
    },
  );
  expect(status).toBe(130);
  const path = join(out, readdirSync(out)[0]!, 'sweep.json');
  const sweep = JSON.parse(readFileSync(path, 'utf8')) as Sweep;
  expect(counts(sweep)).toEqual([1, 2]);
  expect(sweep.valid).toBe(false);
  expect(sweep.warnings.map(({ code }) => code)).toContain('cells-missing');
});

test("around a user's own command", async () => {
  const lab = join(folder, 'two-slots.yaml');
  // 100 points a second are 25 records; one takes 0.206 s, 0.08 of them in a slot: full at 5.15 workers.
  writeFileSync(
    lab,
    `name: two-slots
workload: { records: 80, chunksPerRecord: 4, bytesPerChunk: 400 }
openai: { latency: { fixed: 100 } }
qdrant: { latency: { fixed: 20 }, slots: 2, pointsPerSecond: 100 }
worker: { readMs: 1, computeMs: 5 }
`,
  );
  const pipeline = join(packageRoot, 'test/commands/exec/pipeline.mjs');
  const command = [process.execPath, pipeline, '--workers', '{workers}', '--records', '{records}'];
  const { status, sweep, stderr } = await execute(folder, lab, command, {
    flags: ['--workers', 'auto:12', '--no-mysql'],
  });
  expect(status, stderr).toBe(0);
  expect(sweep.verdict.bottleneck).toBe('qdrant');
  expect(Math.abs(sweep.verdict.knee! / 5.15 - 1)).toBeLessThan(0.1);
  expect(counts(sweep)).toEqual(sweep.lab.workers);
  expect(counts(sweep).slice(0, 3)).toEqual([1, 2, 5]);
  expect(counts(sweep).length).toBeLessThanOrEqual(7);
});

test.each([
  [['simulate', 'linear', '--workers', 'auto:0'], '--workers'],
  [['simulate', 'linear', '--workers', 'auto:x'], '--workers'],
  [['run', 'linear', '--workers', 'auto,5'], '--workers'],
  [['run', 'linear', '--workers', 'auto:2000'], '--workers'],
  [['simulate', 'linear', '--workers', 'auto', '--refine'], '--refine'],
  [['check', 'linear', '--workers', 'auto'], '--workers'],
  [['upgrade', 'linear', '--workers', 'auto'], '--workers'],
])('%j is refused in one line', async (args, option) => {
  const { status, stdout, stderr } = await kneepoint(args);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(new RegExp(`^kneepoint: ${option}: [^\\n]+\\n$`));
});
