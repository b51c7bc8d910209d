import { expect, test } from 'vitest';
import { labs } from '../../model/labs.ts';
import type { Cell, Repeat, Sweep } from '../../model/sweep.ts';
import { exampleSweep } from '../../report/example-sweep.ts';
import { simulateRepeats } from '../repeats.ts';
import { compareSweeps } from './compare.ts';
import { labDifferences } from './lab-differences.ts';

const [, , five] = exampleSweep.cells as [Cell, Cell, Cell];
const once: Repeat = {
  seconds: 12,
  rateLimited: 0,
  timeouts: 0,
  recordsFailed: 0,
  pointsStored: 800,
  chargedTokens: 400_000,
};
const sweepOf = (change: Partial<Cell>, more: Partial<Sweep> = {}): Sweep => ({
  ...exampleSweep,
  ...more,
  cells: [{ ...five, ...change }],
});
const repeated = (times: number[], change: Partial<Repeat> = {}) =>
  sweepOf({ repeats: times.map((seconds) => ({ ...once, ...change, seconds })) });
const cellOf = (a: Sweep, b: Sweep) => compareSweeps(a, b).cells[0]!;

test('with repeats a difference is one where the interval says so', () => {
  // The interval of these six times is scipy's, see welch.test.ts.
  const found = cellOf(repeated([24.1, 24.6, 24.9]), repeated([27.8, 28.9, 28.1]));
  expect(found).toMatchObject({ finding: 'slower', basis: 'interval', runs: { a: 3, b: 3 } });
  expect(found.text).toBe('15 % slower');
  expect(found.interval![0]).toBeCloseTo(1.1045, 4);
  expect(found.interval![1]).toBeCloseTo(1.2018, 4);
  const back = cellOf(repeated([27.8, 28.9, 28.1]), repeated([24.1, 24.6, 24.9]));
  expect(back).toMatchObject({ finding: 'faster', text: '13 % faster' });
});

test('three close runs a side are not yet a difference of two sessions', () => {
  // Measured on k6 with nothing changed, a quarter of a minute apart.
  const times = [
    [30.3379, 30.325, 30.5372],
    [31.625, 31.69, 31.261],
  ] as const;
  const [a, b] = [repeated([...times[0]]), repeated([...times[1]])];
  const comparison = compareSweeps(a, b);
  expect(comparison.cells[0]).toMatchObject({ finding: 'none', basis: 'interval' });
  expect(comparison.cells[0]!.interval![0]).toBeGreaterThan(1.02);
  expect(comparison.notes.join()).toMatch(/share the load of the machine.*10 %/);
  // Two simulations share nothing but what was changed.
  const [c, d] = [a, b].map((sweep): Sweep => ({ ...sweep, engine: 'simulate' }));
  expect(cellOf(c!, d!)).toMatchObject({ finding: 'slower', text: '3.7 % slower' });
});

test('times that overlap show no difference, however far apart their means are', () => {
  const found = cellOf(repeated([12, 12.1]), repeated([13.9, 16.2, 12.2, 14.8]));
  expect(found).toMatchObject({ finding: 'none', text: 'no difference that this data can show' });
  expect(found.ratio).toBeCloseTo(1.178, 3);
});

test.each([
  [12, 13.19, 'none', /^no difference that this data can show \(single runs\)$/],
  [12, 13.21, 'slower', /^10 % slower \(single runs: no interval\)$/],
  [12, 10.92, 'none', /^no difference/],
  [12, 6, 'faster', /^50 % faster \(single runs: no interval\)$/],
] as [number, number, string, RegExp][])(
  'single runs of %f and %f s: %s',
  (a, b, finding, text) => {
    const comparison = compareSweeps(sweepOf({ seconds: a }), sweepOf({ seconds: b }));
    const [cell] = comparison.cells;
    expect(cell).toMatchObject({ finding, interval: null, basis: 'single runs' });
    expect(cell!.text).toMatch(text);
    expect(comparison.notes.join()).toMatch(/10 % are taken for noise.*--repeats 3/);
  },
);

test('a single run beside three carries no interval', () => {
  expect(cellOf(sweepOf({}), repeated([20, 21, 22]))).toMatchObject({ interval: null });
});

test('the simulator with the same seed has no noise to hide behind', () => {
  const made = (seconds: number) => sweepOf({ seconds }, { engine: 'simulate' });
  expect(cellOf(made(12), made(12.1))).toMatchObject({ finding: 'slower', basis: 'same seed' });
  expect(cellOf(made(12), made(12))).toMatchObject({ finding: 'none', text: 'the same' });
  expect(compareSweeps(made(12), made(12.1)).notes).toEqual([]);
});

test('counts are those of the worst run on each side', () => {
  const worse = repeated([12, 12], { rateLimited: 7, timeouts: 2, recordsFailed: 1 });
  worse.cells[0]!.repeats![1] = { ...once, rateLimited: 9 };
  expect(cellOf(repeated([12, 12]), worse)).toMatchObject({
    rateLimited: { a: 0, b: 9 },
    timeouts: { a: 0, b: 2 },
    recordsFailed: { a: 0, b: 1 },
  });
});

/** Five workers that got so many records done in so many seconds, with the same seed. */
const worked = (records: number, seconds: number, recordsFailed = 0): Sweep => {
  const lab = labs.linear!;
  return sweepOf(
    { seconds, completeness: { ...five.completeness, records, recordsFailed } },
    { engine: 'simulate', lab: { ...lab, workload: { ...lab.workload, records } } },
  );
};

test.each([
  [worked(200, 24), worked(100, 12), 1, 'no difference that this data can show (single runs)'],
  [worked(200, 24), worked(100, 15), 1.25, '25 % slower per record (single runs: no interval)'],
  [worked(100, 12), worked(200, 18), 0.75, '25 % faster per record (single runs: no interval)'],
  // Losing half of the records in half of the time is no gain.
  [worked(100, 12), worked(100, 6, 50), 1, 'the same per record'],
] as [Sweep, Sweep, number, string][])(
  'other work is compared per record, case %#',
  (a, b, ratio, text) => {
    const { cells, notes } = compareSweeps(a, b);
    expect(cells[0]!.ratio).toBeCloseTo(ratio, 9);
    expect(cells[0]!.text).toBe(text);
    expect(notes.join()).toMatch(/times are compared per record/);
  },
);

test('a run in which no record arrived, or whose records are other work, is not compared', () => {
  expect(cellOf(worked(100, 12), worked(100, 1, 100))).toMatchObject({
    ratio: null,
    finding: 'unknown',
  });
  const whole = worked(100, 12);
  const { lab } = whole;
  const chunksPerRecord = lab.workload.chunksPerRecord / 2;
  const half = {
    ...worked(100, 6),
    lab: { ...lab, workload: { ...lab.workload, chunksPerRecord } },
  };
  const { cells, notes } = compareSweeps(whole, half);
  expect(cells[0]).toMatchObject({ ratio: null, finding: 'unknown', seconds: { a: 12, b: 6 } });
  expect(notes).toContain(
    'workload.chunksPerRecord is 8 in A and 4 in B: their times say nothing of each other.',
  );
});

test('a cell that was not run says so instead of a ratio', () => {
  const { cells, notes } = compareSweeps(sweepOf({}), sweepOf({ feasible: false }));
  expect(notes.join()).not.toContain('per record');
  expect(cells[0]).toMatchObject({
    seconds: { a: 12, b: null },
    records: { a: 100, b: null },
    ratio: null,
    finding: 'unknown',
    text: 'B not run: over memory',
  });
});

test('worker counts that only one has, verdicts, engines and invalid runs are told', () => {
  const b: Sweep = {
    ...exampleSweep,
    engine: 'simulate',
    valid: false,
    cells: [five, { ...five, workers: 40 }],
  };
  const { cells, only, verdict, notes } = compareSweeps(exampleSweep, b);
  expect(cells.map(({ workers }) => workers)).toEqual([5]);
  expect(only).toEqual({ a: [1, 2, 10, 20], b: [40] });
  expect(verdict[0]).toEqual({ field: 'Bottleneck', a: 'qdrant', b: 'not valid', changed: true });
  expect(notes.join()).toMatch(/B is not valid.*A was run with k6, B with simulate/);
});

test('runs without a common worker count say that', () => {
  const other = sweepOf({ workers: 3 });
  expect(compareSweeps(sweepOf({}), other).notes).toContain('They have no worker count in common.');
});

test('lab differences come by field, also where one is silent', () => {
  const lab = { ...labs['openai-tier-1']!, expect: {} };
  const other = {
    ...lab,
    workers: [1, 5],
    expect: { complete: true },
    openai: { ...lab.openai, limits: { rpm: 3_000 } },
  };
  expect(labDifferences(lab, other)).toEqual([
    { field: 'workers', a: '[1,2,5,10,20]', b: '[1,5]' },
    { field: 'openai.limits.tpm', a: '1000000', b: 'not set' },
    { field: 'expect.complete', a: 'not set', b: 'true' },
  ]);
  expect(labDifferences(lab, other, ['workers', 'openai', 'expect'])).toEqual([]);
  expect(labDifferences(lab, structuredClone(lab))).toEqual([]);
});

test('tier 3 is seen to be faster where tier 1 was full, by repeated simulation', () => {
  const provenance = { kneepoint: '0.1.0', node: 'v24', labHash: '' };
  const lab = { ...labs['openai-tier-1']!, workers: [1, 10] };
  const limits = { rpm: 5_000, tpm: 5_000_000 };
  const upgraded = { ...lab, openai: { ...lab.openai, tier: 'tier-3' as const, limits } };
  const [one, ten] = compareSweeps(
    simulateRepeats(lab, provenance, 3),
    simulateRepeats(upgraded, provenance, 3),
  ).cells;
  expect(one!.ratio).toBeGreaterThan(0.98);
  // Tier 1 holds ten workers at 24.5 s; without a limit they take 6 s, and an empty bucket costs a little.
  expect(ten!.interval![1]).toBeLessThan(7 / 24.5);
  expect(ten).toMatchObject({ finding: 'faster', basis: 'interval' });
});
