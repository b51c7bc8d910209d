import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { latencySampler, normalQuantile } from '../../model/latency.ts';
import { streams, uniform } from '../../model/random.ts';
import { fitLatency, fitPercentiles, type LatencyFit, type LatencySample } from './latency-fit.ts';
import { groupsOf } from './latency-fit-groups.ts';
import {
  artefactOf,
  likeliestShape,
  meanOf,
  quantileOf,
  shapeThrough,
} from './latency-fit-shape.ts';
import { slopeOf } from './latency-fit-size.ts';

const draw = (seed: number, record: number) =>
  uniform(seed, streams.embed, { record, attempt: 0, draw: 0 });

/** `shift + scale e^(sigma z)`, drawn with a seed. */
const drawn = (seed: number, count: number, shift: number, scale: number, sigma: number) =>
  Array.from(
    { length: count },
    (_, at) => shift + scale * Math.exp(sigma * normalQuantile(draw(seed, at))),
  );
const samplesOf = (values: number[]): LatencySample[] => values.map((ms) => ({ ms }));
const fitted = (samples: LatencySample[], size?: number) => {
  const fit = fitLatency(samples, size);
  if ('problem' in fit) throw new Error(fit.problem);
  return fit;
};
const refusal = (samples: LatencySample[]) => {
  const fit = fitLatency(samples);
  return 'problem' in fit ? fit.problem : `fitted: ${fit.method}`;
};
const near = (value: number | undefined, expected: number, share: number) =>
  expect(Math.abs(value! / expected - 1), `${value} for ${expected}`).toBeLessThan(share);

describe('the shifted lognormal', () => {
  // scipy 1.17.1: lognorm.fit(x, s, loc=, scale=) of the very samples that the seed gives.
  test.each([
    [1, 1_000, 190, 110, 0.7, 188.89, 301.44, 0.6984],
    [2, 500, 40, 30, 0.5, 41.95, 69.18, 0.5704],
    [3, 2_000, 270, 35, 1.6, 269.96, 309.72, 1.5654],
    [4, 200, 100, 200, 0.9, 94.1, 306.54, 0.8643],
  ])('of seed %d is the one that scipy finds', (seed, count, shift, scale, sigma, loc, p50, s) => {
    const shape = likeliestShape(drawn(seed, count, shift, scale, sigma).sort((a, b) => a - b))!;
    expect(shape.shiftMs).toBeCloseTo(loc, 1);
    expect(shape.medianMs).toBeCloseTo(p50, 1);
    expect(shape.sigma).toBeCloseTo(s, 3);
  });

  test('has the percentiles and the mean that scipy computes', () => {
    // lognorm.ppf([.5, .95, .99], .7, 190, 110) and lognorm.mean(.7, 190, 110)
    const shape = { shiftMs: 190, medianMs: 300, sigma: 0.7 };
    expect(quantileOf(shape, 0.5)).toBeCloseTo(300, 5);
    expect(quantileOf(shape, 0.95)).toBeCloseTo(537.88706619, 4);
    expect(quantileOf(shape, 0.99)).toBeCloseTo(750.55304549, 4);
    expect(meanOf(shape)).toBeCloseTo(330.53834445, 6);
  });

  test('through three percentiles has the known shift, sigma and mean', () => {
    const cases = [
      [300, 600, 900, 192, 0.81, 342],
      [300, 800, 2_000, 269, 1.735, 407],
      [250, 400, 500, Number.NaN, Number.NaN, 264],
    ] as const;
    for (const [p50, p95, p99, shift, sigma, mean] of cases) {
      const shape = shapeThrough({ p50, p95, p99 })!;
      if (!Number.isNaN(shift)) expect(Math.round(shape.shiftMs)).toBe(shift);
      if (!Number.isNaN(sigma)) expect(shape.sigma).toBeCloseTo(sigma, 2);
      expect(Math.round(meanOf(shape))).toBe(mean);
    }
  });

  test('does not exist where the tail is no longer than a normal one', () => {
    expect(shapeThrough({ p50: 100, p95: 150, p99: 170 })).toBeUndefined();
    expect(shapeThrough({ p50: 100, p95: 100, p99: 170 })).toBeUndefined();
  });

  test('with a tail beyond belief is an artefact: 300, 450, 2500 need sigma 3.9', () => {
    expect(artefactOf(shapeThrough({ p50: 300, p95: 450, p99: 2_500 })!)).toContain('sigma 3.9');
    expect(fitPercentiles({ p50: 300, p95: 450, p99: 2_500 })).toMatchObject({
      problem: expect.stringContaining('sigma 3.9'),
    });
    expect(artefactOf({ shiftMs: 96, medianMs: 100, sigma: 1 })).toContain('96 % of p50');
    expect(artefactOf({ shiftMs: 90, medianMs: 100, sigma: 1.9 })).toBeUndefined();
  });
});

describe('a fit', () => {
  test("of samples of a lab's own sampler gives the lab's percentiles back", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(
          [300, 600, 900],
          [110, 190, 240],
          [300, 800, 2_000],
          [112, 400, 900],
          [100, 150, 170],
        ),
        fc.integer({ min: 1, max: 1e9 }),
        ([p50, p95, p99], seed) => {
          const sampler = latencySampler({ p50: p50!, p95: p95!, p99: p99! });
          const values = Array.from({ length: 4_000 }, (_, at) => sampler.us(draw(seed, at)) / 1e3);
          const { latency } = fitted(samplesOf(values));
          near(latency.p50, p50!, 0.05);
          near(latency.p95, p95!, 0.12);
          near(latency.p99, p99!, 0.2);
        },
      ),
      { numRuns: 25, seed: 7 },
    );
  });

  test('rises from p50 to p99, holds its own measures, and keeps the mean', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e9 }),
        fc.integer({ min: 100, max: 800 }),
        fc.double({ min: 0.2, max: 1.3, noNaN: true }),
        fc.integer({ min: 0, max: 400 }),
        (seed, count, sigma, shift) => {
          const fit = fitLatency(samplesOf(drawn(seed, count, shift, 100, sigma)));
          // A refusal is always open to it; here it must be a rare one.
          fc.pre('latency' in fit);
          const { latency, meanMs, meanErrorMs } = fit as LatencyFit;
          if (latency.fixed !== undefined) return;
          expect(latency.p50!).toBeLessThanOrEqual(latency.p95!);
          expect(latency.p95!).toBeLessThanOrEqual(latency.p99!);
          const mean = latencySampler(latency).meanUs() / 1_000;
          expect(Math.abs(mean - meanMs)).toBeLessThan(0.05 * meanMs + 3 * meanErrorMs + 1);
        },
      ),
      { numRuns: 40, seed: 11 },
    );
  });

  test('of honest samples is hardly ever refused', () => {
    const counts = [100, 200, 1_000];
    const refused = Array.from({ length: 100 }, (_, seed) =>
      fitLatency(
        samplesOf(drawn(seed + 1, counts[seed % 3]!, 200, 150, [0.4, 0.8, 1.2][(seed % 7) % 3]!)),
      ),
    ).filter((fit) => 'problem' in fit);
    expect(refused.length).toBeLessThanOrEqual(1);
  });

  test('says how sure it is: errors shrink as samples grow, and cover the truth', () => {
    const at = (count: number) => fitted(samplesOf(drawn(5, count, 190, 110, 0.7)));
    const [few, many] = [at(300), at(9_600)];
    // Standard errors fall with the root of the count: 32 times as many, 5.7 times as sure.
    const ratio = few.errorMs!.p95 / many.errorMs!.p95;
    expect(ratio).toBeGreaterThan(2.5);
    expect(ratio).toBeLessThan(14);
    expect(Math.abs(many.latency.p99! - 750.55)).toBeLessThan(4 * many.errorMs!.p99);
  });

  test('has errors of the right size: what it misses the truth by is one of them on average', () => {
    const misses = Array.from({ length: 40 }, (_, seed) => {
      const { latency, errorMs } = fitted(samplesOf(drawn(seed + 100, 400, 190, 110, 0.7)));
      return (latency.p95! - 537.887) / errorMs!.p95;
    });
    const rootMean = Math.sqrt(misses.reduce((sum, miss) => sum + miss ** 2, 0) / misses.length);
    expect(rootMean).toBeGreaterThan(0.6);
    expect(rootMean).toBeLessThan(1.8);
  });

  test('of a narrow spread is one number, and of few samples a mean', () => {
    expect(fitted(samplesOf(Array.from({ length: 60 }, (_, at) => 380 + (at % 7))))).toMatchObject({
      method: 'constant',
      latency: { fixed: 382.9 },
    });
    const few = fitted(samplesOf(drawn(1, 60, 190, 110, 0.7)));
    expect(few).toMatchObject({ method: 'mean', notes: [expect.stringContaining('no p99')] });
    near(few.latency.fixed, 330.5, 0.1);
  });

  test('is the same in seconds as in milliseconds, scaled', () => {
    const values = drawn(9, 500, 190, 110, 0.7);
    const one = fitted(samplesOf(values)).latency;
    const ten = fitted(samplesOf(values.map((ms) => 10 * ms))).latency;
    for (const name of ['p50', 'p95', 'p99'] as const) near(ten[name], 10 * one[name]!, 1e-3);
  });
});

describe('samples that no single service has', () => {
  test('too few', () => {
    expect(refusal(samplesOf(drawn(1, 29, 100, 50, 0.5)))).toBe(
      '29 samples carry no latency; give at least 100, better 1,000',
    );
  });

  test('seconds that were taken for milliseconds', () => {
    expect(refusal(samplesOf(drawn(1, 200, 0.1, 0.1, 0.5)))).toContain('latency_s');
  });

  test.each([3, 8, 40])('%d timeouts at 5 s among them', (timeouts) => {
    const values = drawn(2, 1_000, 100, 100, 0.5);
    for (let at = 0; at < timeouts; at++) values[at * 20] = 5_000 + 2 * draw(3, at);
    expect(refusal(samplesOf(values))).toMatch(
      new RegExp(`^${timeouts} of 1000 samples stand at 5000 ms: timeouts.*--drop-from 4951`),
    );
  });

  test.each([
    [1.5, 300, 'a cap at one and a half times the median'],
    [2, 60, 'a cap at twice the median'],
    [20, 600, 'more timeouts than answers'],
  ])('%d times the median for %d samples: %s', (times, capped) => {
    const values = drawn(2, 1_000, 100, 100, 0.3).map((ms, at) =>
      at < capped ? 200 * times : Math.min(ms, 200 * times),
    );
    expect(refusal(samplesOf(values))).toMatch(
      new RegExp(`^\\d+ of 1000 samples stand at ${200 * times} ms: timeouts or another cap`),
    );
  });

  test('times that were rounded coarsely pile up nowhere', () => {
    for (let seed = 1; seed <= 30; seed++)
      for (const step of [10, 50, 100]) {
        const values = drawn(seed, 300, 200, 150, 0.4).map((ms) => step * Math.round(ms / step));
        expect(refusal(samplesOf(values)), `seed ${seed}, ${step} ms`).not.toContain('stand at');
      }
  });

  test('off every curve is told of the curve that comes closest', () => {
    // A short slope up to 300 ms and a long one down: the lognormal misses it by 18 % of the samples, the
    // curve through its own percentiles by 37 %.
    const values = Array.from({ length: 1_000 }, (_, at) => {
      const z = normalQuantile(draw(1, at));
      return 300 * Math.exp(z > 0 ? 0.8 * z : 0.1 * z);
    });
    expect(refusal(samplesOf(values))).toMatch(/^the best curve is off by .* 18 % of the samples/);
  });

  test.each([
    [0.1, 900],
    [0.3, 500],
    [0.5, 400],
  ])('two kinds of answers, %d of them slower', (share, slower) => {
    const values = Array.from(
      { length: 1_000 },
      (_, at) =>
        (draw(4, at) < share ? slower : 120) * Math.exp(0.15 * normalQuantile(draw(5, at))),
    );
    expect(refusal(samplesOf(values))).toMatch(/^two kinds of answers: \d+ % near 1[12]\d ms/);
  });

  test('a body at 300 ms with one answer in fifty ten times as slow', () => {
    const values = Array.from({ length: 2_000 }, (_, at) =>
      draw(6, at) < 0.02 ? 2_000 + 2_000 * draw(7, at) : 300 + 30 * normalQuantile(draw(8, at)),
    );
    expect(refusal(samplesOf(values))).not.toMatch(/^fitted/);
  });
});

test('a flat density in which chance digs valleys is one group', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const values = Array.from({ length: 60 }, (_, at) => 100 + 100 * draw(seed, at));
    expect(
      groupsOf(
        values.sort((a, b) => a - b),
        (ms) => ms,
      ),
      `seed ${seed}`,
    ).toBeUndefined();
  }
});

describe('growth with the size of a request', () => {
  const sized = (slope: number, count = 1_500): LatencySample[] =>
    drawn(1, count, 190, 110, 0.7).map((ms, at) => {
      const size = 200 + Math.floor(8_000 * draw(3, at));
      return { ms: ms + slope * size, size };
    });

  test('is told apart from the rest where it is clear', () => {
    const { latency, perThousand } = fitted(sized(0.02));
    expect(Math.abs(perThousand!.ms - 20)).toBeLessThan(3 * perThousand!.errorMs);
    near(latency.p50, 300, 0.05);
    near(latency.p99, 750, 0.1);
  });

  test('is left out where there is none, or where sizes are all the same', () => {
    expect(fitted(sized(0)).perThousand).toBeUndefined();
    expect(fitted(sized(0)).notes).toEqual(['no clear growth with the size of a request']);
    const same = sized(0.02).map(({ ms }) => ({ ms, size: 500 }));
    expect(fitted(same).perThousand).toBeUndefined();
  });

  test('is not read out of noise: forty requests of any size show none', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const noise = drawn(seed, 40, 190, 110, 0.7);
      const samples = noise.map((ms, at) => ({ ms, size: 8_000 * draw(seed + 500, at) }));
      expect(slopeOf(samples), `seed ${seed}`).toBeUndefined();
    }
  });

  test('moves samples to the typical size where the lab knows no slope', () => {
    const { latency, perThousand } = fitted(sized(0.02), 1_000);
    expect(perThousand).toBeUndefined();
    near(latency.p50, 320, 0.05);
  });
});
