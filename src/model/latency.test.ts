import fc from 'fast-check';
import { expect, test } from 'vitest';
import { latencySampler, normalQuantile, quantileThrough } from './latency.ts';

const close = (actual: number, expected: number, share: number) =>
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(Math.abs(expected) * share);

test.each([
  [0.5, 0],
  [0.95, 1.6448536269514722],
  [0.99, 2.3263478740408408],
  [0.05, -1.6448536269514722],
  [0.01, -2.3263478740408408],
  [0.999, 3.090232306167813],
])('normal quantile at %f', (p, z) => {
  expect(normalQuantile(p)).toBeCloseTo(z, 7);
});

test.each([
  { kind: 'lognormal', p50: 300, p95: 600, p99: 900 },
  { kind: 'lognormal', p50: 250, p95: 400, p99: 500 },
  { kind: 'lognormal', p50: 110, p95: 190, p99: 240 },
  { kind: 'heavy', p50: 112, p95: 400, p99: 900 },
  { kind: 'light', p50: 100, p95: 200, p99: 210 },
  { kind: 'light, flat above p95', p50: 100, p95: 200, p99: 200 },
  { kind: 'flat up to p95', p50: 100, p95: 100, p99: 500 },
  { kind: 'constant', p50: 100, p95: 100, p99: 100 },
  { kind: 'wild', p50: 10, p95: 1_000, p99: 50_000 },
  { kind: 'wild', p50: 100, p95: 110, p99: 9_000 },
])('$kind: through $p50, $p95 and $p99', ({ p50, p95, p99 }) => {
  const quantile = quantileThrough(p50, p95, p99);
  close(quantile(0.5), p50, 1e-6);
  close(quantile(0.95), p95, 1e-6);
  close(quantile(0.99), p99, 1e-6);
});

test('any rising triple is met, and the quantile rises and stays at or above zero', () => {
  const ms = fc.integer({ min: 1, max: 60_000 });
  fc.assert(
    fc.property(fc.tuple(ms, ms, ms), (points) => {
      const [p50, p95, p99] = points.sort((a, b) => a - b) as [number, number, number];
      const quantile = quantileThrough(p50, p95, p99);
      close(quantile(0.5), p50, 1e-5);
      close(quantile(0.95), p95, 1e-5);
      close(quantile(0.99), p99, 1e-5);
      let last = 0;
      for (let p = 0.0005; p < 1; p += 0.001) {
        const at = quantile(p);
        expect(at).toBeGreaterThanOrEqual(last * (1 - 1e-8));
        last = at;
      }
      expect(quantile(1 - 2 ** -53)).toBeLessThan(Infinity);
    }),
    { numRuns: 300 },
  );
});

test.each([
  [300, 600, 900, 342, 0.01],
  [250, 400, 500, 264, 0.02],
])('mean of %d, %d, %d', (p50, p95, p99, mean, share) => {
  close(latencySampler({ p50, p95, p99 }).meanUs() / 1_000, mean, share);
});

test('a fixed latency is not random', () => {
  const sampler = latencySampler({ fixed: 120.5 });
  expect(sampler.random).toBe(false);
  expect(sampler.meanUs()).toBe(120_500);
  expect(sampler.us(0.999)).toBe(120_500);
});
