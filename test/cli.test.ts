import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { expect, test } from 'vitest';
import type { Sweep } from '../src/model/sweep.ts';

const root = new URL('..', import.meta.url).pathname;

function kneepoint(args: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['src/cli.ts', ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
  });
  return { status, stdout, stderr };
}

/** The nine labs with the seconds that each must take at 1, 2, 5, 10 and 20 workers, and its verdict. */
const contract: [string, (number | null)[] | null, string, number, number | null][] = [
  ['worked-example', [60, 30, 12, 8, 6], 'qdrant', 8, null],
  ['openai-tier-1', [60, 30, 24.5, 24.5, 24.5], 'openai-tpm', 2, 2.5],
  ['openai-tier-2', [60, 30, 12, 7.6, 7.6], 'openai-tpm', 8, 8.5],
  ['qdrant-free', null, 'qdrant', 5, null],
  ['memory-8gb', [60, 30, 12, 6, null], 'memory', 12, 12.48],
  ['linear', [60, 30, 12, 6, 3], 'none', 20, null],
  ['pilot-trap', [60, 30, 12, 6, 3], 'openai-tpm', 2, 2.5],
  ['two-batches', [16, 8, 8, 8, 8], 'work-units', 2, 2],
  ['sdk-defaults', null, 'openai-tpm', 2, 2.5],
];

const simulated = new Map(
  (JSON.parse(kneepoint(['simulate', '--json']).stdout) as Sweep[]).map((sweep) => [
    sweep.lab.name,
    sweep,
  ]),
);

test.each(contract)(
  '%s has the times and the verdict of its contract',
  (name, seconds, bottleneck, workers, knee) => {
    const { cells, verdict } = simulated.get(name)!;
    for (const [at, expected] of (seconds ?? []).entries()) {
      const cell = cells[at]!;
      expect(cell.feasible).toBe(expected !== null);
      if (expected !== null) expect(Math.abs(cell.seconds / expected - 1)).toBeLessThan(0.05);
    }
    expect(verdict).toMatchObject({ bottleneck, recommendedWorkers: workers });
    if (knee !== null) expect(verdict.knee).toBeCloseTo(knee, 2);
    if (bottleneck === 'none') expect(verdict.knee).toBeNull();
  },
);

test('the labs warn of what their contract says, and of nothing else', () => {
  const codes = (name: string) => simulated.get(name)!.warnings.map(({ code }) => code);
  expect(codes('pilot-trap')).toEqual(['bucket-never-drained']);
  expect(simulated.get('pilot-trap')!.warnings[0]!.remedy).toContain('5250 records');
  expect(codes('sdk-defaults')).toEqual(['records-lost']);
  expect(simulated.get('sdk-defaults')!.warnings[0]!.message).toMatch(/at 10, \d+ at 20/);
  for (const name of ['worked-example', 'openai-tier-1', 'openai-tier-2', 'qdrant-free', 'linear'])
    expect(codes(name)).toEqual([]);
  const timeouts = simulated.get('qdrant-free')!.cells.map(({ qdrant }) => qdrant.timeouts > 0);
  expect(timeouts).toEqual([false, false, false, true, true]);
  expect(simulated.get('openai-tier-1')!.verdict.action).toBe(
    'Upgrade OpenAI to tier-3 OR keep 2 workers',
  );
});

test('simulate is byte for byte the same, and follows the published schema', () => {
  const [first, second] = [1, 2].map(() => kneepoint(['simulate', 'openai-tier-1', '--json']));
  expect(first!.stdout).toBe(second!.stdout);
  const schema = JSON.parse(readFileSync(join(root, 'schema/sweep.schema.json'), 'utf8'));
  const validate = new Ajv({ strict: false }).compile(schema);
  for (const sweep of simulated.values()) expect(validate(sweep), sweep.lab.name).toBe(true);
});

const inLab = (text: string): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'kneepoint-lab-')), 'lab.yaml');
  writeFileSync(path, text);
  return path;
};

test.each([
  [['simulate', 'openai-tier1'], /did you mean openai-tier-1\?/],
  [['simulate', './missing.yaml'], /cannot read .*\(ENOENT: no such file\)/],
  [
    ['simulate', inLab('workload: { record: 5 }')],
    /workload\.record: unknown key; did you mean records/,
  ],
  [['simulate', inLab('a: [')], /lab\.yaml: .* column \d+$/m],
  [['simulate', inLab('a: &x [*x]')], /lab\.yaml: an anchor contains itself; write its values/],
  [['simulate', inLab('a: 1\n---\nb: 2')], /lab\.yaml: holds several YAML documents; keep one/],
  [['simulate', inLab('speed: .inf')], /speed: must be .*, got Infinity/],
  [['simulate', tmpdir()], /LAB: cannot read .* \(EISDIR: a folder\); give a built-in name/],
  [['simulate', 'linear', '--tier', 'tier-9'], /openai\.tier: "tier-9" is not one of/],
  [['simulate', 'linear', '--plan', 'gold'], /qdrant\.plan: "gold" is not one of/],
  [['simulate', 'linear', '--workers', '0,1'], /workers\.0: must be >= 1/],
  [['simulate', 'linear', '--workers', '5,2'], /workers: must rise without doubles.*\[2,5\]/],
  [['simulate', 'linear', '--workers', '2,2'], /workers: must rise without doubles/],
  [['simulate', 'linear', '--records', '-5'], /workload\.records: must be >= 1/],
  [['simulate', 'linear', '--records', 'many'], /--records: must be a number, got "many"/],
  [['simulate', inLab('workload: { batchSize: 4000 }')], /workload\.batchSize: must be <= 2048/],
  [
    ['simulate', inLab('openai: { latency: { p50: 5 } }')],
    /openai\.latency: give fixed, or all of/,
  ],
  [['run', 'linear', '--engine', 'warp'], /--engine: "warp" is not one of k6, simulate/],
  [['mocks', '--openai-port', '99999'], /--openai-port: must be a port/],
  [['mocks', '--speed', 'fast'], /--speed: must be over 0/],
  [['simulat'], /unknown command 'simulat'/],
  [['help', 'simulat'], /unknown command 'simulat'/],
  [[], /give a command/],
] as [string[], RegExp][])('%j is refused in one line with exit code 2', (args, message) => {
  const { status, stdout, stderr } = kneepoint(args);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).toMatch(message);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
});

test('help on a command is no error', () => {
  expect(kneepoint(['help', 'run'])).toMatchObject({ status: 0, stderr: '' });
});

test('an error that nobody expected is one line, and not the exit code of a failed check', () => {
  const broken = "data:text/javascript,JSON.stringify=()=>{throw new TypeError('no such thing')}";
  const env = { NODE_OPTIONS: `--import ${JSON.stringify(broken)}` };
  const { status, stderr } = kneepoint(['tiers', '--json'], env);
  expect({ status, stderr }).toEqual({
    status: 3,
    stderr:
      'kneepoint: unexpected: no such thing; this is a bug in Kneepoint, KNEEPOINT_DEBUG=1 shows where\n',
  });
  const { stderr: traced } = kneepoint(['tiers', '--json'], { ...env, KNEEPOINT_DEBUG: '1' });
  expect(traced).toMatch(/^TypeError: no such thing\n +at /);
});

test('a results folder that is not a folder is refused before anything runs', () => {
  const file = inLab('');
  const { status, stderr } = kneepoint(['simulate', 'linear', '--out', file]);
  expect(status).toBe(2);
  expect(stderr).toMatch(/^kneepoint: --out: cannot make .*choose a folder/);
});

test('without k6 the exit code is 4 and the ways to get it are listed', () => {
  const { status, stderr } = kneepoint(['run', 'linear'], { KNEEPOINT_K6: '/nonexistent/k6' });
  expect(status).toBe(4);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).toContain('KNEEPOINT_K6');
});

test('--out keeps the sweep and a report', () => {
  const out = mkdtempSync(join(tmpdir(), 'kneepoint-out-'));
  expect(kneepoint(['simulate', 'linear', '--out', out]).status).toBe(0);
  const folder = join(out, readdirSync(out)[0]!);
  expect(readdirSync(folder).sort()).toEqual(['report.html', 'sweep.json']);
  expect(JSON.parse(readFileSync(join(folder, 'sweep.json'), 'utf8')).lab.name).toBe('linear');
});

test('labs, tiers and help read well', () => {
  expect(kneepoint(['labs']).stdout).toContain('pilot-trap');
  expect(kneepoint(['labs', 'openai-tier-1']).stdout).toMatch(/tier: tier-1 +# usage tier/);
  expect(kneepoint(['tiers']).stdout).toMatch(
    /^tier-3 +5,000 +- +5,000,000 +\$\d+ .*documented +\d{4}-/m,
  );
  expect(kneepoint(['run', '--help']).stdout).toContain('Examples:');
});

test('every figure of tiers has its grade, date and source, prices too', () => {
  const { stdout } = kneepoint(['tiers']);
  const [rows, sources] = stdout.split('\nSources\n') as [string, string];
  const figures = rows.split('\n').filter((line) => / {2}/.test(line) && !line.endsWith('source'));
  expect(figures).toHaveLength(29);
  for (const line of figures)
    expect(line).toMatch(/ (documented|recorded|assumed) +\d{4}(-\d\d){0,2} +\[\d+\]$/);
  const numbers = new Set(figures.map((line) => line.slice(line.lastIndexOf('[') + 1, -1)));
  expect(sources.trim().split('\n')).toHaveLength(numbers.size);
  expect(rows).toMatch(/^standard-4 +0\.2852 +208 +recorded +2023 /m);
  expect(rows).toMatch(/^text-embedding-3-small +0\.02 +documented /m);
  expect(rows).toMatch(/^tier-2 +50 +7 +500 +documented /m);
  expect(JSON.parse(kneepoint(['tiers', '--json']).stdout).prices.qdrant.free.usdPerHour).toBe(0);
});

test.each([...simulated.keys()])('%s printed as YAML is the same lab when read again', (name) => {
  const path = inLab(kneepoint(['labs', name]).stdout);
  const [again] = [JSON.parse(kneepoint(['simulate', path, '--json']).stdout)] as [Sweep];
  expect(again.lab).toEqual(simulated.get(name)!.lab);
});

test('a printed lab leaves to tier and plan what is theirs: another tier has its own limits', () => {
  const path = inLab(kneepoint(['labs', 'openai-tier-1']).stdout);
  const args = ['simulate', path, '--tier', 'tier-3', '--plan', 'free', '--json'];
  const { lab } = JSON.parse(kneepoint(args).stdout) as Sweep;
  const own = JSON.parse(
    kneepoint(['simulate', 'openai-tier-1', ...args.slice(2)]).stdout,
  ) as Sweep;
  expect(lab.openai.limits.tpm).toBe(5_000_000);
  expect(lab).toEqual(own.lab);
});
