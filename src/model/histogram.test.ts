import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createHistogram } from './histogram.ts';

test('nothing seen is zero', () => {
  expect(createHistogram().percentilesMs()).toEqual({ p50: 0, p95: 0, p99: 0 });
});

test('a constant is exact', () => {
  const histogram = createHistogram();
  for (let left = 100; left > 0; left--) histogram.add(123_457);
  expect(histogram.percentilesMs()).toEqual({ p50: 123.457, p95: 123.457, p99: 123.457 });
});

test('percentiles are within 0.1 % of the nearest rank', () => {
  const us = fc.oneof(fc.nat(2_000), fc.nat(10_000_000), fc.integer({ min: 0, max: 1e13 }));
  fc.assert(
    fc.property(fc.array(us, { minLength: 1, maxLength: 500 }), (samples) => {
      const histogram = createHistogram();
      for (const sample of samples) histogram.add(sample);
      const sorted = samples.toSorted((a, b) => a - b);
      const { p50, p95, p99 } = histogram.percentilesMs();
      for (const [percent, ms] of [
        [50, p50],
        [95, p95],
        [99, p99],
      ] as const) {
        const exact = sorted[Math.ceil((percent * samples.length) / 100) - 1]!;
        expect(Math.abs(ms * 1_000 - exact)).toBeLessThanOrEqual(exact * 0.001 + 1e-6);
      }
    }),
    { numRuns: 500 },
  );
});
