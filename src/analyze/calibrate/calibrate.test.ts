import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { completeLab, type Lab } from '../../model/lab.ts';
import type { LabFile } from '../../model/lab-schema.ts';
import { labFiles, labs } from '../../model/labs.ts';
import { demandSeconds } from '../../model/services.ts';
import { simulateCell } from '../../simulate/cell.ts';
import { analyzeMeasured, simulateSweep } from '../analyze.ts';
import type { MeasuredCell } from '../exec/measured.ts';
import { calibrate, type Finding, withoutFilledIn } from './calibrate.ts';
import { findingsOf } from './exec.ts';
import { readAnswers } from './headers.ts';
import { pointNames, readSamples } from './samples.ts';
import { fromHeaders, fromLatencies } from './sources.ts';

const lab = (file: LabFile = {}) => completeLab(file);
const finding = (field: string, value: unknown): Finding => ({
  field,
  value,
  grade: 'measured',
  source: 'a.csv',
  how: '10 samples',
});

/** What exec would see of a pipeline that behaves as `truth` says. */
function asMeasured(truth: Lab, workers: number): MeasuredCell {
  const cell = simulateCell(truth, workers);
  const spent = (state: keyof typeof cell.absorbed) => cell.absorbed[state] * cell.seconds;
  const { records } = truth.workload;
  return {
    ...cell,
    spentSeconds: { embed: spent('embed'), qdrant: spent('qdrant'), backoff: spent('backoff') },
    peakMb: truth.worker.baseMemoryMb + workers * truth.worker.memoryMb,
    pointsPerRecord: truth.workload.chunksPerRecord,
    observed: {
      usable: true,
      wholeSeconds: cell.seconds,
      startUpSeconds: 0,
      exitCode: 0,
      cpuSeconds: (records * truth.worker.computeMs) / 1_000,
      waits: { obeyed: 0, early: 0, meanEarlyMs: 0, unknown: 0 },
      memory: { source: 'pss', peakProcesses: workers, samples: [] },
      leftBehind: 0,
      duplicatePoints: 0,
      lostRecords: [],
      log: 'command.log',
    },
  };
}

const provenance = { kneepoint: '0.1.0', node: 'v24.0.0', labHash: 'none' };
function execSweep(given: Lab, truth: Lab, counts = [1, 4], services?: string) {
  const cells = counts.map((workers) => asMeasured(truth, workers));
  const realServices = services !== undefined;
  return analyzeMeasured(
    { ...given, workers: counts },
    cells,
    { machineCores: 32, realServices },
    {
      ...provenance,
      ...(services && { services }),
    },
  );
}
const found = (base: Lab, sweep: ReturnType<typeof execSweep>) => {
  const result = findingsOf(base, sweep, 'exec');
  if ('problem' in result) throw new Error(result.problem);
  return result;
};

describe('a calibrated lab', () => {
  test('leaves to tier and plan what is theirs, so that others bring their own', () => {
    for (const [name, built] of Object.entries(labs)) {
      const lean = withoutFilledIn(built);
      expect(completeLab(lean), name).toEqual(built);
      const other = { ...lean, openai: { ...lean.openai, tier: 'tier-5' } } as LabFile;
      expect(completeLab(other).openai.limits, name).toEqual({ rpm: 10_000, tpm: 10_000_000 });
    }
    const own = lab({ openai: { tier: 'tier-1', limits: { tpm: 5 } }, qdrant: { slots: 7 } });
    expect(withoutFilledIn(own)).toMatchObject({
      openai: { limits: { tpm: 5 } },
      qdrant: { slots: 7 },
    });
  });

  test('says what changed, from what to what, by whom, and what is still assumed', () => {
    const { changes, origins, assumed } = calibrate(
      lab(),
      [finding('openai.latency', { p50: 300, p95: 500, p99: 700 })],
      new Map([['worker.memoryMb', 'measured: before (b.csv)']]),
    );
    expect(changes).toEqual([
      {
        field: 'openai.latency',
        from: '{ fixed: 380 }',
        to: '{ p50: 300, p95: 500, p99: 700 }',
        by: 'measured, a.csv',
      },
    ]);
    expect(origins.get('openai.latency')).toBe('measured: 10 samples (a.csv)');
    expect(origins.get('worker.memoryMb')).toBe('measured: before (b.csv)');
    expect(assumed).toContain('worker.computeMs');
    expect(assumed).not.toContain('openai.latency');
    expect(assumed).not.toContain('worker.memoryMb');
  });
});

describe('headers and latencies', () => {
  const answers = readAnswers(
    'HTTP/2 200\nx-ratelimit-limit-requests: 5000\nx-ratelimit-limit-tokens: 5000000\n',
  );

  test('set the tier and take away limits of an earlier one', () => {
    const base = lab({ openai: { tier: 'tier-1', limits: { tpm: 123_456 } } });
    const result = fromHeaders(answers as never, base, undefined, 'h.txt');
    const after = completeLab(calibrate(base, 'findings' in result ? result.findings : []).lab);
    expect(after.openai).toMatchObject({
      tier: 'tier-3',
      limits: { rpm: 5_000, tpm: 5_000_000 },
      model: 'text-embedding-3-small',
    });
  });

  const upserts = (ms: number) =>
    readSamples(`latency_ms,points\n${`${ms},8\n`.repeat(100)}`, {
      sizeNames: pointNames,
    }) as never;

  test('take from an upsert what the plan adds itself: simulated, it takes what was measured', () => {
    const base = lab({ qdrant: { plan: 'standard-2' } });
    const result = fromLatencies('qdrant', upserts(90), base, 'q.csv');
    const after = completeLab(calibrate(base, 'findings' in result ? result.findings : []).lab);
    expect(demandSeconds(after).qdrant).toBeCloseTo(0.09, 9);
    expect(simulateCell(after, 1).qdrant.latencyMs.p50).toBeCloseTo(90, 0);
  });

  test('that are less than the plan needs are refused, with the plan', () => {
    const base = lab({ qdrant: { plan: 'free' } });
    expect(fromLatencies('qdrant', upserts(9), base, 'q.csv')).toMatchObject({
      problem: expect.stringMatching(/9 ms is less than the 16 ms that qdrant.plan free/),
    });
  });
});

describe('an earlier exec', () => {
  test('gives a lab that takes as long, whatever the pipeline is like', () => {
    fc.assert(
      fc.property(
        fc.record({
          readMs: fc.integer({ min: 0, max: 200 }),
          computeMs: fc.integer({ min: 0, max: 400 }),
          memoryMb: fc.integer({ min: 10, max: 900 }),
          baseMemoryMb: fc.integer({ min: 0, max: 500 }),
        }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 100, max: 4_000 }),
        fc.constantFrom('linear', 'openai-tier-1', 'worked-example'),
        (worker, chunksPerRecord, bytesPerChunk, name) => {
          const truth = lab({
            ...labFiles[name],
            workload: { records: 60, chunksPerRecord, bytesPerChunk },
            worker,
          });
          const given = lab({ ...labFiles[name], workload: { records: 60 } });
          const { findings, checked } = found(given, execSweep(given, truth));
          for (const { workers, measuredSeconds, simulatedSeconds } of checked)
            expect(
              Math.abs(simulatedSeconds / measuredSeconds - 1),
              `${workers} workers: ${measuredSeconds} s, ${simulatedSeconds} s`,
            ).toBeLessThan(0.05);
          const after = completeLab(calibrate(given, findings).lab);
          expect(after.workload.chunksPerRecord).toBe(chunksPerRecord);
          expect(Math.abs(after.workload.bytesPerChunk - bytesPerChunk)).toBeLessThanOrEqual(4);
          expect(after.worker.memoryMb).toBeCloseTo(worker.memoryMb, 0);
          expect(after.worker.baseMemoryMb).toBeCloseTo(worker.baseMemoryMb, 0);
        },
      ),
      { numRuns: 60, seed: 3 },
    );
  });

  test.each([
    ['smaller batches', { chunksPerRecord: 8, batchSize: 4 }, { batchSize: 4 }],
    ['batches over records', { chunksPerRecord: 8, recordsPerClaim: 6 }, { recordsPerClaim: 6 }],
    ["the lab's own batches", { chunksPerRecord: 8 }, {}],
  ])('finds %s by the requests', (_, workload, expected) => {
    const truth = lab({ workload: { records: 60, ...workload } });
    const given = lab({ workload: { records: 60 } });
    const { findings, checked } = found(given, execSweep(given, truth));
    const batching = findings.filter(({ field }) => /batchSize|recordsPerClaim/.test(field));
    expect(Object.fromEntries(batching.map(({ field, value }) => [field.slice(9), value]))).toEqual(
      expected,
    );
    for (const { measuredSeconds, simulatedSeconds } of checked)
      expect(Math.abs(simulatedSeconds / measuredSeconds - 1)).toBeLessThan(0.05);
  });

  test('against the mocks leaves latencies assumed; against real services takes them', () => {
    const truth = lab({
      workload: { records: 200 },
      openai: { latency: { p50: 200, p95: 400, p99: 600 } },
      qdrant: { latency: { fixed: 40 } },
    });
    const mocks = found(lab(), execSweep(lab({ workload: { records: 200 } }), truth));
    expect(mocks.findings.map(({ field }) => field)).not.toContain('openai.latency');
    expect(mocks.notes.join()).toContain('against the mocks');

    const given = lab({ workload: { records: 200 } });
    const real = found(given, execSweep(given, truth, [1, 4], 'api.openai.com'));
    const took = (field: string) => real.findings.find((each) => each.field === field)?.value;
    expect(took('qdrant.latency')).toEqual({ fixed: 40 });
    const { p50 } = took('openai.latency') as { p50: number };
    expect(Math.abs(p50 / 200 - 1)).toBeLessThan(0.1);
    for (const { measuredSeconds, simulatedSeconds } of real.checked)
      expect(Math.abs(simulatedSeconds / measuredSeconds - 1)).toBeLessThan(0.05);
  });

  test('of one worker count does not claim to know what the program needs by itself', () => {
    const truth = lab({ worker: { memoryMb: 100, baseMemoryMb: 50 } });
    const { findings, notes } = found(lab(), execSweep(lab(), truth, [4]));
    const memory = findings.filter(({ field }) => field.includes('emoryMb'));
    expect(memory).toMatchObject([
      { value: 112.5, grade: 'measured' },
      { value: 0, grade: 'assumed' },
    ]);
    expect(notes.join()).toContain('two or more');
  });

  test('is refused where it measured nothing, or was no exec', () => {
    const simulated = simulateSweep(lab({ workers: [1] }), provenance);
    expect(findingsOf(lab(), simulated, 'x')).toMatchObject({
      problem: expect.stringContaining('is a run with simulate'),
    });
    const failed = execSweep(lab(), lab());
    for (const cell of failed.cells) cell.command!.usable = false;
    expect(findingsOf(lab(), failed, 'x')).toMatchObject({
      problem: expect.stringContaining('no worker count'),
    });
  });
});
