import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { afterAll, expect, test } from 'vitest';
import type { LabCheck } from '../../src/analyze/check/checks.ts';
import type { Comparison } from '../../src/analyze/check/compare.ts';
import { labFiles } from '../../src/model/labs.ts';
import type { Sweep } from '../../src/model/sweep.ts';

const cli = join(import.meta.dirname, '../../src/cli.ts');
const folder = mkdtempSync(join(tmpdir(), 'kneepoint-check-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The command in a folder of its own, outside GitHub whatever runs this test. */
function kneepoint(args: string[], env: Record<string, string> = {}) {
  const { GITHUB_ACTIONS: _a, GITHUB_STEP_SUMMARY: _s, ...rest } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...rest, ...env },
    maxBuffer: 64 * 1024 * 1024,
  });
  return { status, stdout, stderr };
}

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return name;
}

const tier1 = 'openai: { tier: tier-1, bucket: { tpm: empty } }';
const lab = file(
  'good.yaml',
  `name: good\n${tier1}\nexpect: { workers: 5, maxSeconds: 25, complete: true, bottleneck: openai-tpm }\n`,
);
const bad = file('bad.yaml', `name: bad\n${tier1}\nexpect: { workers: 5, maxSeconds: 20 }\n`);
/** Twenty workers do not fit, so of that cell there is nothing to say. */
const missing = file(
  'missing.yaml',
  'name: missing\nhost: { memoryGb: 8 }\nexpect: { workers: 20, maxQdrantTimeouts: 0 }\n',
);
const simulate = (...args: string[]) => kneepoint(['check', '--engine', 'simulate', ...args]);

test.each([
  [lab, 0, 'passed', 'Of|3 checks passed'],
  [bad, 1, 'failed', 'Of 1 check: 1 failed.'],
  [missing, 3, 'unknown', 'Of 1 check: 1 could not be made.'],
])('%s exits with %i', (name, status, outcome, told) => {
  const shown = simulate(name);
  expect(shown).toMatchObject({ status, stderr: '' });
  expect(shown.stdout).toMatch(new RegExp(told));
  const { stdout } = simulate(name, '--json');
  expect(JSON.parse(stdout)).toMatchObject({ schema: 'kneepoint.check/1', outcome });
});

/** One thing wrong at a time, and the check that has to tell it. */
test.each([
  ['maxSeconds: 1', '', 'expect.maxSeconds'],
  ['minEfficiency: 0.9', tier1, 'expect.minEfficiency'],
  ['maxRateLimited: 0', tier1, 'expect.maxRateLimited'],
  ['maxQdrantTimeouts: 0', 'qdrant: { plan: free }', 'expect.maxQdrantTimeouts'],
  ['maxMemoryShare: 0.1', '', 'expect.maxMemoryShare'],
  ['complete: true', `${tier1}\nworker: { client: openai-node-7 }`, 'expect.complete'],
  ['bottleneck: qdrant', tier1, 'expect.bottleneck'],
  ['minRecommendedWorkers: 3', tier1, 'expect.minRecommendedWorkers'],
])('%s fails by exit code and in JUnit', (key, world, name) => {
  const given = file('one.yaml', `name: one\n${world}\nexpect: { workers: 20, ${key} }\n`);
  const { status, stdout } = simulate(given, '--junit', 'one.xml');
  expect(status).toBe(1);
  expect(stdout).toMatch(/^Of 1 check: 1 failed\.$/m);
  const junit = readFileSync(join(folder, 'one.xml'), 'utf8');
  expect(junit.match(/<failure/g)).toHaveLength(1);
  expect(junit).toMatch(new RegExp(`<testcase[^>]*name="${name}[^>]*>\\s*<failure`));
});

test('without LAB every built-in lab shows what it is there for', () => {
  const { status, stdout, stderr } = simulate('--json');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const { labs: results } = JSON.parse(stdout) as { labs: LabCheck[] };
  expect(results.map(({ lab: name }) => name)).toEqual(Object.keys(labFiles));
  for (const { checks } of results) {
    const names = checks.map(({ name }) => name);
    expect(names).toContain('expect.bottleneck');
    expect(names).toContain('expect.minRecommendedWorkers');
  }
});

test('over several labs one failure decides, then one that could not be judged', () => {
  expect(simulate(lab, missing, bad).status).toBe(1);
  expect(simulate(lab, missing).status).toBe(3);
  expect(simulate(lab, lab).status).toBe(0);
});

test('an invalid run exits with 3, whatever its checks say', () => {
  const sweep = JSON.parse(kneepoint(['simulate', bad, '--json']).stdout) as Sweep;
  sweep.valid = false;
  sweep.warnings = [{ code: 'cells-missing', message: 'Two cells are missing.', remedy: 'Again.' }];
  const given = file('invalid.json', JSON.stringify(sweep));
  const { status, stdout } = kneepoint(['check', '--sweep', given]);
  expect(status).toBe(3);
  expect(stdout).toMatch(/^MISSING {2}run .*Two cells are missing\.\n +Remedy: Again\.$/m);
});

test('nothing of an invalid run is a failure, in its baseline checks neither', () => {
  const was = JSON.parse(kneepoint(['simulate', bad, '--json']).stdout) as Sweep;
  const given = file('fine.json', JSON.stringify(was));
  const verdict = { ...was.verdict, bottleneck: 'undetermined', knee: null, kneeInterval: null };
  const disturbed = file('disturbed.json', JSON.stringify({ ...was, valid: false, verdict }));
  const args = ['check', '--sweep', disturbed, '--baseline', given, '--junit', 'invalid.xml'];
  const { status, stdout } = kneepoint(args);
  expect(status).toBe(3);
  expect(stdout).not.toContain('FAILED');
  expect(stdout).toMatch(/^MISSING {2}baseline\.bottleneck .* could not find the bottleneck$/m);
  const junit = readFileSync(join(folder, 'invalid.xml'), 'utf8');
  expect(junit).toContain('<error');
  expect(junit).not.toContain('<failure');
});

const empty = file('empty.yaml', 'name: empty\n');
const withoutTwenty = JSON.parse(kneepoint(['simulate', empty, '--json']).stdout) as Sweep;
withoutTwenty.cells.pop();
const lacking = file('lacking.json', JSON.stringify(withoutTwenty));
const noCells = file(
  'no-cells.json',
  JSON.stringify({
    ...JSON.parse(kneepoint(['simulate', 'linear', '--json']).stdout),
    cells: [],
  }),
);
const damaged = file('damaged.json', '{"schema":"kneepoint.sweep/1"');
test.each([
  [['check', empty], /^kneepoint: empty: expect is empty and there is no --baseline.*add/],
  [['check', lab, '--engine', 'warp'], /--engine: "warp" is not one of k6, simulate/],
  [['check', lab, '--update-baseline'], /--update-baseline: give the file/],
  [['check', lab, '--repeats', '0'], /--repeats: must be a whole number from 1 to 100, got "0"/],
  [['check', lab, '--repeats', '2.5'], /--repeats: must be a whole number/],
  [['check', lab, '--workers', '1,2'], /good: expect\.workers: 5 is not among .* 1, 2;/],
  [['check', lab, '--baseline', 'none.json'], /there is no none\.json yet;.*--update-baseline/],
  [['check', lab, '--baseline', damaged], /--baseline: damaged\.json is not whole JSON/],
  [['check', '--sweep', 'nowhere'], /--sweep: cannot read nowhere \(ENOENT: no such file\)/],
  [['check', '--sweep', damaged, '--repeats', '3'], /--sweep: .*leave --repeats out/],
  [['check', lab, '--sweep', damaged, '--workers', '1'], /--sweep: .*leave --workers out/],
  [['check', lab, bad, '--baseline', damaged], /is one file, for one lab; .* give a folder/],
  [['simulate', lab, '--repeats', 'many'], /--repeats: must be a whole number/],
  [['report', noCells], /no-cells\.json is damaged: cells has fewer than 1; run the lab again/],
  [['compare', noCells, noCells], /damaged: cells has fewer than 1/],
  [['check', lab, '--engine', 'simulate', '--baseline', noCells], /damaged: cells has fewer/],
  [
    ['check', empty, '--engine', 'simulate', '--baseline', lacking],
    /--baseline: lacking\.json does not fit: it has no cell of 20 workers; .* --update-baseline/,
  ],
  [['compare', 'nowhere', lab], /compare: cannot read nowhere \(ENOENT: no such file\)/],
  [['compare', lab, lab], /compare: good\.yaml is not whole JSON/],
] as [string[], RegExp][])('%j is refused in one line with exit code 2', (args, message) => {
  const { status, stdout, stderr } = kneepoint(args);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).toMatch(message);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
});

test('a baseline is written whole, holds for the same lab, and finds what got worse', () => {
  const first = simulate(empty, '--baseline', 'empty.json', '--update-baseline');
  expect(first).toMatchObject({
    status: 0,
    stderr: 'kneepoint: empty: baseline written: empty.json\n',
  });
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  const again = simulate(empty, '--baseline', 'empty.json');
  expect(again).toMatchObject({ status: 0, stderr: '' });
  expect(again.stdout).toMatch(
    /^passed +baseline\.seconds +20 +at most 10 % over 3 s +3 s \(\+0 %, exact\)$/m,
  );

  // As if the pipeline had been a quarter faster once, and had lost nothing.
  const baseline = JSON.parse(readFileSync(join(folder, 'empty.json'), 'utf8')) as Sweep;
  for (const cell of baseline.cells) cell.seconds *= 0.75;
  file('faster.json', JSON.stringify(baseline));
  const slower = simulate(empty, '--baseline', 'faster.json');
  expect(slower.status).toBe(1);
  expect(slower.stdout.match(/^FAILED +baseline\.seconds/gm)).toHaveLength(5);
});

test('a baseline of another lab or engine is refused before anything runs', () => {
  simulate(empty, '--baseline', 'refused.json', '--update-baseline');
  const other = simulate(empty, '--baseline', 'refused.json', '--records', '200');
  expect(other).toMatchObject({ status: 2, stdout: '' });
  expect(other.stderr).toMatch(
    /^kneepoint: --baseline: refused\.json does not fit: it is of another lab \(hash \w+, here \w+\): workload\.records is 100 there and 200 here; .*--update-baseline\n$/,
  );
  const k6 = kneepoint(['check', empty, '--baseline', 'refused.json']);
  expect(k6).toMatchObject({ status: 2, stdout: '' });
  expect(k6.stderr).toMatch(/it was run with simulate, this with k6/);
});

test('several labs have their baselines in a folder, a file for each', () => {
  mkdirSync(join(folder, 'baselines'));
  const update = simulate(lab, empty, '--baseline', 'baselines', '--update-baseline');
  expect(update.status).toBe(0);
  expect(readdirSync(join(folder, 'baselines')).sort()).toEqual(['empty.json', 'good.json']);
  expect(simulate(lab, empty, '--baseline', 'baselines').status).toBe(0);
  expect(simulate(empty, '--baseline', 'baselines').status).toBe(0);
});

test('a run that proves nothing is not written as a baseline', () => {
  const sweep = JSON.parse(kneepoint(['simulate', lab, '--json']).stdout) as Sweep;
  const given = file('not-valid.json', JSON.stringify({ ...sweep, valid: false }));
  const { status, stderr } = kneepoint([
    ...['check', '--sweep', given, '--baseline', 'unwritten.json', '--update-baseline'],
  ]);
  expect(status).toBe(3);
  expect(stderr).toMatch(/good: the baseline is not written: the run is not valid/);
  expect(existsSync(join(folder, 'unwritten.json'))).toBe(false);
});

test('repeats are in the sweep, follow the schema, and the check runs as many as its baseline', () => {
  const { stdout, status } = kneepoint(['simulate', lab, '--repeats', '3', '--json']);
  expect(status).toBe(0);
  const sweep = JSON.parse(stdout) as Sweep;
  const path = join(import.meta.dirname, '../../schema/sweep.schema.json');
  const validate = new Ajv({ strict: false }).compile(JSON.parse(readFileSync(path, 'utf8')));
  expect(validate(sweep), JSON.stringify(validate.errors)).toBe(true);
  expect(sweep.cells.map(({ repeats }) => repeats?.length)).toEqual([3, 3, 3, 3, 3]);

  const given = file('three.json', stdout);
  const checked = simulate(lab, '--baseline', given, '--seed', '50');
  expect(checked).toMatchObject({ status: 0 });
  expect(checked.stdout).toContain('good · simulate · 3 runs of each worker count');
  expect(checked.stdout).toMatch(/baseline\.seconds +5 .*95 % sure of at least/);
  const single = simulate(lab, '--baseline', given, '--repeats', '1');
  expect(single.status).toBe(3);
  expect(single.stdout).toMatch(/^MISSING +baseline\.seconds/m);
});

test('a finished run is checked by its own expectations, or by a changed lab of the same', () => {
  kneepoint(['simulate', lab, '--out', 'kept']);
  const results = join('kept', readdirSync(join(folder, 'kept'))[0]!);
  expect(kneepoint(['check', '--sweep', results]).status).toBe(0);
  const stricter = file('stricter.yaml', `name: good\n${tier1}\nexpect: { maxRateLimited: 0 }\n`);
  expect(kneepoint(['check', stricter, '--sweep', results]).status).toBe(1);
  const { status, stderr } = kneepoint(['check', empty, '--sweep', results]);
  expect(status).toBe(2);
  expect(stderr).toMatch(/it is a run of another lab: name is "good" there and "empty" in empty/);
});

test('only GitHub gets annotations and a summary', () => {
  const summary = file('summary.md', '');
  const quiet = simulate(bad);
  expect(quiet.stderr).toBe('');
  const env = { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summary, GITHUB_WORKSPACE: folder };
  const { status, stdout, stderr } = kneepoint(
    ['check', '--engine', 'simulate', '--json', bad, missing],
    env,
  );
  expect(status).toBe(1);
  expect(JSON.parse(stdout).outcome).toBe('failed');
  const lines = stderr.trim().split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(
    /^::error file=bad\.yaml,title=kneepoint%3A bad%3A expect\.maxSeconds at 5 workers::expected at most 20 s, saw 24\.\d+ s$/,
  );
  expect(lines[1]).toMatch(/^::error file=missing\.yaml,.*saw not run: over memory%0ASet expect/);
  const written = readFileSync(join(folder, summary), 'utf8');
  expect(written).toContain('### bad (simulate)\n\nOf 1 check: 1 failed.');

  const off = kneepoint(['check', '--engine', 'simulate', bad], {
    ...env,
    GITHUB_ACTIONS: 'false',
  });
  expect(off.stderr).toBe('');
  expect(readFileSync(join(folder, summary), 'utf8')).toBe(written);
});

test('a summary that cannot be written is said, and changes no exit code', () => {
  const env = { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: '/nonexistent/summary.md' };
  const { status, stderr } = kneepoint(['check', '--engine', 'simulate', lab], env);
  expect(status).toBe(0);
  expect(stderr).toMatch(/GITHUB_STEP_SUMMARY: cannot write .*ENOENT/);
});

test('the JUnit file is written where it is asked for', () => {
  expect(simulate(bad, '--junit', 'reports/junit.xml').status).toBe(1);
  expect(readFileSync(join(folder, 'reports/junit.xml'), 'utf8')).toContain('failures="1"');
  const refused = simulate(lab, '--junit', `${lab}/junit.xml`);
  expect(refused.status).toBe(2);
  expect(refused.stderr).toMatch(/^kneepoint: --junit: cannot write .*choose a folder/);
});

test('compare shows two runs, in words and as JSON', () => {
  const one = file('one.json', kneepoint(['simulate', lab, '--repeats', '3', '--json']).stdout);
  const more = ['--tier', 'tier-3', '--repeats', '3', '--json'];
  const two = file('two.json', kneepoint(['simulate', lab, ...more]).stdout);
  const { status, stdout, stderr } = kneepoint(['compare', one, two]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^ {2}openai\.tier: "tier-1" → "tier-3"$/m);
  expect(stdout).toMatch(/^ +20 \| .* % faster$/m);
  const comparison = JSON.parse(kneepoint(['compare', one, two, '--json']).stdout) as Comparison;
  expect(comparison.cells.map(({ finding }) => finding)).toContain('faster');
  expect(comparison.verdict[0]).toMatchObject({ field: 'Bottleneck', a: 'openai-tpm' });
});
