/** Every check of a run's validity, provoked for real: by processes that are stopped, clocks that are too fast, runs that are too short. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Sweep } from '../../src/model/sweep.ts';
import { packageRoot } from '../../src/package-root.ts';
import { findK6 } from '../../src/services/k6-binary.ts';

const folder = mkdtempSync(join(tmpdir(), 'kneepoint-validity-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const pipeline = join(packageRoot, 'test/commands/exec/pipeline.mjs');
const k6 = await findK6({ env: process.env, root: packageRoot, say() {} });

type Starved = { awakeMs: number; stoppedMs: number };

/** Runs kneepoint to its end; `starved` stops the process that the mocks live in again and again. */
async function kneepoint(
  args: string[],
  { env = {}, starved }: { env?: Record<string, string>; starved?: Starved } = {},
) {
  const child = spawn(
    process.execPath,
    [
      join(packageRoot, 'src/cli.ts'),
      ...args.slice(0, 2),
      '--json',
      '--out',
      folder,
      ...args.slice(2),
    ],
    { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text: Buffer) => {
    stdout += text;
  });
  child.stderr.on('data', (text: Buffer) => {
    stderr += text;
  });
  let timer: NodeJS.Timeout | undefined;
  const sleep = ({ awakeMs, stoppedMs }: Starved) => {
    timer = setTimeout(() => {
      child.kill('SIGSTOP');
      timer = setTimeout(() => {
        child.kill('SIGCONT');
        sleep({ awakeMs, stoppedMs });
      }, stoppedMs);
    }, awakeMs);
  };
  if (starved) sleep(starved);
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  if (!stdout) throw new Error(stderr);
  const sweep = JSON.parse(stdout) as Sweep;
  return { status, stderr, sweep, codes: sweep.warnings.map(({ code }) => code) };
}

const expectInvalid = ({ status, sweep }: { status: number | null; sweep: Sweep }) => {
  expect(status).toBe(3);
  expect(sweep).toMatchObject({
    valid: false,
    verdict: { bottleneck: 'undetermined', knee: null, kneeInterval: null },
  });
};

test('nothing provoked: the run is valid, and its harness kept time', async () => {
  const found = await kneepoint(['run', 'openai-tier-1', '--workers', '2,5']);
  expect(found).toMatchObject({ status: 0, sweep: { valid: true }, codes: [] });
  for (const { workers, harness } of found.sweep.cells) {
    expect(harness!.concurrency).toBeGreaterThan(0.8 * workers);
    expect(harness!.concurrency).toBeLessThanOrEqual(1.0001 * workers);
    expect(harness!.slowShare).toBeLessThan(0.05);
  }
});

test('a run of two records', async () => {
  const found = await kneepoint(['run', 'openai-tier-1', '--workers', '1,2', '--records', '2']);
  expect(found).toMatchObject({ status: 3, sweep: { valid: false }, codes: ['few-samples'] });
});

test('a speed of 200 at which mocks and k6 take longer than the services', async () => {
  const found = await kneepoint([
    'run',
    'linear',
    '--workers',
    '10,20',
    '--records',
    '3000',
    '--speed',
    '200',
  ]);
  expectInvalid(found);
  expect(found.codes).toContain('speed-too-high');
  expect(found.sweep.verdict.evidence.join()).toContain('not to be relied on');
});

test('starved mocks: their process is stopped for 60 of each 80 ms', async () => {
  const found = await kneepoint(['run', 'openai-tier-1', '--workers', '2,5'], {
    starved: { awakeMs: 20, stoppedMs: 60 },
  });
  expectInvalid(found);
  expect(found.codes).toContain('mock-saturated');
  expect(found.sweep.cells[0]!.harness!.eventLoopDelayMs.p95).toBeGreaterThan(20);
});

const stoppedK6 = join(folder, 'k6-that-is-stopped');
// Before it becomes k6, the shell leaves someone behind who stops and wakes it.
writeFileSync(
  stoppedK6,
  `#!/bin/sh
me=$$
[ "$1" = run ] && (while kill -STOP $me; do sleep .06; kill -CONT $me; sleep .03; done) >/dev/null 2>&1 </dev/null &
exec '${k6.path}' "$@"
`,
);
chmodSync(stoppedK6, 0o755);

test('a starved k6: its process is stopped for 60 of each 90 ms', async () => {
  const found = await kneepoint(['run', 'openai-tier-1', '--workers', '2,5'], {
    env: { KNEEPOINT_K6: stoppedK6 },
  });
  expectInvalid(found);
  expect(found.codes).toContain('timers-late');
  expect(found.codes).not.toContain('mock-saturated');
});

test('one cell of three that was disturbed for once is run again, and the run is valid', async () => {
  const path = join(folder, 'k6-that-is-stopped-once');
  const marker = join(folder, 'was-stopped');
  writeFileSync(
    path,
    `#!/bin/sh
me=$$
if [ "$1$WORKERS" = run5 ] && [ ! -e '${marker}' ]; then
  touch '${marker}'
  (while kill -STOP $me; do sleep .06; kill -CONT $me; sleep .03; done) >/dev/null 2>&1 </dev/null &
fi
exec '${k6.path}' "$@"
`,
  );
  chmodSync(path, 0o755);
  const found = await kneepoint(['run', 'openai-tier-1', '--workers', '1,2,5'], {
    env: { KNEEPOINT_K6: path },
  });
  expect(found.stderr).toMatch(
    /openai-tier-1 × 5: something else took \d+ % of its time; running it once more, alone/,
  );
  expect(found).toMatchObject({ status: 0, sweep: { valid: true }, codes: [] });
  expect(found.sweep.cells[2]!.harness!.slowShare).toBeLessThan(0.05);
});

test('a machine without a core for k6, and no waits in which to make up for it', async () => {
  const lab = join(folder, 'no-slack.yaml');
  writeFileSync(
    lab,
    `name: no-slack
workers: [1, 2]
workload: { records: 1000 }
worker: { readMs: 1, computeMs: 0 }
openai: { latency: { fixed: 4 } }
qdrant: { latency: { fixed: 3 } }
`,
  );
  const busy = cpus().flatMap(() => [1, 2].map(() => spawn(process.execPath, ['-e', 'for (;;);'])));
  try {
    const found = await kneepoint(['run', lab]);
    expectInvalid(found);
    expect(found.codes).toContain('load-generator-starved');
    // What k6 did between its requests took longer than the services.
    expect(found.codes).toContain('littles-law');
  } finally {
    for (const child of busy) child.kill('SIGKILL');
  }
});

test('a k6 that drops iterations: its process is stopped until its time limit is over', async () => {
  const path = join(folder, 'k6-that-sleeps');
  // 60 s and ten times the 1.5 s of a cell is what a cell is given.
  writeFileSync(
    path,
    `#!/bin/sh
me=$$
[ "$1$WORKERS" = run5 ] && (sleep 1.5; kill -STOP $me; sleep 78; kill -CONT $me) >/dev/null 2>&1 </dev/null &
exec '${k6.path}' "$@"
`,
  );
  chmodSync(path, 0o755);
  const found = await kneepoint(['run', 'linear', '--workers', '2,5', '--records', '60'], {
    env: { KNEEPOINT_K6: path },
  });
  expect(found.status).toBe(3);
  expect(found.sweep.valid).toBe(false);
  expect(found.sweep.cells.map(({ workers }) => workers)).toEqual([2]);
  const { message } = found.sweep.warnings.find(({ code }) => code === 'cells-missing')!;
  expect(message).toMatch(
    /^Only 1 of 2 worker counts were measured: 5 workers: \d+ of 60 claims were finished, k6 dropped \d+ at its time limit/,
  );
});

const quick = join(folder, 'quick.yaml');
writeFileSync(
  quick,
  `name: quick
workers: [1, 2]
workload: { records: 40, chunksPerRecord: 4, bytesPerChunk: 400 }
openai: { latency: { fixed: 40 } }
qdrant: { latency: { fixed: 30 } }
`,
);
const command = (...args: string[]) => [
  '--',
  process.execPath,
  pipeline,
  '--records',
  '{records}',
  ...args,
];

test('starved mocks beside a command', async () => {
  const found = await kneepoint(['exec', quick, ...command('--workers', '{workers}')], {
    starved: { awakeMs: 20, stoppedMs: 60 },
  });
  expectInvalid(found);
  expect(found.codes).toContain('mock-saturated');
});

test('a command that does not heed the number of workers', async () => {
  const found = await kneepoint(['exec', quick, ...command('--workers', '8')]);
  expect(found.codes).toContain('littles-law');
  expect(found.codes).not.toContain('mock-saturated');
  const { message } = found.sweep.warnings.find(({ code }) => code === 'littles-law')!;
  expect(message).toContain('more requests were in flight than there are workers');
});
