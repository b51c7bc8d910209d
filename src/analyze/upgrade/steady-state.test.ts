import { expect, test } from 'vitest';
import { completeLab, type Lab } from '../../model/lab.ts';
import type { LabFile } from '../../model/lab-schema.ts';
import { labFiles, labs } from '../../model/labs.ts';
import { simulateCell } from '../../simulate/cell.ts';
import { createForecast } from './steady-state.ts';

const labOf = (name: string, more: LabFile = {}): Lab => {
  const file = labFiles[name]!;
  return completeLab({
    ...file,
    ...more,
    workload: { ...file.workload, ...more.workload },
    openai: { ...file.openai, ...more.openai },
    qdrant: { ...file.qdrant, ...more.qdrant },
  });
};
const withRecords = (lab: Lab, records: number): Lab => ({
  ...lab,
  workload: { ...lab.workload, records },
});

/** Where nothing says otherwise, sizes that a whole simulation still manages. */
test.each<[string, Lab, number, number]>([
  ['a limit, below it', labOf('openai-tier-1'), 2, 40_000],
  ['a limit, far above it', labOf('openai-tier-1'), 20, 40_000],
  ['a bucket that starts full', labOf('pilot-trap'), 3, 40_000],
  ['a bucket that starts full, far above it', labOf('pilot-trap'), 20, 40_000],
  ['nothing in the way', labOf('linear'), 20, 60_000],
  ['latency that grows with load', labOf('worked-example'), 8, 60_000],
  ['claims of many records, the last round not whole', labOf('two-batches'), 7, 1_100_000],
  [
    'a plan whose index falls behind',
    labOf('linear', { qdrant: { plan: 'standard-2', memoryPoints: 1e9 } }),
    20,
    60_000,
  ],
  [
    'a plan whose memory fills up',
    labOf('linear', { qdrant: { plan: 'standard-4', memoryPoints: 400_000 } }),
    12,
    49_000,
  ],
  [
    "a day's limit, refusals free",
    labOf('linear', { openai: { tier: 'free', rejectionCost: 'none' } }),
    5,
    25_000,
  ],
])('within 1 %% of the whole simulation: %s', (_, lab, workers, records) => {
  const run = createForecast().runTime(lab, workers, records);
  expect(run.by).toBe('extrapolation');
  const whole = simulateCell(withRecords(lab, records), workers);
  expect(whole.completeness.recordsFailed).toBe(0);
  expect(Math.abs(run.seconds! / whole.seconds - 1)).toBeLessThan(0.01);
});

test.each([2, 12, 20])('within 1 %% just above the border, with %i workers', (workers) => {
  for (const name of ['openai-tier-1', 'pilot-trap', 'linear', 'worked-example']) {
    const lab = labs[name]!;
    const run = createForecast().runTime(lab, workers, 4_100);
    expect(run.by).toBe('extrapolation');
    const { seconds } = simulateCell(withRecords(lab, 4_100), workers);
    expect(Math.abs(run.seconds! / seconds - 1), name).toBeLessThan(0.01);
  }
});

test('a hundred million records take what the formula says: tokens, less the full bucket, at the rate', () => {
  const records = 1e8;
  const forecast = createForecast();
  const rate = 1e6 / 60;
  for (const [name, full] of [
    ['openai-tier-1', 0],
    ['pilot-trap', 1e6],
  ] as const) {
    const { seconds, by } = forecast.runTime(labs[name]!, 20, records);
    expect(by).toBe('extrapolation');
    expect(Math.abs(seconds! / ((records * 4_000 - full) / rate) - 1)).toBeLessThan(1e-3);
  }
  // Below the knee it is the workers' own time: 0.6 s a record.
  const { seconds, emptied } = forecast.runTime(labs['pilot-trap']!, 2, records);
  expect(Math.abs(seconds! / (records * 0.3) - 1)).toBeLessThan(1e-3);
  expect(emptied).toEqual([]);
});

test("a day's limit is accounted for: 2,000 at once, then 2,000 a day", () => {
  const lab = labOf('linear', { openai: { tier: 'free', rejectionCost: 'none' } });
  const { seconds, emptied } = createForecast().runTime(lab, 5, 1_002_000);
  expect(emptied).toEqual(['tpm', 'rpd']);
  expect(Math.abs(seconds! / 86_400 / 500 - 1)).toBeLessThan(0.01);
});

test('more records never take less time, across the border between simulating and extrapolating', () => {
  for (const name of ['openai-tier-1', 'pilot-trap', 'linear']) {
    const forecast = createForecast();
    const times = [3_000, 4_000, 4_001, 4_100, 50_000, 1e6, 1e9].map(
      (records) => forecast.runTime(labs[name]!, 5, records).seconds!,
    );
    for (const [at, seconds] of times.slice(1).entries())
      expect(seconds, `${name} at ${at + 1}`).toBeGreaterThanOrEqual(times[at]! * 0.999);
  }
});

test('what cannot end is said, not computed', () => {
  const forecast = createForecast();
  const small = labOf('qdrant-free');
  expect(forecast.runTime(small, 5, 100_000)).toMatchObject({
    seconds: undefined,
    problem: "Qdrant's memory holds 110,000 of the 800,000 points (assumed)",
  });
  expect(forecast.runTime(labs['memory-8gb']!, 20, 100).problem).toContain('more memory than');
  const faulty = labOf('linear', {
    faults: [{ on: 'upsert', kind: 'status', status: 503, probability: 0.1 }],
  } as LabFile);
  expect(forecast.runTime(faulty, 5, 1e6).problem).toContain('faults');
  expect(forecast.runTime(faulty, 5, 100).seconds).toBeGreaterThan(0);
});
