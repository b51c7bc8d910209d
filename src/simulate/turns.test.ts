import { expect, test } from 'vitest';
import { createAimd, createPace } from '../model/client-limit.ts';
import { completeLab, type Lab } from '../model/lab.ts';
import type { ClientProfile } from '../model/retry.ts';
import { simulateCell } from './cell.ts';

/** A worked example: 0.8 s and 1,000 tokens a record, 16.67 records/s at most. */
const example = (client: ClientProfile, more: Partial<Lab['openai']> = {}): Lab =>
  completeLab({
    workload: { records: 6_000, chunksPerRecord: 2, bytesPerChunk: 2_000 },
    worker: { readMs: 0, computeMs: 0, memoryMb: 0, client },
    openai: {
      tier: 'tier-1',
      limits: { rpm: 1_000_000 },
      bucket: { tpm: 'empty' },
      latency: { p50: 575, p95: 950, p99: 1_200 },
      rejectionCost: 'none',
      ...more,
    },
    qdrant: { latency: { fixed: 190 } },
    mysql: { poolSize: 200 },
    host: { cores: 200 },
  });

/** Published by an independent simulation of the same example: 429s for each record. */
test.each([
  [14, 0.13],
  [20, 0.66],
  [40, 1.5],
])('full jitter with %i workers spends %f 429s for each record', (workers, expected) => {
  const { openai, recordsPerSecond } = simulateCell(example('full-jitter'), workers);
  expect(Math.abs(openai.rateLimited.tpm / 6_000 - expected)).toBeLessThan(0.06);
  expect(recordsPerSecond).toBeGreaterThan(16.3);
});

test.each([
  [20, 0.074],
  [25, 0.17],
  [30, 0.27],
  [40, 0.42],
])("the SDK's two retries lose so much with %i workers: %f", (workers, expected) => {
  const { completeness } = simulateCell(example('openai-node-6', { retryAfter: 'none' }), workers);
  expect(Math.abs(completeness.recordsFailed / 6_000 - expected)).toBeLessThan(0.01);
});

test('waiting exactly as told without jitter is a herd: ten times the 429s of full jitter, the same rate', () => {
  const [herd, jitter] = (['exact-hint', 'full-jitter'] as const).map((client) =>
    simulateCell(example(client), 40),
  );
  expect(herd!.openai.rateLimited.tpm).toBeGreaterThan(10 * jitter!.openai.rateLimited.tpm);
  expect(Math.abs(herd!.recordsPerSecond / jitter!.recordsPerSecond - 1)).toBeLessThan(0.03);
});

test.each([
  [1, 300.9],
  [0.95, 319.9],
  [0.9, 340.9],
])(
  'a shared limiter at %f of the limit takes %f s with 20 workers or 40, and no 429',
  (share, seconds) => {
    const lab = example('patient', { bucket: 'full' });
    for (const workers of [20, 40]) {
      const gate = createPace({ limits: { tpm: 1e6 }, share, burstSeconds: 60, start: 'full' });
      const cell = simulateCell(lab, workers, gate);
      expect(cell.openai.rateLimited.tpm).toBe(0);
      expect(Math.abs(cell.seconds / seconds - 1)).toBeLessThan(0.003);
    }
  },
);

test('AIMD finds the limit without knowing it: nearly its rate, few 429s, nothing lost', () => {
  const cell = simulateCell(example('patient'), 40, createAimd(40));
  expect(cell.recordsPerSecond).toBeGreaterThan(0.97 * 16.67);
  expect(cell.openai.rateLimited.tpm).toBeLessThan(0.1 * 6_000);
  expect(cell.completeness.recordsFailed).toBe(0);
});

test('workers that wait for their turn are somewhere: states sum to the workers', () => {
  for (const gate of [
    createPace({ limits: { tpm: 1e6 }, share: 1, burstSeconds: 6, start: 'empty' }),
    createAimd(3),
  ]) {
    const { absorbed } = simulateCell(example('patient'), 30, gate);
    const sum = Object.values(absorbed).reduce((total, workers) => total + workers, 0);
    expect(sum).toBeCloseTo(30, 6);
    expect(absorbed.backoff).toBeGreaterThan(10);
  }
});
