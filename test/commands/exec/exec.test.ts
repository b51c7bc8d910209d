/** `kneepoint exec` with a small real pipeline and the official clients, well behaved and not. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import type { Sweep } from '../../../src/model/sweep.ts';
import { packageRoot } from '../../../src/package-root.ts';

const cli = join(packageRoot, 'src/cli.ts');
const pipeline = join(packageRoot, 'test/commands/exec/pipeline.mjs');
const folder = mkdtempSync(join(tmpdir(), 'kneepoint-exec-'));

const labFile = (more: string) => {
  const path = join(mkdtempSync(join(folder, 'lab-')), 'quick.yaml');
  writeFileSync(
    path,
    `name: quick
workload: { records: 40, chunksPerRecord: 4, bytesPerChunk: 400 }
worker: { readMs: 0, computeMs: 0, memoryMb: 60 }
qdrant: { latency: { fixed: 20 } }
${more}`,
  );
  return path;
};
const quick = labFile('workers: [1, 4]\nopenai: { tier: unlimited, latency: { fixed: 60 } }');

const own = (fault = '', more: string[] = []) => [
  process.execPath,
  pipeline,
  '--workers',
  '{workers}',
  '--records',
  '{records}',
  ...(fault ? ['--fault', fault] : []),
  ...more,
];

const argumentsOf = (lab: string, command: string[], options: string[], out: string) => [
  cli,
  'exec',
  lab,
  '--no-mysql',
  '--json',
  '--out',
  out,
  ...options,
  '--',
  ...command,
];

function exec(lab: string, command: string[], options: string[] = [], env = {}) {
  const out = mkdtempSync(join(folder, 'out-'));
  const done = spawnSync(process.execPath, argumentsOf(lab, command, options, out), {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  const results = readdirSync(out)[0];
  return {
    status: done.status,
    stderr: done.stderr,
    sweep: (done.stdout ? JSON.parse(done.stdout) : undefined) as Sweep,
    results: results === undefined ? '' : join(out, results),
  };
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    // A zombie that nobody has waited for is dead all the same.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

const codes = ({ warnings }: Sweep) => warnings.map(({ code }) => code);

describe('a pipeline that does its work', () => {
  const { status, sweep, results } = exec(quick, own());

  test('is measured: every record is there, and scaling is linear', () => {
    expect(status).toBe(0);
    expect(sweep).toMatchObject({ engine: 'exec', valid: true, verdict: { bottleneck: 'none' } });
    for (const cell of sweep.cells) {
      expect(cell.completeness).toEqual({
        records: 40,
        pointsExpected: 160,
        pointsStored: 160,
        recordsFailed: 0,
      });
      expect(cell.openai).toMatchObject({ requests: 40, succeeded: 40, attemptsPerSuccess: 1 });
      expect(cell.openai.latencyMs.p50).toBe(60);
      expect(cell.memory.measured).toBe(true);
      expect(cell.command).toMatchObject({ exitCode: 0, leftBehind: 0, recordField: 'record_id' });
      expect(cell.command!.cpuSeconds).toBeGreaterThan(0);
      expect(cell.command!.startUpSeconds).toBeGreaterThan(0);
      expect(cell.command!.wholeSeconds).toBeGreaterThan(cell.seconds);
    }
  });

  test('leaves a sweep that follows the published schema, a report and a log for each cell', () => {
    const schema = JSON.parse(readFileSync(join(packageRoot, 'schema/sweep.schema.json'), 'utf8'));
    const validate = new Ajv({ strict: false, allowUnionTypes: true }).compile(schema);
    expect(validate(sweep), JSON.stringify(validate.errors)).toBe(true);
    expect(readdirSync(results).sort()).toEqual([
      'command-01-workers.log',
      'command-04-workers.log',
      'report.html',
      'sweep.json',
    ]);
    expect(readFileSync(join(results, 'command-04-workers.log'), 'utf8')).toContain(
      'migrated 40 records with 4 workers, batch 50',
    );
  });
});

test('a batch that was swallowed is found, though the log says that all is well', () => {
  const { status, sweep, stderr } = exec(quick, own('swallow'), ['--workers', '2']);
  expect(status).toBe(0);
  expect(sweep.cells[0]!.completeness).toEqual({
    records: 40,
    pointsExpected: 160,
    pointsStored: 144,
    recordsFailed: 4,
  });
  expect(codes(sweep)).toEqual(expect.arrayContaining(['records-lost', 'records-missing']));
  expect(sweep.warnings.find(({ code }) => code === 'records-missing')!.message).toBe(
    'At 2 workers not all points of 4 records are in Qdrant: 3, 13, 23, 33.',
  );
  expect(stderr).not.toMatch(/ at .*\.ts:/);
});

test('a command that crashes is marked with its last words, the rest goes on, and exit is 3', () => {
  const command = [
    process.execPath,
    '-e',
    `process.env.MAX_WORKERS === '1' ? process.exit(console.error('Error: no such table: documents') ?? 7) : import(${JSON.stringify(pipeline)})`,
    '--',
    '--workers',
    '{workers}',
    '--records',
    '{records}',
  ];
  const { status, sweep } = exec(quick, command);
  expect(status).toBe(3);
  expect(sweep.valid).toBe(false);
  expect(sweep.cells.map(({ command: seen }) => seen!.usable)).toEqual([false, true]);
  expect(sweep.cells[0]!.command!.problem).toBe(
    'the command ended with exit code 7: Error: no such table: documents',
  );
  expect(sweep.cells[1]!.completeness.recordsFailed).toBe(0);
});

test('a --record-field that no point has is told, with those that there are', () => {
  const { sweep } = exec(quick, own(), ['--workers', '2', '--record-field', 'nope']);
  expect(sweep.cells[0]!.command!.recordField).toBe('record_id');
  expect(sweep.warnings.find(({ code }) => code === 'record-field-unknown')).toEqual({
    code: 'record-field-unknown',
    message:
      'No stored point has the payload field "nope" of --record-field; it was looked for as if none were given.',
    remedy: 'Give one of those that points have: record_id, chunk.',
  });
});

test('short passwords of the environment are in no log', () => {
  const env = {
    MYSQL_PASSWORD: 'hunter2',
    DB_PASS: 'wxyz',
    DATABASE_URL: 'postgres://u:p@ss@word9@h',
  };
  const { results } = exec(quick, ['env'], ['--workers', '1'], env);
  const log = readFileSync(join(results, 'command-01-workers.log'), 'utf8');
  expect(log).toContain('DB_PASS=[redacted]');
  expect(log).toContain('DATABASE_URL=postgres://u:[redacted]@h');
  expect(log).not.toMatch(/hunter2|wxyz|word9/);
});

test('a command that hangs is ended after --timeout', () => {
  const { status, sweep } = exec(quick, own('hang'), ['--timeout', '2s', '--workers', '1']);
  expect(status).toBe(3);
  expect(sweep.cells[0]!.command!.problem).toBe('no end within 2 s (--timeout)');
});

test('a child that outlives the command is ended and told', () => {
  const pids = join(folder, 'orphan.pid');
  const { status, sweep } = exec(quick, own('orphan', ['--pids', pids]), ['--workers', '1']);
  expect(status).toBe(0);
  expect(sweep.cells[0]!.command!.leftBehind).toBe(1);
  expect(codes(sweep)).toContain('processes-left-behind');
  expect(alive(Number(readFileSync(pids, 'utf8')))).toBe(false);
});

test('a key that the command prints is in no file', () => {
  const { results } = exec(quick, own('secrets'), ['--workers', '1']);
  const log = readFileSync(join(results, 'command-01-workers.log'), 'utf8');
  expect(log).toMatch(/^key /m);
  expect(log).not.toContain('A1b2C3d4E5f6G7h8I9j0K1l2');
  expect(readFileSync(join(results, 'sweep.json'), 'utf8')).not.toContain('sk-proj');
});

test('a proxy in the environment is not asked for loopback, and the shell’s own key stays out', () => {
  const env = { HTTP_PROXY: 'http://127.0.0.1:9', http_proxy: 'http://127.0.0.1:9' };
  const key = { OPENAI_API_KEY: 'sk-proj-THEUSERSOWN0123456789' };
  const { status, results } = exec(quick, own(), ['--workers', '4'], { ...env, ...key });
  expect(status).toBe(0);
  for (const file of readdirSync(results))
    expect(readFileSync(join(results, file), 'utf8')).not.toContain('THEUSERSOWN');
});

test('a rate limit is seen: 429s, the limit that gave them, hints obeyed, and the knee', () => {
  // 40 records of 400 tokens, 5 a second of them: a worker needs 80 ms, so 5 × 0.08 = 0.4 workers.
  const limited = labFile(
    'workers: [1, 4]\nopenai: { tier: tier-1, limits: { tpm: 120000 }, bucket: { tpm: empty }, latency: { fixed: 60 } }\n',
  );
  const { sweep } = exec(limited, own());
  const [, four] = sweep.cells;
  expect(four!.openai.rateLimited.tpm).toBeGreaterThan(10);
  expect(four!.absorbed.backoff).toBeGreaterThan(2);
  expect(four!.command!.waits.early).toBe(0);
  expect(sweep.verdict.bottleneck).toBe('openai-tpm');
  expect(sweep.verdict.knee).toBeGreaterThan(0.3);
  expect(sweep.verdict.knee).toBeLessThan(0.6);
});

test('Ctrl-C keeps the finished cells and leaves no process', async () => {
  const out = mkdtempSync(join(folder, 'out-'));
  const slow = labFile('workers: [1, 2, 4]\nopenai: { tier: unlimited, latency: { fixed: 100 } }');
  const child = spawn(process.execPath, argumentsOf(slow, own(), [], out), {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text: Buffer) => {
    said += text;
    if (said.includes('× 1: ')) setTimeout(() => child.kill('SIGINT'), 300);
  });
  let stdout = '';
  child.stdout.on('data', (text: Buffer) => {
    stdout += text;
  });
  const status = await new Promise((resolve) => child.once('close', resolve));
  expect(status).toBe(130);
  const sweep = JSON.parse(stdout) as Sweep;
  expect(sweep.cells.map(({ workers }) => workers)).toEqual([1]);
  expect(codes(sweep)).toContain('cells-missing');
  expect(said).toContain('interrupted; the finished cells are saved');
  const left = spawnSync('pgrep', ['-f', pipeline], { encoding: 'utf8' }).stdout.trim();
  expect(left).toBe('');
});

test.each([
  [[], /give your command after --/],
  [['--', 'no-such-program-here'], /"no-such-program-here": no such command/],
  [['node', 'ingest.js', '--workers={workers}'], /give your command after --/],
  [['--record-field', '', '--', 'true'], /--record-field: is empty/],
  [['--timeout', 'soon', '--', 'true'], /--timeout: must be a time such as/],
  [['--memory-limit', 'much', '--', 'true'], /--memory-limit/],
  [['--speed', '10', '--', 'true'], /--speed: other programs can't be sped up/],
  [['--yes', '--', 'true'], /only with --real/],
] as [string[], RegExp][])('exec %j is refused in one line with exit code 2', (args, message) => {
  const { status, stderr } = spawnSync(
    process.execPath,
    [cli, 'exec', quick, '--no-mysql', '--out', folder, ...args],
    { encoding: 'utf8' },
  );
  const own = stderr.split('\n').filter((line) => line.startsWith('kneepoint: '));
  expect(own).toHaveLength(1);
  expect(own[0]).toMatch(message);
  expect(status).toBe(2);
});
