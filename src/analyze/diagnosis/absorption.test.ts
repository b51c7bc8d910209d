import fc from 'fast-check';
import { expect, test } from 'vitest';
import { completeLab } from '../../model/lab.ts';
import type { LabFile } from '../../model/lab-schema.ts';
import { simulateCell } from '../../simulate/cell.ts';
import { compareCells } from '../scaling.ts';
import { type Absorber, absorbersOf, marginal, saturationOf, waitingIn } from './absorption.ts';
import { creditsOf } from './burst.ts';
import { demandOf, observationsOf } from './observations.ts';

function saturationIn(file: LabFile) {
  const lab = completeLab(file);
  const cells = compareCells(
    lab,
    lab.workers.map((workers) => simulateCell(lab, workers)),
    lab,
    true,
  );
  const observations = observationsOf(cells);
  const demand = demandOf(lab, observations);
  const { records, recordsPerClaim } = lab.workload;
  const claims = Math.ceil(records / recordsPerClaim);
  return { demand, ...saturationOf(observations, demand, claims, creditsOf(lab, demand)) };
}

const sum = (waiting: Record<Absorber, number>) =>
  Object.values(waiting).reduce((all, workers) => all + workers, 0);

test('waiting and useful workers are all workers there are', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 200_000, max: 3_000_000 }),
      (most, poolSize, tpm) => {
        const { judged, demand } = saturationIn({
          workers: [1, most + 1],
          workload: { records: 300 },
          worker: { readMs: 60 },
          mysql: { poolSize },
          openai: { limits: { tpm }, bucket: 'empty' },
        });
        for (const { seen } of judged) {
          const useful = seen.rate * demand.total;
          expect((useful + sum(waitingIn(seen, demand))) / seen.workers).toBeCloseTo(1, 1);
        }
      },
    ),
    { numRuns: 30 },
  );
});

test.each([
  ['openai-tpm', { openai: { limits: { tpm: 1_000_000 }, bucket: 'empty' } }],
  ['openai-rpm', { openai: { limits: { rpm: 300 }, bucket: 'empty', rejectionCost: 'none' } }],
  ['mysql-pool', { worker: { readMs: 200 }, mysql: { poolSize: 2 } }],
  ['client-cpu', { worker: { computeMs: 300 }, host: { memoryGb: 64, cores: 3 } }],
  ['qdrant', { qdrant: { slots: 2, pointsPerSecond: 40, timeoutMs: 600_000 } }],
] as [Absorber, LabFile][])('%s takes every worker that is added above its knee', (name, file) => {
  const { judged, demand } = saturationIn({
    ...file,
    workers: [1, 10, 20],
    workload: { records: 1_000 },
  });
  const [, ten, twenty] = judged;
  const { useful, waiting } = marginal(ten!, twenty!, demand);
  expect(absorbersOf(waiting)[0]).toBe(name);
  expect(waiting[name]).toBeGreaterThan(0.9);
  expect(Math.abs(useful)).toBeLessThan(0.05);
});

test('on the slope added workers are useful', () => {
  const { judged, demand, saturated } = saturationIn({ workers: [1, 5, 10] });
  expect(saturated).toBeUndefined();
  expect(marginal(judged[0]!, judged[2]!, demand).useful).toBeGreaterThan(0.97);
});
