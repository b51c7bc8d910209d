import fc from 'fast-check';
import { expect, test } from 'vitest';
import { randomSource, resources, type TruthLab, truthLab } from '../../test/truth/labs.ts';
import { completeLab, type Lab, labProblem } from '../model/lab.ts';
import { labs } from '../model/labs.ts';
import type { Sweep } from '../model/sweep.ts';
import { type RawCell, simulateCell } from '../simulate/cell.ts';
import { type Aim, aimOfAuto, aimOfRefining, nextWorkers } from './adaptive.ts';
import { analyze, simulateSweep } from './analyze.ts';

const provenance = { kneepoint: 'test', node: 'test', labHash: 'test' };

/** Runs what is asked for until nothing more is; `measure` stands for an engine. */
function placed(
  lab: Lab,
  aim: Aim,
  first: number[] = [],
  measure = (workers: number): RawCell => simulateCell(lab, workers),
): { rounds: number[][]; why: string; sweep: Sweep } {
  const cells = new Map<number, RawCell>();
  const rounds: number[][] = [];
  let [wanted, why] = [first, ''];
  if (first.length === 0) ({ workers: wanted, why } = nextWorkers(lab, [], aim));
  while (wanted.length > 0) {
    rounds.push(wanted);
    for (const workers of wanted) {
      expect(cells.has(workers), `${workers} workers twice`).toBe(false);
      expect(workers).toBeLessThanOrEqual(aim.mostWorkers);
      cells.set(workers, measure(workers));
    }
    ({ workers: wanted, why } = nextWorkers(lab, [...cells.values()], aim));
    expect(wanted).toEqual(wanted.toSorted((a, b) => a - b));
  }
  expect(cells.size).toBeLessThanOrEqual(Math.max(aim.mostCells, first.length));
  const ran = [...cells.keys()].sort((a, b) => a - b);
  const sweep = analyze(
    'simulate',
    { ...lab, workers: ran },
    ran.map((workers) => cells.get(workers)!),
    provenance,
  );
  return { rounds, why, sweep };
}

test('by hand: one and two workers predict 2.5, the next are just and clearly above it', () => {
  // 1,000,000 TPM are 4.17 records a second of 4,000 tokens; at 0.6 s a record 2.5 workers. Two are below
  // it, 1.2 times is 3, twice is 5.
  expect(placed(labs['openai-tier-1']!, aimOfAuto(20))).toMatchObject({
    rounds: [
      [1, 2],
      [3, 5],
    ],
    why: 'the knee near 2.5 (openai-tpm) is bracketed',
    sweep: { verdict: { bottleneck: 'openai-tpm', knee: 2.5, recommendedWorkers: 2 } },
  });
});

test('by hand: 5.3 million TPM are full at 13.25: 13, 16 and 27, as far as the limit allows', () => {
  const lab = completeLab({ openai: { limits: { tpm: 5_300_000 }, bucket: { tpm: 'empty' } } });
  expect(placed({ ...lab }, aimOfAuto(50)).rounds).toEqual([
    [1, 2],
    [13, 16, 27],
  ]);
  expect(placed({ ...lab }, aimOfAuto(20)).rounds[1]).toEqual([13, 16, 20]);
});

test.each(Object.keys(labs))('%s: the same answer as by its own matrix', (name) => {
  const lab = labs[name]!;
  const given = simulateSweep(lab, provenance).verdict;
  const { sweep } = placed(lab, aimOfAuto(20));
  expect(sweep.verdict).toMatchObject({
    bottleneck: given.bottleneck,
    recommendedWorkers: given.recommendedWorkers,
  });
  if (given.knee === null) expect(sweep.verdict.knee).toBeNull();
  else expect(Math.abs(sweep.verdict.knee! / given.knee - 1)).toBeLessThan(0.03);
});

test('a knee beyond the usual matrix is found where the limit is further up', () => {
  const lab = completeLab({
    workload: { records: 2_000 },
    host: { memoryGb: 1_000, cores: 500 },
    mysql: { poolSize: 500 },
    openai: { limits: { tpm: 14_800_000 }, bucket: { tpm: 'empty' } },
  });
  // 14,800,000 / 60 / 4,000 records a second, 0.6 s each: 37.
  const { sweep } = placed(lab, aimOfAuto(100));
  expect(sweep.verdict.bottleneck).toBe('openai-tpm');
  expect(sweep.verdict.knee).toBeCloseTo(37, 0);
});

test('what does not fit into memory is placed once at most', () => {
  const lab = completeLab({ host: { memoryGb: 4 }, worker: { memoryMb: 525 } });
  const { rounds, sweep } = placed(lab, aimOfAuto(20));
  const refused = sweep.cells.filter(({ feasible }) => !feasible);
  expect(refused.length).toBeLessThanOrEqual(1);
  expect(rounds.flat().length).toBe(sweep.cells.length);
  expect(sweep.verdict.bottleneck).toBe('memory');
});

test('a full bucket is not hunted for with cells that can not show it', () => {
  const { sweep, why } = placed(labs['pilot-trap']!, aimOfAuto(20));
  expect(sweep.cells.length).toBeLessThanOrEqual(4);
  expect(why).toContain('a full bucket hides it');
  expect(sweep.verdict).toMatchObject({ bottleneck: 'openai-tpm', knee: 2.5 });
});

test('refining adds cells around the knee of a matrix, and none beyond it', () => {
  const { workers } = labs['openai-tier-2']!;
  const { rounds } = placed(labs['openai-tier-2']!, aimOfRefining(workers), workers);
  expect(rounds).toEqual([workers, [8]]);
  const wide = placed(labs['worked-example']!, aimOfRefining([1, 20]), [1, 20]).sweep;
  expect(wide.cells.every((cell) => cell.workers <= 20)).toBe(true);
  expect(wide.verdict.bottleneck).toBe('qdrant');
  expect(wide.verdict.recommendedWorkers).toBe(8);
});

const kinds = [...resources, 'none'] as const;
const truths = kinds.flatMap((resource, at) =>
  Array.from({ length: 9 }, (_, index) =>
    truthLab(700_000 + index * kinds.length + at, { resource }),
  ),
);

test('labs with a known answer: as often right as with a matrix, with fewer cells', () => {
  const usable = truths.filter(({ lab, short }) => !short && labProblem(lab) === undefined);
  expect(usable.length).toBeGreaterThan(60);
  let [right, givenRight, near, cells, givenCells] = [0, 0, 0, 0, 0];
  const told: string[] = [];
  const isRight = (sweep: Sweep, truth: TruthLab) => sweep.verdict.bottleneck === truth.bottleneck;
  for (const truth of usable) {
    const most = truth.lab.workers.at(-1)!;
    const matrix = [1, 2, 5, 10, 20, most].filter((count) => count <= most);
    const given = simulateSweep({ ...truth.lab, workers: [...new Set(matrix)] }, provenance);
    const { sweep, why } = placed(truth.lab, aimOfAuto(most));
    givenRight += Number(isRight(given, truth));
    right += Number(isRight(sweep, truth));
    cells += sweep.cells.length;
    givenCells += given.cells.length;
    const { knee } = sweep.verdict;
    const isNear =
      truth.knee === null ? knee === null : Math.abs((knee ?? 0) / truth.knee - 1) < 0.05;
    near += Number(isRight(sweep, truth) && isNear);
    if (!isRight(sweep, truth) || !isNear)
      told.push(`${truth.lab.name} ${truth.about}: ${sweep.verdict.bottleneck} ${knee}; ${why}`);
  }
  expect(right, told.join('\n')).toBeGreaterThanOrEqual(
    Math.max(givenRight - 1, 0.96 * usable.length),
  );
  expect(near, told.join('\n')).toBeGreaterThanOrEqual(0.98 * right);
  expect(cells).toBeLessThan(givenCells);
});

test('it ends whatever the cells say: times that have nothing to do with the worker count', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...truths.filter(({ lab }) => labProblem(lab) === undefined)),
      fc.integer({ min: 0, max: 1e6 }),
      fc.constantFrom(0.05, 0.5, 3),
      fc.integer({ min: 2, max: 200 }),
      ({ lab }, seed, spread, most) => {
        const small = {
          ...lab,
          workload: { ...lab.workload, records: Math.min(200, lab.workload.records) },
        };
        const u = randomSource(seed);
        placed(small, aimOfAuto(most), [], (workers) => {
          const cell = simulateCell(small, workers);
          const by = Math.exp(spread * (u() - 0.5));
          return {
            ...cell,
            seconds: cell.seconds * by,
            recordsPerSecond: cell.recordsPerSecond / by,
          };
        });
      },
    ),
    { numRuns: 60 },
  );
});
