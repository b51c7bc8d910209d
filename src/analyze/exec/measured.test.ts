import { expect, test } from 'vitest';
import { checkLab, readLabFile } from '../../lab-file.ts';
import { simulateCell } from '../../simulate/cell.ts';
import { analyzeMeasured } from '../analyze.ts';
import { fitMemory, type MeasuredCell, nothingObserved } from './measured.ts';

const labOf = (name: string) => checkLab(readLabFile(name), name);
const provenance = { kneepoint: 'test', node: 'test', labHash: 'test' };
const circumstances = { machineCores: 8, realServices: false };

/** What a meter would have seen of a simulated pipeline: requests, but not what workers did between them. */
const seenFromOutside = (lab: ReturnType<typeof labOf>, workers: number): MeasuredCell => {
  const cell = simulateCell(lab, workers);
  const spent = (state: 'embed' | 'qdrant' | 'backoff') => cell.absorbed[state] * cell.seconds;
  return {
    workers,
    feasible: cell.feasible,
    seconds: cell.seconds,
    openai: cell.openai,
    qdrant: cell.qdrant,
    spentSeconds: { embed: spent('embed'), qdrant: spent('qdrant'), backoff: spent('backoff') },
    peakMb: 80 + 120 * workers,
    completeness: cell.completeness,
    pointsPerRecord: lab.workload.chunksPerRecord,
    observed: {
      ...nothingObserved,
      wholeSeconds: cell.seconds + 2,
      startUpSeconds: 1,
      exitCode: 0,
      cpuSeconds: 1,
      memory: { source: 'pss', peakProcesses: workers + 1, samples: [] },
      log: 'command.log',
    },
  };
};

test('a line through the peaks tells a worker’s memory from the program’s', () => {
  const fit = fitMemory(
    [1, 2, 5, 10, 20].map((workers) => ({ workers, peakMb: 80 + 525 * workers })),
  );
  expect(fit!.perWorkerMb).toBeCloseTo(525, 6);
  expect(fit!.baseMb).toBeCloseTo(80, 6);
  expect(fitMemory([{ workers: 4, peakMb: 400 }])).toEqual({ perWorkerMb: 100, baseMb: 0 });
  expect(fitMemory([])).toBeUndefined();
});

test.each([
  ['openai-tier-1', 'openai-tpm', 2.5],
  ['openai-tier-2', 'openai-tpm', 8.5],
  ['linear', 'none', null],
  ['two-batches', 'work-units', 2],
  ['qdrant-free', 'qdrant', 5],
] as const)('%s, seen from outside only, is still %s', (name, bottleneck, knee) => {
  const lab = labOf(name);
  const cells = lab.workers.map((workers) => seenFromOutside(lab, workers));
  const { verdict, valid } = analyzeMeasured(lab, cells, circumstances, provenance);
  expect(verdict.bottleneck).toBe(bottleneck);
  if (knee === null) expect(verdict.knee).toBeNull();
  else expect(Math.abs(verdict.knee! / knee - 1)).toBeLessThan(0.2);
  expect(valid).toBe(true);
});

test('memory that was measured decides, not the lab’s', () => {
  const lab = { ...labOf('linear'), host: { memoryGb: 2, cores: 32 } };
  const cells = lab.workers.map((workers) =>
    seenFromOutside({ ...lab, host: labOf('linear').host }, workers),
  );
  const { verdict } = analyzeMeasured(lab, cells, circumstances, provenance);
  // (80 % of 2,048 MiB - 80) / 120
  expect(verdict.bottleneck).toBe('memory');
  expect(verdict.knee).toBeCloseTo(12.99, 1);
  expect(verdict.recommendedWorkers).toBe(12);
});

test.each([
  ['all of it was seen', 512],
  ['it went too fast to be seen', 60],
])('a count that ran out of memory bounds the knee, whether %s', (_, peakMb) => {
  const lab = checkLab({ host: { memoryGb: 0.5 }, worker: { memoryMb: 10 } }, 'test');
  const [one, six] = [1, 6].map((workers) => seenFromOutside(lab, workers));
  const killed = {
    ...six!,
    feasible: false,
    peakMb,
    observed: { ...six!.observed, problem: 'out of memory at the limit of 512 MiB' },
  };
  const { verdict } = analyzeMeasured(lab, [one!, killed], circumstances, provenance);
  expect(verdict.bottleneck).toBe('memory');
  // One holds 200 MiB, at worst all its own; six need 512 at least. 80 % of 512 are 409.6.
  expect(verdict.kneeInterval![0]).toBeCloseTo(409.6 / 200, 2);
  expect(verdict.kneeInterval![1]).toBeCloseTo(1 + (5 * (409.6 - 200)) / (512 - 200), 2);
  expect(verdict.recommendedWorkers).toBe(2);
  expect(verdict.evidence.join('\n')).toMatch(/6 workers ran out of it/);
  expect(verdict.evidence.join('\n')).not.toMatch(/not run/);
});

test('a pool whose connections are all in use is what the other workers wait for', () => {
  const lab = checkLab(
    { worker: { readMs: 400, computeMs: 0 }, mysql: { poolSize: 2 }, workload: { records: 200 } },
    'test',
  );
  const cells = lab.workers.map((workers) => ({
    ...seenFromOutside(lab, workers),
    connectionsInUse: workers === 1 ? 0.5 : workers === 2 ? 0.9 : 1.95,
  }));
  const { verdict } = analyzeMeasured(lab, cells, circumstances, provenance);
  expect(verdict.bottleneck).toBe('mysql-pool');
});

test('a cell that failed is marked, kept, and makes the run invalid; the others are judged', () => {
  const lab = labOf('openai-tier-1');
  const cells = lab.workers.map((workers) => seenFromOutside(lab, workers));
  cells[3]!.observed = { ...cells[3]!.observed, usable: false, problem: 'no end within 60 s' };
  const sweep = analyzeMeasured(lab, cells, circumstances, provenance);
  expect(sweep.cells).toHaveLength(5);
  expect(sweep.valid).toBe(false);
  expect(sweep.verdict.bottleneck).toBe('openai-tpm');
  expect(sweep.warnings.find(({ code }) => code === 'cell-failed')!.message).toMatch(
    /^At 10 workers: no end within 60 s/,
  );
});

test('without a usable cell the answer is undetermined', () => {
  const lab = labOf('linear');
  const failed = seenFromOutside(lab, 1);
  failed.observed.usable = false;
  const { verdict, valid } = analyzeMeasured(lab, [failed], circumstances, provenance);
  expect(verdict.bottleneck).toBe('undetermined');
  expect(valid).toBe(false);
});

test('where the pipeline is slower than the lab, the report says so and by what', () => {
  const lab = labOf('linear');
  const slow = { ...lab, worker: { ...lab.worker, computeMs: 280 } };
  const cells = lab.workers.map((workers) => seenFromOutside(slow, workers));
  const { verdict, warnings } = analyzeMeasured(lab, cells, circumstances, provenance);
  expect(verdict.evidence.join('\n')).toMatch(/own work a record 30\d ms, the lab says 100 ms/);
  expect(warnings.map(({ code }) => code)).toContain('model-differs');
});

test('where the simulator has no time for a count, none is compared', () => {
  // By the lab nothing fits; what was measured does.
  const lab = checkLab({ host: { memoryGb: 0.5 }, worker: { memoryMb: 600 } }, 'test');
  const cells = [1, 2].map((workers) =>
    seenFromOutside({ ...lab, worker: { ...lab.worker, memoryMb: 10 } }, workers),
  );
  const { warnings } = analyzeMeasured(lab, cells, circumstances, provenance);
  expect(JSON.stringify(warnings)).not.toMatch(/Infinity|null/);
  expect(warnings.map(({ code }) => code)).not.toContain('model-differs');
});

test('a lone worker that failed is nobody’s baseline', () => {
  const lab = labOf('linear');
  const cells = [1, 2].map((workers) => seenFromOutside(lab, workers));
  cells[0] = {
    ...cells[0]!,
    seconds: 2 * cells[0]!.seconds,
    observed: { ...cells[0]!.observed, usable: false, problem: 'exit code 1' },
  };
  const sweep = analyzeMeasured(lab, cells, circumstances, provenance);
  expect(sweep.cells[1]!.speedup).toBeCloseTo(2, 1);
});

test('a chunk lost of most records does not make the others look slow', () => {
  const lab = labOf('linear');
  const cells = [1, 5].map((workers) => {
    const seen = seenFromOutside(lab, workers);
    return {
      ...seen,
      completeness: { ...seen.completeness, pointsStored: 740, recordsFailed: 60 },
    };
  });
  const { verdict, cells: compared } = analyzeMeasured(lab, cells, circumstances, provenance);
  expect(compared[0]!.recordsPerSecond).toBeCloseTo((100 / 60) * (740 / 800), 2);
  expect(verdict).toMatchObject({ bottleneck: 'none', recommendedWorkers: 5 });
});
