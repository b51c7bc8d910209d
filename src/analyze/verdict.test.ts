import fc from 'fast-check';
import { expect, test } from 'vitest';
import { completeLab, type Lab, labProblem } from '../model/lab.ts';
import type { LabFile } from '../model/lab-schema.ts';
import { labs } from '../model/labs.ts';
import { simulateCell } from '../simulate/cell.ts';
import { analyze, simulateSweep } from './analyze.ts';

const provenance = { kneepoint: 'test', node: 'test', labHash: 'test' };
const sweepOf = (file: LabFile) => simulateSweep(completeLab(file), provenance);
const codes = ({ warnings }: { warnings: { code: string }[] }) => warnings.map(({ code }) => code);

test('three plain sentences come first: what binds, what happens beyond, what would bind next', () => {
  const { verdict } = simulateSweep(labs['openai-tier-1']!, provenance);
  const [binds, beyond, next, knee] = verdict.evidence;
  expect(binds).toMatch(
    /^OpenAI's tokens per minute bind \(1,?000,?000 tokens per minute at 4,?000 a record\)/,
  );
  expect(binds).toMatch(
    /at 5 workers, 2\.\d+ of them only wait after 429s \(100 % of these name TPM\)/,
  );
  expect(binds).toMatch(/9\d % of the limit is used/);
  expect(beyond).toMatch(/^Beyond 2\.5 workers throughput stays at about 4\.\d+ records\/s/);
  expect(beyond).toMatch(/of each worker added from 10 to 20, 100 % only waits/);
  expect(next).toBe('With it lifted, nothing else binds up to 20 workers.');
  expect(knee).toMatch(
    /^Knee by the formula 2\.5; by the cells 2\.\d+ \[2\.\d+, 2\.\d+\]: they agree\.$/,
  );
});

test('what a run could not show is said to be the steady state, with the burst in figures', () => {
  const { verdict } = simulateSweep(labs['pilot-trap']!, provenance);
  expect(verdict.evidence[0]).toMatch(/in steady state.*all records together take 40 % of it/);
  // 250 records of 4,000 tokens; 20 workers of 0.6 s use 33.3 - 4.17 a second more than flows in.
  expect(verdict.evidence[1]).toMatch(
    /the full bucket holds 250 records, 20 workers empty it in 8\.57 s/,
  );
});

test('a run of six buckets: its own knee is told apart from the steady one', () => {
  // The worked example: 6,000 records of 1,000 tokens, 0.8 s each. N* 13.33, seen at 16.
  const { verdict, ...sweep } = sweepOf({
    workers: [1, 2, 5, 10, 20, 40],
    workload: { records: 6_000, chunksPerRecord: 1, bytesPerChunk: 4_000 },
    worker: { readMs: 50, computeMs: 0 },
    openai: { limits: { tpm: 1_000_000 }, latency: { fixed: 600 } },
    qdrant: { latency: { fixed: 150 } },
  });
  expect(verdict.bottleneck).toBe('openai-tpm');
  expect(verdict.knee).toBeCloseTo(13.33, 1);
  expect(verdict.recommendedWorkers).toBe(13);
  expect(verdict.evidence.join('\n')).toMatch(
    /gave 17 % of the work, so its own knee is at 16 workers/,
  );
  expect(codes(sweep)).toContain('bucket-never-drained');
});

test('the published ladder: tokens bind at 13.3, Qdrant next at 21.3', () => {
  const { verdict } = sweepOf({
    workers: [1, 2, 5, 10, 20, 40],
    workload: { records: 4_000, chunksPerRecord: 1, bytesPerChunk: 4_000, batchSize: 1 },
    worker: { readMs: 35, computeMs: 15, memoryMb: 60, baseMemoryMb: 300 },
    openai: {
      limits: { tpm: 1_000_000, rpm: 3_000 },
      bucket: 'empty',
      latency: { fixed: 600 },
      rejectionCost: 'none',
    },
    // 4 slots, 0.15 s each: 26.67 records/s.
    qdrant: { latency: { fixed: 0 }, slots: 4, pointsPerSecond: 4 / 0.15, timeoutMs: 600_000 },
    mysql: { poolSize: 10 },
    host: { memoryGb: 4, cores: 4 },
  });
  expect(verdict.bottleneck).toBe('openai-tpm');
  expect(verdict.knee).toBeCloseTo(13.33, 1);
  expect(verdict.nextBottleneck).toBe('qdrant');
  expect(verdict.evidence[2]).toMatch(/Qdrant binds next, at 21\.3 workers.*60 % more/);
});

test('two resources within a tenth are both named, in evidence and action', () => {
  const { verdict } = sweepOf({
    workers: [1, 2, 5, 10, 20],
    workload: { records: 1_000 },
    worker: { readMs: 300, computeMs: 0 },
    openai: { tier: 'tier-1', bucket: 'empty', limits: { tpm: 1_600_000 } },
    // 5 connections of 0.3 s: 16.7 records/s against 6.67 by tokens; 2 are 6.67: the same.
    mysql: { poolSize: 2 },
  });
  expect(['openai-tpm', 'mysql-pool']).toContain(verdict.bottleneck);
  expect(verdict.evidence[2]).toMatch(
    /at nearly the same count.*lifting only one of the two gains at most \d %/,
  );
  expect(verdict.action).toMatch(/pgrade OpenAI to tier-3/);
  expect(verdict.action).toMatch(/aise MYSQL_POOL_SIZE/);
  expect(verdict.action).toMatch(/keep \d+ workers/);
});

test('embeddings that slow down under load are no limit: undetermined, and what to look at', () => {
  const sweep = sweepOf({
    workers: [1, 2, 5, 10, 20],
    openai: { latency: { fixed: 380, perInFlightAbove: { count: 2, ms: 300 } } },
  });
  expect(sweep.verdict.bottleneck).toBe('undetermined');
  expect(sweep.valid).toBe(false);
  expect(codes(sweep)).toContain('embeddings-slow-down');
});

test('throughput that falls for late upserts is not laid on a few 429s', () => {
  const { verdict } = sweepOf({
    workers: [1, 2, 5, 10, 20],
    workload: { records: 2_000 },
    openai: { tier: 'tier-3' },
    qdrant: { plan: 'free' },
  });
  expect(verdict.bottleneck).toBe('qdrant');
  expect(verdict.recommendedWorkers).toBe(5);
  expect(verdict.evidence[1]).toMatch(
    /throughput falls.*: late and repeated upserts cost time too/,
  );
});

test('a resource that is seen first only because a full bucket hides the limit does not bind', () => {
  // 0.6 s a record: 10 requests/s are full at 6 workers, a core of 0.08 s at 7.5. 600 of 1,320 requests
  // come out of the full bucket, so in this run the limit seems to be at 6 / (1 - 600 / 1,320) = 11.
  const { verdict, ...sweep } = sweepOf({
    workload: { records: 1_320, bytesPerChunk: 400 },
    openai: { limits: { rpm: 600 } },
    host: { memoryGb: 64, cores: 1 },
  });
  expect(verdict).toMatchObject({
    bottleneck: 'openai-rpm',
    knee: 6,
    recommendedWorkers: 6,
    nextBottleneck: 'client-cpu',
  });
  expect(codes(sweep)).toEqual(['bucket-never-drained']);
});

test('speed borrowed from a full bucket does not make its end a collapse', () => {
  // 5,000 tokens/s at 4,000 a record and 0.6 s of work: 0.75. The bucket holds three quarters of the run.
  const { verdict } = sweepOf({ openai: { limits: { tpm: 300_000 } } });
  expect(verdict).toMatchObject({ bottleneck: 'openai-tpm', knee: 0.75, recommendedWorkers: 1 });
  expect(verdict.action).toMatch(/^Upgrade OpenAI to tier-1 OR keep 1 worker$/);
});

test('workers are recommended for the steady state, not for the rounds of a short run', () => {
  // 5 cores of 0.08 s are full at 37.5 workers of 0.6 s; 35 records are two rounds of 20.
  const { verdict } = sweepOf({ workload: { records: 35 }, host: { memoryGb: 64, cores: 5 } });
  expect(verdict).toMatchObject({ bottleneck: 'none', recommendedWorkers: 20 });
});

test('a service that gets a little slower for good is no knee', () => {
  // Standard plans index beyond 472 records of 16 points: upserts take half as long again from then on.
  const { verdict } = sweepOf({
    workers: [5, 10, 15],
    workload: { records: 472, chunksPerRecord: 16, bytesPerChunk: 209 },
    worker: { readMs: 4, computeMs: 13 },
    openai: { latency: { fixed: 228 } },
    qdrant: { plan: 'standard-2' },
  });
  expect(verdict).toMatchObject({ bottleneck: 'none', recommendedWorkers: 15 });
});

test('a client that never retries and loses every record still shows the limit that refused it', () => {
  const { verdict, ...sweep } = sweepOf({
    workers: [1, 2],
    workload: { chunksPerRecord: 5, bytesPerChunk: 1_000, batchSize: 1 },
    worker: { client: 'none' },
    openai: { limits: { tpm: 18_000 }, bucket: 'empty', latency: { fixed: 586 } },
  });
  expect(verdict).toMatchObject({ bottleneck: 'openai-tpm', recommendedWorkers: 1 });
  expect(codes(sweep)).toEqual(['records-lost', 'nothing-arrived']);
});

test('where nothing arrives there is no number', () => {
  const sweep = sweepOf({
    workers: [1, 2],
    openai: { tier: 'tier-1', quota: 'insufficient_quota' },
    worker: { client: 'none' },
  });
  expect(sweep.verdict).toMatchObject({
    bottleneck: 'undetermined',
    knee: null,
    kneeInterval: null,
  });
  expect(codes(sweep)).toContain('nothing-arrived');
});

test('too few records for the largest count are said to be so, not a bottleneck', () => {
  const sweep = sweepOf({ workers: [1, 10, 70] });
  expect(sweep.verdict.bottleneck).toBe('none');
  expect(codes(sweep)).toContain('few-records');
});

test('a worker count that something else disturbed is named, and does not become the knee', () => {
  const lab = labs.linear!;
  const cells = lab.workers.map((workers) => {
    const cell = simulateCell(lab, workers);
    return workers === 5
      ? { ...cell, seconds: 2 * cell.seconds, recordsPerSecond: cell.recordsPerSecond / 2 }
      : cell;
  });
  const { verdict, warnings } = analyze('k6', lab, cells, provenance);
  expect(verdict.bottleneck).toBe('none');
  expect(warnings.find(({ code }) => code === 'cells-contradict')!.remedy).toContain('--workers 5');
});

test('a limit that the cells went past does not count', () => {
  const truth = completeLab({ workers: [1, 5, 10, 20], workload: { records: 400 } });
  const lab = completeLab({
    ...truth,
    openai: { tier: 'tier-1', bucket: 'empty' },
  });
  const cells = truth.workers.map((workers) => simulateCell(truth, workers));
  const { verdict } = analyze('k6', lab, cells, provenance);
  expect(verdict).toMatchObject({ bottleneck: 'none', knee: null, recommendedWorkers: 20 });
});

const latency = fc.oneof(
  fc.record({ fixed: fc.integer({ min: 0, max: 3_000 }) }),
  fc
    .tuple(fc.integer({ min: 1, max: 500 }), fc.double({ min: 1, max: 4, noNaN: true }))
    .map(([p50, spread]) => ({ p50, p95: p50 * spread, p99: p50 * spread ** 1.5 })),
);
const anyLab: fc.Arbitrary<LabFile> = fc.record({
  seed: fc.nat(1_000),
  workers: fc
    .uniqueArray(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 })
    .map((counts) => counts.sort((a, b) => a - b)),
  workload: fc.record({
    records: fc.integer({ min: 1, max: 300 }),
    chunksPerRecord: fc.integer({ min: 1, max: 120 }),
    bytesPerChunk: fc.integer({ min: 1, max: 9_000 }),
    batchSize: fc.integer({ min: 1, max: 300 }),
    recordsPerClaim: fc.integer({ min: 1, max: 40 }),
  }),
  worker: fc.record({
    readMs: fc.constantFrom(0, 5, 200),
    computeMs: fc.constantFrom(0, 40, 900),
    memoryMb: fc.constantFrom(0, 100, 2_000),
    client: fc.constantFrom('patient', 'none', 'openai-node-6', 'openai-python-3'),
  }),
  openai: fc.record({
    tier: fc.constantFrom('free', 'tier-1', 'tier-4', 'unlimited'),
    bucket: fc.constantFrom('full', 'empty'),
    rejectionCost: fc.constantFrom('none', 'request', 'request+tokens'),
    retryAfter: fc.constantFrom('none', 'seconds', 'ms'),
    latency,
  }),
  qdrant: fc.record({
    plan: fc.constantFrom('free', 'standard-2', 'unlimited'),
    writeRateLimit: fc.constantFrom(0, 20_000),
  }),
  mysql: fc.record({ poolSize: fc.integer({ min: 1, max: 20 }) }),
  host: fc.record({ memoryGb: fc.constantFrom(1, 8, 64), cores: fc.integer({ min: 1, max: 16 }) }),
}) as fc.Arbitrary<LabFile>;

test('whatever the lab, the verdict keeps its contract and its sentences are whole', () => {
  fc.assert(
    fc.property(anyLab, (file) => {
      const lab: Lab = completeLab(file);
      fc.pre(labProblem(lab) === undefined);
      const { verdict, warnings, cells } = simulateSweep(lab, provenance);
      const { bottleneck, knee, kneeInterval, recommendedWorkers } = verdict;
      expect(recommendedWorkers).toBeGreaterThanOrEqual(1);
      expect(recommendedWorkers).toBeLessThanOrEqual(lab.workers.at(-1)!);
      expect(Number.isInteger(recommendedWorkers)).toBe(true);
      const bound = bottleneck !== 'none' && bottleneck !== 'undetermined';
      expect(knee !== null).toBe(bound);
      expect(kneeInterval !== null).toBe(bound);
      if (bound) {
        expect(Number.isFinite(knee)).toBe(true);
        expect(kneeInterval![0]).toBeLessThanOrEqual(knee!);
        expect(kneeInterval![1]).toBeGreaterThanOrEqual(knee!);
      }
      if (bottleneck === 'undetermined') expect(warnings.length).toBeGreaterThan(0);
      expect(verdict.nextBottleneck === bottleneck).toBe(!bound);
      const text = [...verdict.evidence, ...warnings.flatMap((w) => [w.message, w.remedy])].join(
        '\n',
      );
      expect(text).not.toMatch(/NaN|Infinity|undefined|null|\[object/);
      expect(verdict.evidence.length).toBeGreaterThan(0);
      expect(cells).toHaveLength(lab.workers.length);
    }),
    { numRuns: 150, seed: 5 },
  );
});
