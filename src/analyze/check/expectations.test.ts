import { expect, test } from 'vitest';
import { completeLab, type Lab } from '../../model/lab.ts';
import type { Cell, Sweep } from '../../model/sweep.ts';
import { exampleSweep } from '../../report/example-sweep.ts';
import { labCheck, outcomeOf } from './checks.ts';
import { checkExpectations, expectationsProblem, expectsNothing } from './expectations.ts';

type Expect = Lab['expect'];

/** The test plan's table with its third cell, five workers in 12 s, changed. */
const withCell = (change: Partial<Cell>): Sweep => ({
  ...exampleSweep,
  warnings: [],
  cells: exampleSweep.cells.map((cell) => (cell.workers === 5 ? { ...cell, ...change } : cell)),
});
const sweep = withCell({});
const [, , five] = sweep.cells as [Cell, Cell, Cell];
const only = (given: Sweep, asked: Expect) => checkExpectations(given, asked)[0]!;
const run = {
  seconds: 12,
  rateLimited: 0,
  timeouts: 0,
  recordsFailed: 0,
  pointsStored: 800,
  chargedTokens: 4e5,
};

const limited = withCell({
  openai: { ...five.openai, rateLimited: { rpm: 2, tpm: 3, rpd: 1 } },
});
const slowQdrant = withCell({ qdrant: { ...five.qdrant, timeouts: 2 } });
const lossy = withCell({
  completeness: { records: 100, pointsExpected: 800, pointsStored: 792, recordsFailed: 1 },
});
/** Every record is said to have arrived, but a point is not there. */
const pointless = withCell({
  completeness: { records: 100, pointsExpected: 800, pointsStored: 799, recordsFailed: 0 },
});

test.each([
  [sweep, { maxSeconds: 12 }, 'passed', '12 s'],
  [sweep, { maxSeconds: 11.9 }, 'failed', '12 s'],
  [sweep, { minEfficiency: 1 }, 'passed', '100 %'],
  [withCell({ efficiency: 0.79 }), { minEfficiency: 0.8 }, 'failed', '79 %'],
  [limited, { maxRateLimited: 6 }, 'passed', '6 429s'],
  [limited, { maxRateLimited: 5 }, 'failed', '6 429s'],
  [slowQdrant, { maxQdrantTimeouts: 2 }, 'passed', '2 timeouts'],
  [slowQdrant, { maxQdrantTimeouts: 1 }, 'failed', '2 timeouts'],
  [sweep, { maxMemoryShare: 0.05 }, 'passed', '4.005 % (computed)'],
  [sweep, { maxMemoryShare: 0.04 }, 'failed', '4.005 % (computed)'],
  [sweep, { complete: true }, 'passed', '100 of 100 records, 800 of 800 points'],
  [lossy, { complete: true }, 'failed', '99 of 100 records, 792 of 800 points'],
  [pointless, { complete: true }, 'failed', '100 of 100 records, 799 of 800 points'],
  [sweep, { bottleneck: 'qdrant' }, 'passed', 'qdrant'],
  [sweep, { bottleneck: 'none' }, 'failed', 'qdrant'],
  [sweep, { minRecommendedWorkers: 8 }, 'passed', '8 workers'],
  [sweep, { minRecommendedWorkers: 9 }, 'failed', '8 workers'],
] as [Sweep, Expect, string, string][])('case %#: %o', (given, asked, status, seen) => {
  expect(checkExpectations(given, { workers: 5, ...asked })).toMatchObject([{ status, seen }]);
});

test('without workers every cell is judged, with it only that one', () => {
  const all = checkExpectations(sweep, { maxSeconds: 12 });
  expect(all.map(({ workers, status }) => [workers, status])).toEqual([
    [1, 'failed'],
    [2, 'failed'],
    [5, 'passed'],
    [10, 'passed'],
    [20, 'passed'],
  ]);
  expect(checkExpectations(sweep, { workers: 10, maxSeconds: 12 })).toHaveLength(1);
});

test.each([
  ['a cell that is not there', { ...sweep, cells: sweep.cells.slice(0, 2) }],
  ['a cell that did not fit', withCell({ feasible: false })],
  ['a cell of no time', withCell({ seconds: 0 })],
  ['a command that failed', withCell({ command: { usable: false, problem: 'exit 1' } as never })],
] as [string, Sweep][])('%s passes nothing', (_what, given) => {
  const asked: Expect = {
    workers: 5,
    maxSeconds: 1e9,
    minEfficiency: 0,
    maxRateLimited: 1e9,
    maxQdrantTimeouts: 1e9,
    complete: true,
  };
  const checks = checkExpectations(given, asked);
  expect(checks.map(({ status }) => status)).toEqual(Array(5).fill('missing'));
  expect(outcomeOf(checks, true)).toBe('unknown');
});

test('counts of nothing pass nothing', () => {
  const silent = withCell({
    openai: { ...five.openai, requests: 0 },
    qdrant: { ...five.qdrant, requests: 0 },
    memory: { megabytes: 0, shareOfHost: 0, measured: true },
    completeness: { records: 0, pointsExpected: 0, pointsStored: 0, recordsFailed: 0 },
  });
  const asked = { maxRateLimited: 0, maxQdrantTimeouts: 0, maxMemoryShare: 1, complete: true };
  const checks = checkExpectations(silent, { workers: 5, ...asked });
  expect(checks.map(({ status }) => status)).toEqual(Array(4).fill('missing'));
});

test('memory of a cell that was not run for its sake is known, and too much', () => {
  const over = withCell({
    feasible: false,
    memory: { megabytes: 10_500, shareOfHost: 1.28, measured: false },
  });
  expect(only(over, { workers: 5, maxMemoryShare: 0.8 }).status).toBe('failed');
});

test('of several runs the time is the mean, and the worst run counts for the rest', () => {
  const repeated = withCell({
    repeats: [run, { ...run, rateLimited: 4, timeouts: 1, recordsFailed: 1, pointsStored: 792 }],
  });
  const status = (asked: Expect) => only(repeated, { workers: 5, ...asked }).status;
  expect(status({ maxSeconds: 12 })).toBe('passed');
  expect(status({ maxRateLimited: 3 })).toBe('failed');
  expect(status({ maxRateLimited: 4 })).toBe('passed');
  expect(status({ maxQdrantTimeouts: 0 })).toBe('failed');
  expect(status({ complete: true })).toBe('failed');
});

test('a run that is not valid has no verdict to judge, and passes nothing', () => {
  const broken: Sweep = { ...sweep, valid: false };
  for (const asked of [{ bottleneck: 'qdrant' }, { minRecommendedWorkers: 1 }])
    expect(only(broken, asked).status).toBe('missing');
  const checks = checkExpectations(broken, { workers: 5, maxSeconds: 1 });
  expect(labCheck(broken, checks)).toMatchObject({
    outcome: 'unknown',
    checks: [
      { name: 'run', status: 'missing' },
      { name: 'expect.maxSeconds', status: 'missing', seen: '12 s' },
    ],
  });
});

test('a pass from a bucket that never drained is told as a doubt', () => {
  const remedy = 'Run at least 5250 records.';
  const pilot: Sweep = {
    ...sweep,
    warnings: [{ code: 'bucket-never-drained', message: '…', remedy }],
  };
  expect(only(pilot, { workers: 5, maxRateLimited: 0 })).toMatchObject({
    status: 'warned',
    remedy,
  });
  expect(only(pilot, { workers: 5, maxSeconds: 1 }).status).toBe('failed');
  expect(only(pilot, { workers: 5, complete: true }).status).toBe('passed');
});

test('a failure decides over missing samples, and a doubt over nothing', () => {
  const of = (...statuses: ('passed' | 'warned' | 'failed' | 'missing')[]) =>
    outcomeOf(
      statuses.map((status) => ({ name: '', expected: '', seen: '', status })),
      true,
    );
  expect([of('failed', 'missing'), of('missing', 'passed'), of('warned', 'passed')]).toEqual([
    'failed',
    'unknown',
    'passed',
  ]);
});

test.each([
  [{ workers: 7, maxSeconds: 1 }, /^expect\.workers: 7 is not among .* 1, 2, 5, 10, 20; use one/],
  [{ complete: false }, /^expect\.complete: false asserts nothing; leave it out/],
  [{ bottleneck: 'qdrnt' }, /^expect\.bottleneck: "qdrnt" is not one of .*qdrant/],
  [{ bottleneck: 'undetermined' }, /^expect\.bottleneck: "undetermined" is not one of/],
] as [Expect, RegExp][])('%j can not be checked', (asked, problem) => {
  expect(expectationsProblem(completeLab({ expect: asked }))).toMatch(problem);
});

test('every key of the lab file is asserted, and workers alone is nothing', () => {
  const asked: Required<Expect> = {
    workers: 5,
    maxSeconds: 1,
    minEfficiency: 0.5,
    maxRateLimited: 0,
    maxQdrantTimeouts: 0,
    maxMemoryShare: 0.8,
    complete: true,
    bottleneck: 'none',
    minRecommendedWorkers: 2,
  };
  expect(expectationsProblem(completeLab({ expect: asked }))).toBeUndefined();
  const names = checkExpectations(sweep, asked).map(({ name }) => name.slice('expect.'.length));
  expect(['workers', ...names]).toEqual(Object.keys(asked));
  expect(expectsNothing({ workers: 5 })).toBe(true);
  expect(expectsNothing(asked)).toBe(false);
});
