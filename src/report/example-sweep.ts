import type { Lab } from '../model/lab.ts';
import type { Cell, Sweep } from '../model/sweep.ts';

const latency = (ms: number) => ({ p50: ms, p95: ms * 1.5, p99: ms * 2 });

/** A cell of 100 records with 8 points each that take the seconds given; all surplus time is Qdrant's. */
const cell = (workers: number, seconds: number): Cell => {
  const speedup = 60 / seconds;
  const busy = 100 / seconds;
  const absorbed = { read: 0.02 * busy, compute: 0.08 * busy, embed: 0.38 * busy };
  return {
    workers,
    feasible: true,
    seconds,
    recordsPerSecond: busy,
    speedup,
    efficiency: speedup / workers,
    predictedSeconds: seconds * 1.02,
    openai: {
      requests: 100,
      succeeded: 100,
      rateLimited: { rpm: 0, tpm: 0, rpd: 0 },
      errors: 0,
      chargedTokens: 400_000,
      attemptsPerSuccess: 1,
      latencyMs: latency(380),
    },
    qdrant: {
      requests: 100,
      succeeded: 100,
      timeouts: 0,
      errors: 0,
      pointsPerSecond: 8 * busy,
      latencyMs: latency(120),
    },
    mysql: { poolWaitMs: { p50: 0, p95: 0, p99: 0 } },
    memory: { megabytes: 525 * workers, shareOfHost: (525 * workers) / 65_536, measured: false },
    absorbed: { ...absorbed, qdrant: workers - 0.48 * busy, backoff: 0, idle: 0 },
    completeness: { records: 100, pointsExpected: 800, pointsStored: 800, recordsFailed: 0 },
  };
};

/** The test plan's own table (60, 30, 12, 8, 6 seconds) as a sweep, for tests and demonstrations. */
export const exampleSweep: Sweep = {
  schema: 'kneepoint.sweep/1',
  engine: 'k6',
  lab: {
    name: 'worked-example',
    seed: 1,
    speed: 10,
    workers: [1, 2, 5, 10, 20],
    workload: { records: 100, batchSize: 50 },
    openai: { tier: 'unlimited' },
    qdrant: { plan: 'unlimited' },
  } as unknown as Lab,
  provenance: { kneepoint: '0.1.0', node: '24.21.0', k6: '2.1.0', labHash: '5f3a09c1' },
  cells: [cell(1, 60), cell(2, 30), cell(5, 12), cell(10, 8), cell(20, 6)],
  verdict: {
    bottleneck: 'qdrant',
    knee: 8.5,
    kneeInterval: [8, 10],
    recommendedWorkers: 8,
    nextBottleneck: 'none',
    action: 'Upgrade Qdrant OR keep 8 workers',
    evidence: [
      'Efficiency falls from 100 % at 5 workers to 75 % at 10 workers.',
      'Workers wait for Qdrant during 40 % of their time at 10 workers.',
    ],
    env: { MAX_WORKERS: 8, BATCH_SIZE: 50, MYSQL_POOL_SIZE: 16 },
  },
  warnings: [
    {
      code: 'few-samples',
      message: 'The run with 20 workers gave each worker 5 records.',
      remedy: 'Run at least 400 records.',
    },
  ],
  valid: true,
};
