import { expect, test } from 'vitest';
import type { Lab } from '../../model/lab.ts';
import { labs } from '../../model/labs.ts';
import type { Cell, Repeat, Sweep } from '../../model/sweep.ts';
import { exampleSweep } from '../../report/example-sweep.ts';
import { simulateRepeats } from '../repeats.ts';
import { baselineProblem, compareWithBaseline, unfitForBaseline } from './baseline.ts';
import { outcomeOf } from './checks.ts';

const once: Repeat = {
  seconds: 12,
  rateLimited: 0,
  timeouts: 0,
  recordsFailed: 0,
  pointsStored: 800,
  chargedTokens: 400_000,
};
const runs = (seconds: number[], change: Partial<Repeat> = {}): Repeat[] =>
  seconds.map((time) => ({ ...once, ...change, seconds: time }));

/** The test plan's table with one cell, of five workers, changed. */
function sweepOf(change: Partial<Cell>, verdict: Partial<Sweep['verdict']> = {}): Sweep {
  const [, , five] = exampleSweep.cells as [Cell, Cell, Cell];
  return {
    ...exampleSweep,
    lab: { ...exampleSweep.lab, workers: [5] },
    verdict: { ...exampleSweep.verdict, ...verdict },
    cells: [{ ...five, ...change }],
  };
}
const quiet = [11.9, 12, 12.1];
const baseline = sweepOf({ repeats: runs(quiet) });
const named = (name: string, now: Sweep, was: Sweep = baseline) =>
  compareWithBaseline(was, now).find((check) => check.name === `baseline.${name}`)!;
const repeated = (repeats: Repeat[]) => sweepOf({ repeats });

test('a run like its baseline passes, check for check', () => {
  const checks = compareWithBaseline(baseline, repeated(runs([12.05, 11.95, 12.1])));
  expect(checks.map(({ name }) => name)).toEqual(
    'bottleneck knee seconds records lost points tokens 429s timeouts'
      .split(' ')
      .map((name) => `baseline.${name}`),
  );
  expect(new Set(checks.map(({ status }) => status))).toEqual(new Set(['passed']));
});

// Times of 13.8 s are 15 % more; whether that can be said depends on how they vary.
test.each([
  [[13.7, 13.8, 13.9], 'failed'],
  [[10.3, 10.4, 10.2], 'passed'],
  [[12.9, 13.1, 13], 'passed'],
  [[12, 17, 13], 'warned'],
  [[13.8], 'missing'],
  [[12], 'missing'],
] as [number[], string][])('times of %j are %s', (times, status) => {
  expect(named('seconds', repeated(runs(times))).status).toBe(status);
});

test('one real run on a side says what is needed, on the side that lacks it', () => {
  const single = repeated(runs([12]));
  expect(named('seconds', baseline, single).remedy).toMatch(
    /write the baseline again.*--repeats 3/,
  );
  expect(named('seconds', single).remedy).toMatch(/: run with --repeats 3/);
  expect(outcomeOf(compareWithBaseline(baseline, single), true)).toBe('unknown');
});

test('a simulation of the same seed is held against the noise floor without an interval', () => {
  const simulated = (seconds: number, seed = 1): Sweep => ({
    ...sweepOf({ seconds }),
    engine: 'simulate',
    lab: { ...baseline.lab, seed },
  });
  expect(named('seconds', simulated(13.2), simulated(12)).status).toBe('passed');
  expect(named('seconds', simulated(13.3), simulated(12)).status).toBe('failed');
  expect(named('seconds', simulated(12, 2), simulated(12)).status).toBe('missing');
});

test.each([
  ['bottleneck', { bottleneck: 'openai-tpm' }, 'failed'],
  ['knee', { knee: 8.5 * 1.15 }, 'passed'],
  ['knee', { knee: 8.5 * 0.85 }, 'passed'],
  ['knee', { knee: 8.5 * 1.16 }, 'failed'],
  ['knee', { knee: null }, 'failed'],
] as [string, Partial<Sweep['verdict']>, string][])('%s: %j is %s', (name, verdict, status) => {
  expect(named(name, sweepOf({ repeats: runs(quiet) }, verdict)).status).toBe(status);
});

test('no knee where there was none is the same', () => {
  const none = sweepOf({ repeats: runs(quiet) }, { knee: null });
  expect(named('knee', none, none).status).toBe('passed');
  expect(named('knee', baseline, none).status).toBe('failed');
});

test.each([
  ['lost', { recordsFailed: 1 }],
  ['points', { pointsStored: 799 }],
  ['points', { pointsStored: 801 }],
  ['tokens', { chargedTokens: 404_000 }],
  ['429s', { rateLimited: 1 }],
  ['timeouts', { timeouts: 1 }],
] as [string, Partial<Repeat>][])('%s: %j in one run of three fails', (name, change) => {
  const [first, second, third] = runs(quiet) as [Repeat, Repeat, Repeat];
  const now = repeated([first, { ...second, ...change }, third]);
  const failed = compareWithBaseline(baseline, now).filter(({ status }) => status !== 'passed');
  expect(failed).toMatchObject([{ name: `baseline.${name}`, workers: 5, status: 'failed' }]);
});

test('another number of records fails', () => {
  const [cell] = baseline.cells as [Cell];
  const now = sweepOf({
    repeats: runs(quiet),
    completeness: { ...cell.completeness, records: 99 },
  });
  expect(named('records', now).status).toBe('failed');
});

test('429s where there were some are not counted', () => {
  const limited = repeated(runs(quiet, { rateLimited: 240 }));
  expect(named('429s', repeated(runs(quiet, { rateLimited: 600 })), limited)).toBeUndefined();
});

test('where chance loses records, only more than chance is worse', () => {
  const lossy = (recordsFailed: number) =>
    repeated(runs(quiet, { recordsFailed, chargedTokens: 4_000 * (100 - recordsFailed) }));
  // Of 100 records that are lost with a chance of 10 % the standard deviation is 3.
  expect(named('lost', lossy(19), lossy(10)).status).toBe('passed');
  expect(named('lost', lossy(20), lossy(10)).status).toBe('failed');
  expect(named('lost', lossy(4), lossy(1)).status).toBe('passed');
  expect(named('lost', lossy(5), lossy(1)).status).toBe('failed');
  expect(named('lost', lossy(100), lossy(100)).status).toBe('passed');
  expect(named('tokens', lossy(19), lossy(10))).toBeUndefined();
});

test('where nothing was lost nothing may be lost, timeouts or not', () => {
  const slow = (recordsFailed: number) => repeated(runs(quiet, { timeouts: 3, recordsFailed }));
  expect(named('lost', slow(0), slow(0)).status).toBe('passed');
  expect(named('lost', slow(1), slow(0))).toMatchObject({
    status: 'failed',
    expected: 'no lost record',
    seen: '1 lost record',
  });
});

test.each([
  [{ valid: false }],
  [{ verdict: { ...baseline.verdict, bottleneck: 'undetermined', knee: null } }],
] as [Partial<Sweep>][])('a run without a verdict (%#) fails none: it is missing', (change) => {
  const now = { ...repeated(runs(quiet)), ...change };
  for (const name of ['bottleneck', 'knee'])
    expect(named(name, now)).toMatchObject({
      status: 'missing',
      seen: 'the run could not find the bottleneck',
      remedy: expect.stringContaining('repeat it'),
    });
});

test('a cell that is not there, or did not run, passes nothing', () => {
  const gone: Sweep = { ...baseline, cells: [] };
  expect(named('ran', gone)).toMatchObject({ status: 'missing', seen: 'not measured' });
  const killed = sweepOf({
    feasible: false,
    memory: { megabytes: 9_000, shareOfHost: 1.1, measured: true },
  });
  expect(named('ran', killed)).toMatchObject({ status: 'failed', seen: 'ran out of memory' });
  const broken = sweepOf({ command: { usable: false, problem: 'exit 1' } as never });
  expect(named('ran', broken)).toMatchObject({ status: 'missing', seen: 'failed: exit 1' });
});

test('another lab or engine is no baseline, and the field that differs is named', () => {
  const lab = labs['openai-tier-1']!;
  const made = (change: Partial<Lab>, engine: Sweep['engine'] = 'k6', labHash = 'cafe') => ({
    engine,
    lab: { ...lab, ...change },
    provenance: { kneepoint: '0.1.0', node: 'v24', labHash },
  });
  expect(baselineProblem(made({}), made({ seed: 9, expect: { complete: true } }))).toBeUndefined();
  expect(baselineProblem(made({}), made({ workers: [1, 2] }, 'k6', 'beef'))).toBe(
    'it is of another lab (hash cafe, here beef): workers is [1,2,5,10,20] there and [1,2] here',
  );
  const tier = { openai: { ...lab.openai, tier: 'tier-3' as const, limits: { rpm: 5_000 } } };
  expect(baselineProblem(made({}), made(tier))).toMatch(
    /openai\.tier is "tier-1" there and "tier-3" here and 2 more fields$/,
  );
  expect(baselineProblem(made({}), made({ speed: 5 }))).toMatch(/speed is 10 there and 5 here/);
  const [slow, fast] = [made({}, 'simulate'), made({ speed: 5 }, 'simulate')];
  expect(baselineProblem(slow, fast)).toBeUndefined();
  expect(baselineProblem(made({}), made({}, 'simulate'))).toMatch(/with k6, this with simulate/);
});

test('a run that proves nothing is no baseline', () => {
  expect(unfitForBaseline(baseline)).toBeUndefined();
  expect(unfitForBaseline({ ...baseline, valid: false })).toBe('the run is not valid');
  const lacking: Sweep = { ...baseline, lab: { ...baseline.lab, workers: [5, 20] } };
  expect(unfitForBaseline(lacking)).toBe('it has no cell of 20 workers');
  expect(unfitForBaseline(sweepOf({ seconds: 0 }))).toBe('nothing was measured at 5 workers');
  const silent = sweepOf({ openai: { ...baseline.cells[0]!.openai, requests: 0 } });
  expect(unfitForBaseline(silent)).toBe('nothing was measured at 5 workers');
  const over = sweepOf({
    feasible: false,
    memory: { megabytes: 9e4, shareOfHost: 1.4, measured: false },
  });
  expect(unfitForBaseline(over)).toBeUndefined();
});

/** Latencies as services have them: lognormal, with a p99 of four times the median. */
const noisy: Lab = {
  ...labs['openai-tier-1']!,
  openai: { ...labs['openai-tier-1']!.openai, latency: { p50: 350, p95: 800, p99: 1_400 } },
  qdrant: { ...labs['openai-tier-1']!.qdrant, latency: { p50: 100, p95: 240, p99: 420 } },
};
const provenance = { kneepoint: '0.1.0', node: 'v24', labHash: '' };

test.each([
  ['patient workers', noisy],
  ['workers that lose records', { ...noisy, worker: labs['sdk-defaults']!.worker }],
])('20 of 20 repetitions pass where nothing changed but the seeds: %s', (_who, lab) => {
  const was = simulateRepeats(lab, provenance, 3);
  // Otherwise it would not be chance that the repetitions stand up to.
  expect(new Set(was.cells[0]!.repeats!.map(({ seconds }) => seconds)).size).toBe(3);
  const outcomes = Array.from({ length: 20 }, (_, at) => {
    const now = simulateRepeats({ ...lab, seed: 100 + 10 * at }, provenance, 3);
    const checks = compareWithBaseline(was, now);
    return checks.filter(({ status }) => status === 'failed' || status === 'missing');
  });
  expect(outcomes.flat()).toEqual([]);
});

test('with the same seeds all checks pass in 20 of 20 repetitions, and none with a doubt', () => {
  for (const lab of [noisy, ...Object.values(labs)]) {
    const was = simulateRepeats(lab, provenance, 1);
    for (let again = 0; again < (lab === noisy ? 20 : 1); again++) {
      const checks = compareWithBaseline(was, simulateRepeats(lab, provenance, 1));
      expect(checks.filter(({ status }) => status !== 'passed')).toEqual([]);
    }
  }
});

test('a slow-down of a third is found in 20 of 20 repetitions', () => {
  const was = simulateRepeats(noisy, provenance, 3);
  const { openai } = noisy;
  const slower = { ...openai, latency: { p50: 600, p95: 1_300, p99: 2_200 } };
  for (let at = 0; at < 20; at++) {
    const now = simulateRepeats({ ...noisy, openai: slower, seed: 100 + 10 * at }, provenance, 3);
    const [seconds] = compareWithBaseline(was, now).filter(
      ({ name, workers }) => name === 'baseline.seconds' && workers === 1,
    );
    expect(seconds!.status).toBe('failed');
  }
});
