/**
 * The simulator against theory that was there before it: exact mean value analysis, the token bucket's
 * makespan, and the collapse of a closed system whose refusals cost quota. The solvers here are small,
 * written from the papers, and share nothing with the simulator.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { completeLab, type Lab } from '../../src/model/lab.ts';
import type { LabFile } from '../../src/model/lab-schema.ts';
import { latencySampler } from '../../src/model/latency.ts';
import { simulateCell } from '../../src/simulate/cell.ts';

/** Seconds of service a record at one station, and how many servers it has. Infinity is a mere delay. */
type Station = { demand: number; servers: number };

/**
 * Throughput of a closed product-form network by exact mean value analysis (Reiser & Lavenberg 1980):
 * R_k(n) = D_k (1 + Q_k(n-1)), X = n / (Z + ΣR_k), Q_k = X R_k.
 */
function meanValueAnalysis(workers: number, queues: number[], delay: number): number {
  let lengths = queues.map(() => 0);
  let throughput = 0;
  for (let n = 1; n <= workers; n++) {
    const responses = queues.map((demand, at) => demand * (1 + lengths[at]!));
    throughput = n / (delay + responses.reduce((sum, response) => sum + response, 0));
    lengths = responses.map((response) => throughput * response);
  }
  return throughput;
}

/** Seidmann's approximation (1987): m servers are a queue of demand D/m and a delay of D(m-1)/m. */
function seidmann(workers: number, stations: Station[], delay: number): number {
  const queues = stations.map(({ demand, servers }) => demand / servers);
  const extra = stations.reduce(
    (sum, { demand, servers }) => sum + (demand * (servers - 1)) / servers,
    0,
  );
  return meanValueAnalysis(workers, queues, delay + extra);
}

/**
 * Throughput of N workers that think for a mean of Z seconds and queue for m exponential servers of mean
 * D: the machine repairman, exactly, from its birth-death chain (any queueing textbook).
 */
function machineRepairman(workers: number, servers: number, demand: number, think: number): number {
  let [weight, all, busy] = [1, 1, 0];
  for (let queued = 1; queued <= workers; queued++) {
    weight *= ((workers - queued + 1) / think) * (demand / Math.min(queued, servers));
    all += weight;
    busy += weight * Math.min(queued, servers);
  }
  return busy / all / demand;
}

/** A lognormal with a coefficient of variation of one, as an exponential has: ln 2 = σ². */
function exponentialLike(meanMs: number): Lab['qdrant']['latency'] {
  const sigma = Math.sqrt(Math.log(2));
  const p50 = meanMs / Math.exp(sigma ** 2 / 2);
  return { p50, p95: p50 * Math.exp(1.6448536 * sigma), p99: p50 * Math.exp(2.3263479 * sigma) };
}

const roomy: LabFile = {
  openai: { tier: 'unlimited' },
  mysql: { poolSize: 1_000 },
  host: { memoryGb: 10_000, cores: 1_000 },
};

/** Throughput over several seeds, without the begin and end of a run: a long run minus a short one. */
function steadyRate(file: LabFile, workers: number, records: number, seeds: number): number {
  let [done, seconds] = [0, 0];
  for (let seed = 1; seed <= seeds; seed++) {
    const secondsOf = (count: number) =>
      simulateCell(
        completeLab({ ...file, seed, workload: { ...file.workload, records: count } }),
        workers,
      ).seconds;
    done += records;
    seconds += secondsOf(records + 40 * workers) - secondsOf(40 * workers);
  }
  return done / seconds;
}

test('the solvers agree with each other and with published values', () => {
  // One server is a product-form queue: mean value analysis and the chain are the same number.
  for (const workers of [1, 3, 10, 30])
    expect(seidmann(workers, [{ demand: 0.15, servers: 1 }], 0.65)).toBeCloseTo(
      machineRepairman(workers, 1, 0.15, 0.65),
      10,
    );
  // Four slots of 0.15 s and 0.65 s of other work.
  const published = new Map([
    [10, 12.14],
    [20, 22.21],
    [22, 23.62],
    [30, 26.4],
    [40, 26.67],
  ]);
  for (const [workers, rate] of published)
    expect(seidmann(workers, [{ demand: 0.15, servers: 4 }], 0.65)).toBeCloseTo(rate, 1);
});

test('one deterministic server and deterministic work elsewhere: the bounds are met exactly', () => {
  // Mean value analysis assumes exponential service. With constant times nobody waits until the server
  // is full, so the asymptotic bound min(N / (D + Z), m / D) is exact (Denning & Buzen 1978).
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 20, max: 200 }),
      fc.integer({ min: 50, max: 800 }),
      (poolSize, workers, readMs, embedMs) => {
        const rate = steadyRate(
          {
            ...roomy,
            mysql: { poolSize },
            worker: { readMs, computeMs: 0 },
            openai: { tier: 'unlimited', latency: { fixed: embedMs } },
            qdrant: { latency: { fixed: 50 } },
          },
          workers,
          600,
          1,
        );
        const demand = readMs / 1_000;
        const bound = Math.min(workers / (demand + (embedMs + 50) / 1_000), poolSize / demand);
        expect(rate / bound).toBeGreaterThan(0.98);
        expect(rate / bound).toBeLessThan(1.02);
      },
    ),
    { numRuns: 60, seed: 7 },
  );
});

test('several constant queues in a row lie between mean value analysis and the asymptotic bound', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 24 }),
      fc.integer({ min: 20, max: 200 }),
      fc.integer({ min: 20, max: 200 }),
      (poolSize, cores, workers, readMs, computeMs) => {
        const rate = steadyRate(
          {
            ...roomy,
            mysql: { poolSize },
            host: { memoryGb: 10_000, cores },
            worker: { readMs, computeMs },
          },
          workers,
          800,
          1,
        );
        const stations = [
          { demand: readMs / 1_000, servers: poolSize },
          { demand: computeMs / 1_000, servers: cores },
        ];
        const work = (readMs + computeMs) / 1_000 + 0.5;
        const bound = Math.min(workers / work, ...stations.map((s) => s.servers / s.demand));
        expect(rate).toBeLessThan(1.02 * bound);
        expect(rate).toBeGreaterThan(0.98 * seidmann(workers, stations, 0.5));
      },
    ),
    { numRuns: 60, seed: 11 },
  );
});

test.each([1, 2, 4])(
  '%i slots with exponential-like service: exact theory within 2 per cent',
  (slots) => {
    // A slot is held for a constant time per point, so service is made to vary by batches of 50 points
    // and of one: two values with a coefficient of variation of 0.96, where an exponential has 1.
    const [think, demand, points] = [0.4, 0.1 * slots, 51];
    const pointsPerSecond = (slots * points) / 2 / demand;
    for (const workers of [1, 2, 3, 5, 8, 12, 20, 30]) {
      const records = steadyRate(
        {
          ...roomy,
          workload: { chunksPerRecord: points, batchSize: 50 },
          worker: { readMs: 0, computeMs: 0 },
          openai: { tier: 'unlimited', latency: exponentialLike(think * 1_000) },
          qdrant: { latency: { fixed: 0 }, slots, pointsPerSecond, timeoutMs: 1e6 },
        },
        workers,
        5_000,
        3,
      );
      const rate = 2 * records;
      const exact = machineRepairman(workers, slots, demand, think);
      expect(Math.abs(rate / exact - 1), `${workers} workers`).toBeLessThan(0.02);
      // Seidmann's approximation of several servers, with its own error.
      const approximate = seidmann(workers, [{ demand, servers: slots }], think);
      expect(Math.abs(rate / approximate - 1), `${workers} workers`).toBeLessThan(
        slots === 1 ? 0.02 : 0.13,
      );
    }
  },
);

test('lognormal latencies have the mean that the throughput of one worker shows', () => {
  const latency = exponentialLike(400);
  const { meanUs } = latencySampler(latency);
  expect(meanUs() / 400_000).toBeCloseTo(1, 2);
  const rate = steadyRate(
    {
      ...roomy,
      worker: { readMs: 0, computeMs: 0 },
      openai: { tier: 'unlimited', latency },
      qdrant: { latency: { fixed: 0 } },
    },
    1,
    20_000,
    4,
  );
  expect(Math.abs(rate * 0.4 - 1)).toBeLessThan(0.02);
});

/** A worked example: 6,000 records of 1,000 tokens, 0.8 s of work each, 1,000,000 TPM. */
const worked: LabFile = {
  workload: { records: 6_000, chunksPerRecord: 1, bytesPerChunk: 4_000 },
  worker: { readMs: 50, computeMs: 0 },
  openai: {
    tier: 'unlimited',
    limits: { tpm: 1_000_000 },
    latency: { fixed: 600 },
  },
  qdrant: { latency: { fixed: 150 } },
  mysql: { poolSize: 1_000 },
  host: { memoryGb: 10_000, cores: 1_000 },
};

const makespan = (workers: number, fill: number) =>
  Math.max(Math.ceil(6_000 / workers) * 0.8, (6_000 * 1_000 - fill * 1_000_000) / (1_000_000 / 60));

test.each([1, 2, 5, 10, 14, 16, 20, 40])(
  'a full token bucket: %i workers take max(⌈R/N⌉·S, (R·T - B)/λ), within 2 %%',
  (workers) => {
    const { seconds } = simulateCell(completeLab(worked), workers);
    expect(Math.abs(seconds / makespan(workers, 1) - 1)).toBeLessThan(0.02);
  },
);

test.each([10, 14, 20, 40])(
  'an empty one: %i workers take max(⌈R/N⌉·S, R·T/λ), within 2 %%',
  (workers) => {
    const lab = completeLab({ ...worked, openai: { ...worked.openai, bucket: 'empty' } });
    expect(Math.abs(simulateCell(lab, workers).seconds / makespan(workers, 0) - 1)).toBeLessThan(
      0.02,
    );
  },
);

test('the published table of that example is the formula', () => {
  const published = new Map([
    [1, 4_800],
    [2, 2_400],
    [5, 960],
    [10, 480],
    [14, 343],
    [16, 300],
    [20, 300],
    [40, 300],
  ]);
  for (const [workers, seconds] of published)
    expect(Math.abs(makespan(workers, 1) / seconds - 1)).toBeLessThan(0.002);
  expect(makespan(14, 0)).toBeCloseTo(360, 6);
});

/**
 * Goodput over λ of patient clients whose refusals cost as much as answers, when nearly every request is
 * a retry at its longest wait. A refusal takes what has flowed in since the last request, so one is only
 * admitted after a gap of 1/λ: with requests at rate a in Poisson's manner, X = a·exp(-a/λ). Little's law
 * closes it: N = X·S + (a - X)·(d + l). Solved for y = a/λ > 1.
 *
 * A limiter that counts debt instead collapses to nothing at N_c = λ·(d + l). Ours never
 * owes more than its bucket, as the provider's does not, so it declines smoothly where that one breaks.
 */
function stormGoodput(workers: number, lambda: number, work: number, retry: number): number {
  let [low, high] = [1, 100];
  for (let step = 0; step < 100; step++) {
    const y = (low + high) / 2;
    const good = y * Math.exp(-y);
    if (good * work + (y - good) * retry < workers / lambda) low = y;
    else high = y;
  }
  return low * Math.exp(-low);
}

test.each([40, 60, 80])(
  '%i patient workers whose refusals cost quota lose throughput as the balance says, within 10 per cent',
  (workers) => {
    const lambda = 1_000 / 60;
    const lab = (records: number, rejectionCost: Lab['openai']['rejectionCost']) =>
      completeLab({
        ...roomy,
        workload: { records, chunksPerRecord: 1 },
        worker: { readMs: 0, computeMs: 0 },
        openai: {
          tier: 'unlimited',
          limits: { rpm: 1_000 },
          burstSeconds: 10,
          retryAfter: 'none',
          rejectionCost,
          latency: { fixed: 400 },
        },
        qdrant: { latency: { fixed: 100 } },
      });
    const goodput = (cost: Lab['openai']['rejectionCost']) =>
      2_000 /
      (simulateCell(lab(4_000, cost), workers).seconds -
        simulateCell(lab(2_000, cost), workers).seconds) /
      lambda;
    // The longest wait is 2 s less up to half of it, and a refusal takes 50 ms: 1.55 s on average.
    const expected = stormGoodput(workers, lambda, 0.5, 1.55);
    expect(Math.abs(goodput('request+tokens') / expected - 1)).toBeLessThan(0.1);
    expect(expected).toBeLessThan(0.35);
    // The same workers keep all of the limit where refusals are free.
    expect(goodput('none')).toBeGreaterThan(0.97);
  },
);
