import fc from 'fast-check';
import { expect, test } from 'vitest';
import { completeLab, labProblem } from '../model/lab.ts';
import type { LabFile } from '../model/lab-schema.ts';
import { labFiles, labs } from '../model/labs.ts';
import { demandSeconds } from '../model/services.ts';
import { simulateCell } from './cell.ts';

test.each([
  [1, 60],
  [2, 30],
  [5, 12],
  [10, 6],
  [20, 3],
])('nothing binds: %i workers take %i s', (workers, seconds) => {
  const cell = simulateCell(labs.linear!, workers);
  expect(cell.seconds).toBe(seconds);
  expect(cell.completeness).toEqual({
    records: 100,
    pointsExpected: 800,
    pointsStored: 800,
    recordsFailed: 0,
  });
});

test.each([5, 20])('under a token limit %i workers take what the bucket takes', (workers) => {
  const records = 1_000;
  const lab = completeLab({ ...labFiles['openai-tier-1'], workload: { records } });
  const { chunksPerRecord, bytesPerChunk } = lab.workload;
  const tokensPerRecord = (chunksPerRecord * bytesPerChunk) / 4;
  const expected = (records * tokensPerRecord) / (lab.openai.limits.tpm! / 60) + 0.5;
  const { seconds } = simulateCell(lab, workers);
  expect(Math.abs(seconds / expected - 1)).toBeLessThan(0.02);
});

test('workers that do not fit into memory are not run', () => {
  const lab = completeLab({ worker: { memoryMb: 1_024 }, host: { memoryGb: 4 } });
  expect(simulateCell(lab, 4).feasible).toBe(true);
  expect(simulateCell(lab, 5)).toMatchObject({ feasible: false, seconds: 0 });
});

const latency = (fixedOnly: boolean) => {
  const fixed = fc.record({ fixed: fc.integer({ min: 1, max: 1_000 }) });
  const ms = fc.integer({ min: 1, max: 900 });
  const random = fc.tuple(ms, ms, ms).map(([p50, more, most]) => ({
    p50,
    p95: p50 + more,
    p99: p50 + more + most,
  }));
  return fixedOnly ? fixed : fc.oneof(fixed, random);
};
/** Labs whose records are whole claims, so that every claim is as large as the next. */
const labFile = (fixedOnly: boolean): fc.Arbitrary<LabFile> =>
  fc
    .record({
      seed: fc.nat(),
      claims: fc.integer({ min: 1, max: 50 }),
      workload: fc.record({
        recordsPerClaim: fc.integer({ min: 1, max: 4 }),
        chunksPerRecord: fc.integer({ min: 1, max: 20 }),
        bytesPerChunk: fc.integer({ min: 1, max: 500 }).map((tokens) => 4 * tokens),
        batchSize: fc.integer({ min: 1, max: 60 }),
      }),
      worker: fc.record({
        readMs: fc.integer({ min: 1, max: 50 }),
        computeMs: fc.nat(100),
      }),
      openai: fc.record({
        tier: fc.constantFrom('tier-1', 'tier-3', 'tier-5', 'unlimited'),
        bucket: fc.constantFrom('full', 'empty'),
        burstSeconds: fc.constantFrom(60, 10),
        rejectionCost: fc.constantFrom('none', 'request'),
        retryAfter: fc.constantFrom('none', 'seconds', 'ms'),
        latency: latency(fixedOnly),
      }),
      qdrant: fc.record({
        slots: fc.nat(4),
        pointsPerSecond: fc.constantFrom(0, 100, 1_000, 10_000),
        timeoutMs: fc.constantFrom(500, 5_000, 60_000),
        latency: latency(fixedOnly),
      }),
      mysql: fc.record({ poolSize: fc.integer({ min: 1, max: 40 }) }),
      host: fc.record({ cores: fc.integer({ min: 1, max: 32 }) }),
    })
    .map(({ claims, ...file }) => {
      const records = claims * file.workload.recordsPerClaim;
      return { ...file, workload: { ...file.workload, records } } as LabFile;
    })
    .filter((file) => labProblem(completeLab(file)) === undefined);
const crew = fc.integer({ min: 1, max: 30 });

test('fixed latencies: no crew is faster than its workers never waiting', () => {
  fc.assert(
    fc.property(labFile(true), crew, (file, workers) => {
      const lab = completeLab(file);
      const most = workers / demandSeconds(lab).total;
      expect(simulateCell(lab, workers).recordsPerSecond).toBeLessThanOrEqual(most * 1.0001);
    }),
    { numRuns: 60 },
  );
});

test('limits hold, workers are accounted for and every record arrives', () => {
  fc.assert(
    fc.property(labFile(false), crew, (file, workers) => {
      const lab = completeLab(file);
      const { seconds, openai, qdrant, absorbed, completeness } = simulateCell(lab, workers);

      const { rpm = Infinity, tpm = Infinity } = lab.openai.limits;
      const burst = lab.openai.bucket === 'full' ? lab.openai.burstSeconds : 0;
      const exact = 1 + 1e-9;
      expect(openai.chargedTokens).toBeLessThanOrEqual(((tpm * (burst + seconds)) / 60) * exact);
      expect(openai.succeeded).toBeLessThanOrEqual(((rpm * (burst + seconds)) / 60) * exact);
      const refused = openai.rateLimited.rpm + openai.rateLimited.tpm + openai.rateLimited.rpd;
      expect(openai.succeeded + refused).toBe(openai.requests);
      expect(qdrant.succeeded + qdrant.timeouts).toBe(qdrant.requests);

      const shares = Object.values(absorbed);
      for (const share of shares) expect(share).toBeGreaterThanOrEqual(-1e-9);
      expect(shares.reduce((sum, share) => sum + share)).toBeCloseTo(workers, 9);

      // A patient client embeds everything; an upsert that came too late was applied all the same.
      const { records, pointsExpected, pointsStored, recordsFailed } = completeness;
      expect(pointsExpected).toBe(records * lab.workload.chunksPerRecord);
      expect(pointsStored).toBe(pointsExpected);
      expect(recordsFailed).toBeLessThanOrEqual(records);
      if (qdrant.timeouts === 0) expect(recordsFailed).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test('the same lab gives the same cell', () => {
  fc.assert(
    fc.property(labFile(false), crew, (file, workers) => {
      const lab = completeLab(file);
      expect(simulateCell(lab, workers)).toEqual(simulateCell(lab, workers));
    }),
    { numRuns: 20 },
  );
});
