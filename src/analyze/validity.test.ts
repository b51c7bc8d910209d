import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkLab } from '../lab-file.ts';
import { completeLab } from '../model/lab.ts';
import { labs } from '../model/labs.ts';
import type { Cell, Harness } from '../model/sweep.ts';
import { simulateSweep } from './analyze.ts';
import { mergeRepeats } from './repeats.ts';
import { validityOf } from './validity.ts';

const provenance = { kneepoint: 'test', node: 'test', labHash: 'test' };
const lab = labs['openai-tier-1']!;
const { cells } = simulateSweep(lab, provenance);

/** As quiet as a real run is: k6 on two cores, nothing else on them. */
const quiet: Harness = {
  speed: 10,
  eventLoopDelayMs: { mean: 0.03, p50: 0, p95: 0.2, p99: 0.9 },
  mockWorkMs: { p50: 0.1, p95: 0.3, p99: 0.9 },
  answersLateMs: { p50: 0.4, p95: 1.2, p99: 3.1 },
  timersLateMs: { p50: 0.5, p95: 1.1, p99: 2.1 },
  slowShare: 0.004,
  concurrency: 0,
  cpuShare: 0.45,
};

/** The simulator's cells as k6 would have measured them, with the last one's harness changed. */
function measured(change: Partial<Harness> & { share?: number }): Cell[] {
  const { share = 1.003, ...harness } = change;
  return cells.map((cell, at) => {
    const busy = cell.workers - cell.absorbed.idle;
    const isLast = at === cells.length - 1;
    return {
      ...cell,
      harness: {
        ...quiet,
        ...(isLast && harness),
        concurrency: busy * (isLast ? share : 1.003),
      },
    };
  });
}

const codes = (change: Partial<Harness> & { share?: number }) =>
  validityOf('k6', lab, measured(change), 'openai-tpm').warnings.map(({ code }) => code);

test('a quiet run has nothing against it, nor has one with single late answers', () => {
  expect(codes({})).toEqual([]);
  expect(codes({ cpuShare: 0.99, timersLateMs: { p50: 1, p95: 30, p99: 80 } })).toEqual([]);
  expect(codes({ slowShare: 0.049, share: 1.049 })).toEqual([]);
});

test.each([
  ['time between the states', { share: 1.06 }, ['littles-law', 'speed-too-high']],
  ['time in two states', { share: 0.94 }, ['littles-law', 'speed-too-high']],
  [
    'a blocked event loop',
    { slowShare: 0.2, eventLoopDelayMs: { mean: 6, p50: 0, p95: 20, p99: 40 } },
    ['mock-saturated', 'speed-too-high'],
  ],
  [
    'requests that take the mocks long',
    { slowShare: 0.2, speed: 1, mockWorkMs: { p50: 2, p95: 9, p99: 12 } },
    ['mock-saturated'],
  ],
  [
    'timers that fire late',
    { share: 1.2, speed: 1, timersLateMs: { p50: 2, p95: 14, p99: 50 } },
    ['littles-law', 'timers-late'],
  ],
  [
    'no core left',
    { share: 1.2, speed: 1, cpuShare: 0.97 },
    ['littles-law', 'load-generator-starved'],
  ],
  [
    'answers that wait to be read',
    { slowShare: 0.3, speed: 1, answersLateMs: { p50: 2, p95: 12, p99: 20 } },
    ['load-generator-starved'],
  ],
  ['nothing but the speed', { slowShare: 0.08, speed: 40 }, ['speed-too-high']],
])('%s', (_, change, expected) => {
  const { warnings, invalidating } = validityOf('k6', lab, measured(change), 'openai-tpm');
  expect(warnings.map(({ code }) => code)).toEqual(expected);
  expect(invalidating).toEqual(expected);
  for (const { message, remedy } of warnings) {
    expect(message).toMatch(/^[A-Z].*\.$/);
    expect(message).not.toMatch(/NaN|undefined|Infinity/);
    expect(remedy).toMatch(/^[A-Z].*\.$/);
  }
});

test('the remedy for a high speed is one at which the harness would be within 5 %', () => {
  const { warnings } = validityOf('k6', lab, measured({ slowShare: 0.2, speed: 40 }), 'openai-tpm');
  // 20 % at 40 is 0.5 % for each step of speed: 5 % at 10.
  expect(warnings.at(-1)).toMatchObject({ code: 'speed-too-high', remedy: 'Run with --speed 10.' });
});

test('of several runs of a cell the harness is the one that disturbed most', () => {
  const runs = [0.01, 0.3, 0.02].map((slowShare) => ({
    ...measured({ slowShare }).at(-1)!,
    harness: { ...quiet, slowShare, concurrency: 0 },
  }));
  expect(mergeRepeats(runs).harness?.slowShare).toBe(0.3);
});

test('four records are no run, five are a weak one, two are enough to know that there are two', () => {
  const of = (records: number) =>
    simulateSweep(completeLab({ ...lab, workload: { ...lab.workload, records } }), provenance);
  const four = of(4);
  expect(four).toMatchObject({
    valid: false,
    verdict: { bottleneck: 'undetermined', knee: null, kneeInterval: null },
  });
  expect(four.warnings.map(({ code }) => code)).toContain('few-samples');
  // That two records are no work for three workers is certain where time is exact, not where it is measured.
  const two = of(2);
  expect(two).toMatchObject({ valid: true, verdict: { bottleneck: 'work-units', knee: 2 } });
  const codesOf = (engine: 'simulate' | 'k6') =>
    validityOf(engine, two.lab, two.cells, 'work-units').invalidating;
  expect([codesOf('simulate'), codesOf('k6')]).toEqual([[], ['few-samples']]);
  expect(of(5).valid).toBe(true);
  expect(of(5).warnings.map(({ code }) => code)).toContain('few-samples');
  expect(of(100).warnings).toEqual([]);
});

test('two work units are told as such, however few requests they make', () => {
  const sweep = simulateSweep(
    checkLab({ workload: { records: 100, recordsPerClaim: 50, batchSize: 2_000 } }, 'test'),
    provenance,
  );
  expect(sweep).toMatchObject({ valid: true, verdict: { bottleneck: 'work-units', knee: 2 } });
});

test('a run whose end is long says so', () => {
  // 101 claims on 20 workers: five rounds of twenty, and one worker alone for the sixth.
  const file = { workers: [1, 20], workload: { records: 101 } };
  const { warnings, valid } = simulateSweep(checkLab(file, 'test'), provenance);
  expect(valid).toBe(true);
  expect(warnings).toEqual([
    expect.objectContaining({
      code: 'long-tail',
      // (6 · 20 - 101) of 6 · 20 worker-rounds.
      message: expect.stringContaining("16 % of the workers' time"),
    }),
  ]);
});

test('whatever the lab, the simulator accounts for all of its workers', () => {
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer({ min: 0, max: 1e6 }),
        records: fc.integer({ min: 1, max: 200 }),
        recordsPerClaim: fc.integer({ min: 1, max: 50 }),
        poolSize: fc.integer({ min: 1, max: 20 }),
        slots: fc.integer({ min: 0, max: 5 }),
        tier: fc.constantFrom('tier-1', 'tier-3', 'unlimited'),
        spread: fc.integer({ min: 1, max: 5 }),
      }),
      ({ seed, records, recordsPerClaim, poolSize, slots, tier, spread }) => {
        const random = checkLab(
          {
            seed,
            workers: [1, 3, 20],
            workload: { records, recordsPerClaim },
            mysql: { poolSize },
            openai: { tier, latency: { p50: 100, p95: 150 * spread, p99: 250 * spread } },
            qdrant: { slots },
          },
          'test',
        );
        const sweep = simulateSweep(random, provenance);
        for (const { workers, absorbed, seconds } of sweep.cells) {
          const all = Object.values(absorbed).reduce((sum, count) => sum + count, 0);
          expect(seconds).toBeGreaterThan(0);
          expect(Math.abs(all - workers) / workers).toBeLessThan(1e-4);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('a command whose workers send several requests at once is told, and still judged', () => {
  const command = { usable: true } as Cell['command'];
  const crowded = cells.map((cell) => ({
    ...cell,
    ...(command && { command }),
    harness: { ...quiet, speed: 1, concurrency: 2 * cell.workers },
  }));
  const found = validityOf('exec', lab, crowded, 'openai-tpm');
  expect(found.invalidating).toEqual([]);
  expect(found.warnings.map(({ code }) => code)).toEqual(['littles-law']);
  expect(found.warnings[0]!.message).toContain('40 on average at 20');
});

test('mocks that were slow beside a command leave no verdict', () => {
  // The upsert takes 120 ms; 6 ms on average are 5 % of that.
  const late = (mean: number) =>
    validityOf(
      'exec',
      lab,
      cells.map((cell) => ({
        ...cell,
        harness: {
          ...quiet,
          speed: 1,
          concurrency: 0.5,
          eventLoopDelayMs: { mean, p50: 0, p95: 60, p99: 90 },
        },
      })),
      'openai-tpm',
    ).invalidating;
  expect(late(5.9)).toEqual([]);
  expect(late(6.1)).toEqual(['mock-saturated']);
});
