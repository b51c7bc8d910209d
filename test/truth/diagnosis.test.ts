/**
 * The diagnosis against labs whose answer is known by construction (labs.ts): what binds, and at how
 * many workers. Shares of right answers are asserted, and every wrong one is printed.
 */
import { expect, test } from 'vitest';
import { analyze, simulateSweep } from '../../src/analyze/analyze.ts';
import { type Lab, labProblem } from '../../src/model/lab.ts';
import type { Sweep } from '../../src/model/sweep.ts';
import { type RawCell, simulateCell } from '../../src/simulate/cell.ts';
import { randomSource, resources, type TruthLab, truthLab, type Wanted } from './labs.ts';

const provenance = { kneepoint: 'test', node: 'test', labHash: 'test' };
const kinds = [...resources, 'none'] as const;

/** Labs of every kind in turn; those that no user could write, and those not as wanted, are left out. */
function labsOf(
  firstSeed: number,
  each: number,
  wanted: Omit<Wanted, 'resource'>,
  only: readonly Wanted['resource'][] = kinds,
): TruthLab[] {
  const made = only.flatMap((resource, at) =>
    Array.from({ length: each }, (_, index) =>
      truthLab(firstSeed + index * only.length + at, { ...wanted, resource }),
    ),
  );
  return made.filter(
    ({ lab, short }) => labProblem(lab) === undefined && short === (wanted.short === true),
  );
}

type Judged = { truth: TruthLab; sweep: Sweep };

const isRight = ({ truth, sweep }: Judged) => sweep.verdict.bottleneck === truth.bottleneck;
const offBy = ({ truth, sweep }: Judged) => Math.abs(sweep.verdict.knee! / truth.knee! - 1);
const codes = ({ sweep }: Judged) => sweep.warnings.map(({ code }) => code);

const told = ({ truth, sweep: { verdict, cells, warnings } }: Judged): string =>
  `${truth.lab.name}: ${truth.about}, margin ${truth.margin.toFixed(2)}; got ${verdict.bottleneck} at ${verdict.knee} ${JSON.stringify(verdict.kneeInterval)} ` +
  `[${warnings.map(({ code }) => code)}], efficiency ${cells.map((cell) => `${cell.workers}: ${cell.efficiency.toFixed(2)}`).join(', ')}`;

/** Asserts which share of the labs is diagnosed rightly, and of these, which share has its knee within `tolerance`. */
function expectShares(
  judged: Judged[],
  least: { right: number; knees: number },
  tolerance: number,
): void {
  const wrong = judged.filter((entry) => !isRight(entry));
  const binding = judged.filter((entry) => isRight(entry) && entry.truth.knee !== null);
  const far = binding.filter((entry) => !(offBy(entry) <= tolerance));
  const right = 1 - wrong.length / judged.length;
  const knees = 1 - far.length / binding.length;
  process.stdout.write(
    `${judged.length} labs: ${(100 * right).toFixed(1)} % right, ${(100 * knees).toFixed(1)} % of ${binding.length} knees within ${100 * tolerance} %\n` +
      [...wrong, ...far].map((entry) => `  ${told(entry)}\n`).join(''),
  );
  expect(right).toBeGreaterThanOrEqual(least.right);
  expect(knees).toBeGreaterThanOrEqual(least.knees);
  for (const { sweep } of binding) {
    const { knee, kneeInterval } = sweep.verdict;
    expect(kneeInterval![0], sweep.lab.name).toBeLessThanOrEqual(knee!);
    expect(kneeInterval![1], sweep.lab.name).toBeGreaterThanOrEqual(knee!);
  }
}

test('noise-free labs: the bottleneck in 98 of 100, the knee within 5 %', () => {
  const truths = labsOf(100_000, 30, {});
  expect(truths.length).toBeGreaterThan(250);
  const judged = truths.map((truth) => ({ truth, sweep: simulateSweep(truth.lab, provenance) }));
  expectShares(judged, { right: 0.98, knees: 0.98 }, 0.05);
});

test('lognormal latencies, three seeds as repeats: the knee within 15 %, its interval true', () => {
  const truths = labsOf(200_000, 14, { random: true });
  expect(truths.length).toBeGreaterThan(110);
  const judged = truths.map((truth) => {
    const raw = [1, 2, 3].flatMap((repeat) =>
      truth.lab.workers.map((workers) =>
        simulateCell({ ...truth.lab, seed: truth.lab.seed + 7_919 * repeat }, workers),
      ),
    );
    return { truth, sweep: analyze('simulate', truth.lab, raw, provenance) };
  });
  expectShares(judged, { right: 0.98, knees: 0.98 }, 0.15);
  const binding = judged.filter((entry) => isRight(entry) && entry.truth.knee !== null);
  const covered = binding.filter(({ truth, sweep }) => {
    const [low, high] = sweep.verdict.kneeInterval!;
    // Shown with two decimals.
    return truth.knee! >= low - 0.006 && truth.knee! <= high + 0.006;
  });
  expect(covered.length / binding.length).toBeGreaterThan(0.93);
});

test('a run too short for its bucket is never a confident wrong answer', () => {
  const truths = labsOf(300_000, 60, { short: true }, ['openai-tpm', 'openai-rpm']);
  expect(truths.length).toBeGreaterThan(80);
  for (const truth of truths) {
    const entry = { truth, sweep: simulateSweep(truth.lab, provenance) };
    expect([truth.bottleneck, 'undetermined'], told(entry)).toContain(
      entry.sweep.verdict.bottleneck,
    );
    expect(codes(entry), told(entry)).toContain('bucket-never-drained');
    if (isRight(entry)) expect(offBy(entry), told(entry)).toBeLessThan(0.05);
  }
});

test('a full bucket that carries a share of the work hides no limit', () => {
  const truths = labsOf(700_000, 60, { borrowed: true }, ['openai-tpm', 'openai-rpm']);
  expect(truths.length).toBeGreaterThan(100);
  const judged = truths.map((truth) => ({ truth, sweep: simulateSweep(truth.lab, provenance) }));
  expectShares(judged, { right: 0.98, knees: 0.98 }, 0.05);
});

test('with hardly more claims than workers, what binds is still told, or that nobody can tell', () => {
  const truths = labsOf(400_000, 12, {}, ['qdrant', 'mysql-pool', 'client-cpu', 'none']);
  for (const truth of truths) {
    const { workload, workers } = truth.lab;
    const claims = Math.ceil(1.2 * workers.at(-1)!);
    const lab: Lab = {
      ...truth.lab,
      workload: { ...workload, records: claims * workload.recordsPerClaim },
    };
    const entry = { truth, sweep: simulateSweep(lab, provenance) };
    const { bottleneck } = entry.sweep.verdict;
    const confident = bottleneck !== 'undetermined' && codes(entry).length === 0;
    if (confident) expect(bottleneck, told(entry)).toBe(truth.bottleneck);
    else expect([truth.bottleneck, 'none', 'undetermined'], told(entry)).toContain(bottleneck);
  }
});

/** Times that scatter by up to 3 % either way, as on a real machine. */
const shaken = (cells: RawCell[], u: () => number): RawCell[] =>
  cells.map((cell) => {
    const by = 1 + 0.06 * (u() - 0.5);
    return { ...cell, seconds: cell.seconds * by, recordsPerSecond: cell.recordsPerSecond / by };
  });

test('cells that scatter by 3 % are diagnosed as well', () => {
  const truths = labsOf(500_000, 12, { random: true });
  const judged = truths.map((truth) => {
    const { lab } = truth;
    const raw = lab.workers.map((workers) => simulateCell(lab, workers));
    const cells = shaken(raw, randomSource(lab.seed));
    return { truth, sweep: analyze('k6', lab, cells, provenance) };
  });
  expectShares(judged, { right: 0.97, knees: 0.97 }, 0.15);
});

/** The lab with every figure of its services and its machine 20 % too high or too low. */
function misjudged(lab: Lab, u: () => number): Lab {
  const by = () => (u() < 0.5 ? 0.8 : 1.2);
  const whole = (value: number) => Math.max(1, Math.round(value * by()));
  const latency = <T extends Lab['openai']['latency']>(spec: T): T => {
    const factor = by();
    return Object.fromEntries(
      Object.entries(spec).map(([name, value]) => [
        name,
        typeof value === 'number' ? value * factor : value,
      ]),
    ) as T;
  };
  const { openai, qdrant, worker, mysql, host } = lab;
  const limits = Object.fromEntries(
    Object.entries(openai.limits).map(([name, limit]) => [name, whole(limit as number)]),
  );
  return {
    ...lab,
    openai: { ...openai, limits, latency: latency(openai.latency) },
    qdrant: {
      ...qdrant,
      latency: latency(qdrant.latency),
      pointsPerSecond: qdrant.pointsPerSecond * by(),
    },
    worker: { ...worker, readMs: worker.readMs * by(), computeMs: worker.computeMs * by() },
    mysql: { poolSize: whole(mysql.poolSize) },
    host: { ...host, cores: whole(host.cores) },
  };
}

test('the cells decide, even where every figure of the lab is off by 20 %', () => {
  const truths = labsOf(600_000, 12, { leastMargin: 1.3 });
  const judged = truths.flatMap((truth) => {
    const u = randomSource(truth.lab.seed);
    const raw = truth.lab.workers.map((workers) => simulateCell(truth.lab, workers));
    const lab = misjudged(truth.lab, u);
    if (labProblem(lab)) return [];
    return [{ truth, sweep: analyze('k6', lab, shaken(raw, u), provenance) }];
  });
  expectShares(judged, { right: 0.95, knees: 0.9 }, 0.15);
});
