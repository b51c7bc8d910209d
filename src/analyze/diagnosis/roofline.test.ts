import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fitRoofline, type Point } from './roofline.ts';

const roof = (perWorker: number, plateau: number, workers: number[]): Point[] =>
  workers.map((count) => ({ workers: count, rate: Math.min(perWorker * count, plateau) }));

/** Normal noise from a linear congruential generator (Numerical Recipes), so that each run is the same. */
function normal(seed: number): () => number {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

test('the published example: 13.33 workers at 1.25 records/s each, where a token bucket caps 16.67', () => {
  const fit = fitRoofline(roof(1.25, 50 / 3, [1, 2, 5, 10, 20, 40]))!;
  expect(fit.knee).toBeCloseTo(40 / 3, 6);
  expect(fit).toMatchObject({ below: 4, above: 2 });
});

test('without noise every knee between two cells is found exactly, wherever the cells are', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.01, max: 100, noNaN: true }),
      fc.double({ min: 1.5, max: 60, noNaN: true }),
      fc.uniqueArray(fc.integer({ min: 1, max: 120 }), { minLength: 3, maxLength: 9 }),
      (perWorker, knee, workers) => {
        const below = workers.filter((count) => count <= knee).length;
        fc.pre(below >= 1 && workers.length - below >= 1);
        const fit = fitRoofline(roof(perWorker, perWorker * knee, workers), perWorker)!;
        expect(fit.knee / knee).toBeCloseTo(1, 6);
        expect(fit.interval[0]).toBeLessThan(knee);
        expect(fit.interval[1]).toBeGreaterThan(knee);
      },
    ),
  );
});

test('cells on the plateau alone give the knee where the slope is known, and none where it is not', () => {
  const points = roof(2, 10, [8, 16, 32]);
  expect(fitRoofline(points, 2)!.knee).toBeCloseTo(5, 6);
  expect(fitRoofline([points[0]!])).toBeUndefined();
});

test('the 95 % interval holds the true knee in about 95 of 100 runs with 3 % noise', () => {
  let held = 0;
  const runs = 400;
  for (let seed = 1; seed <= runs; seed++) {
    const noise = normal(seed * 7_919);
    const points = roof(1.25, 50 / 3, [1, 2, 5, 10, 20, 40, 80])
      .flatMap((point) => [point, point, point])
      .map(({ workers, rate }) => ({ workers, rate: rate * Math.exp(0.03 * noise()) }));
    const [low, high] = fitRoofline(points)!.interval;
    if (low <= 40 / 3 && 40 / 3 <= high) held++;
  }
  expect(held / runs).toBeGreaterThan(0.9);
  expect(held / runs).toBeLessThan(0.995);
});
