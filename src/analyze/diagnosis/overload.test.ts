import { expect, test } from 'vitest';
import { checkLab, readLabFile } from '../../lab-file.ts';
import { simulateSweep } from '../analyze.ts';
import { isOverloaded } from './overload.ts';

test.each([
  // Where one worker has none, a single one is the load's doing.
  [{ requests: 100, timeouts: 1 }, { requests: 100, timeouts: 0 }, true],
  [{ requests: 100, timeouts: 0 }, { requests: 100, timeouts: 0 }, false],
  // 4 in 1,000 are 8 in 2,000, and 8 + 2 √8 = 13.7.
  [{ requests: 2_000, timeouts: 13 }, { requests: 1_000, timeouts: 4 }, false],
  [{ requests: 2_000, timeouts: 14 }, { requests: 1_000, timeouts: 4 }, true],
  [{ requests: 0, timeouts: 0 }, { requests: 0, timeouts: 0 }, false],
])('%o beside %o of one worker: overloaded %s', (seen, alone, overloaded) => {
  expect(isOverloaded(seen, alone)).toBe(overloaded);
});

const provenance = { kneepoint: 'test', node: 'test', labHash: 'test' };

test.each([100, 500, 1_000, 2_000, 5_000])(
  'an upsert of %i records that times out at every count, one included, forbids none',
  (records) => {
    const lab = checkLab(readLabFile('qdrant-free'), 'test');
    const { verdict } = simulateSweep(
      { ...lab, workload: { ...lab.workload, records } },
      provenance,
    );
    expect(verdict).toMatchObject({ bottleneck: 'qdrant', recommendedWorkers: 5 });
  },
);

test('nor does one among upserts of whole claims move the knee', () => {
  const lab = checkLab(readLabFile('qdrant-free'), 'test');
  const workload = { ...lab.workload, records: 1_000, batchSize: 100, recordsPerClaim: 12 };
  const { verdict } = simulateSweep({ ...lab, workload }, provenance);
  expect(verdict.knee).toBeGreaterThan(4);
  expect(verdict.recommendedWorkers).toBeGreaterThanOrEqual(4);
});
