import type { Lab } from '../../model/lab.ts';
import type { Bottleneck, Cell, Repeat, Sweep, Warning } from '../../model/sweep.ts';
import {
  type Check,
  counted,
  figure,
  hasVerdict,
  notRunReason,
  noVerdict,
  percent,
  runsOf,
} from './checks.ts';

type Expect = Lab['expect'];

/** What can be expected to bind. A record, so that one more bottleneck can't be forgotten here. */
const expectable: Record<Bottleneck, boolean> = {
  'openai-rpm': true,
  'openai-tpm': true,
  'openai-rpd': true,
  qdrant: true,
  'mysql-pool': true,
  memory: true,
  'work-units': true,
  'client-cpu': true,
  none: true,
  undetermined: false,
};
const bottlenecks = Object.entries(expectable).flatMap(([name, may]) => (may ? [name] : []));

/** Whether `expect` asserts anything; `workers` alone only says where. */
export const expectsNothing = ({ workers: _where, ...rest }: Expect): boolean =>
  Object.keys(rest).length === 0;

/** Why a lab's `expect` can't be checked: one line that names the field and the fix. Undefined where it can. */
export function expectationsProblem({ expect, workers }: Lab): string | undefined {
  if (expect.workers !== undefined && !workers.includes(expect.workers))
    return `expect.workers: ${expect.workers} is not among the worker counts ${workers.join(', ')}; use one of them`;
  if (expect.complete === false)
    return 'expect.complete: false asserts nothing; leave it out, or use true';
  if (expect.bottleneck !== undefined && !bottlenecks.includes(expect.bottleneck))
    return `expect.bottleneck: "${expect.bottleneck}" is not one of ${bottlenecks.join(', ')}`;
  return undefined;
}

type Judged = Pick<Check, 'seen' | 'status'>;

const judged = (holds: boolean, seen: string): Judged => ({
  seen,
  status: holds ? 'passed' : 'failed',
});
const missing = (seen: string): Judged => ({ seen, status: 'missing' });

/** The worst run of a cell in one count: a limit that one run in three breaks is broken. */
const worst = (cell: Cell, name: keyof Repeat): number =>
  Math.max(...runsOf(cell).map((run) => run[name]));

type CellRule = {
  key: Exclude<keyof Expect, 'workers' | 'bottleneck' | 'minRecommendedWorkers'>;
  expected: (limit: number) => string;
  judge: (cell: Cell, limit: number) => Judged;
  /** Whether a full bucket that never drained flatters it. */
  flattered?: true;
  /** Whether it can be told of a cell that was not run. */
  knownBefore?: true;
};

/**
 * What the keys about a worker count mean. Times and efficiency are the cell's own (over several runs
 * the geometric mean); counts are those of the worst run.
 */
const cellRules: CellRule[] = [
  {
    key: 'maxSeconds',
    expected: (limit) => `at most ${figure(limit)} s`,
    judge: ({ seconds }, limit) => judged(seconds <= limit, `${figure(seconds)} s`),
    flattered: true,
  },
  {
    key: 'minEfficiency',
    expected: (limit) => `at least ${percent(limit)}`,
    judge: ({ efficiency }, limit) => judged(efficiency >= limit, percent(efficiency)),
    flattered: true,
  },
  {
    key: 'maxRateLimited',
    expected: (limit) => `at most ${counted(limit, '429')}`,
    judge(cell, limit) {
      if (cell.openai.requests === 0) return missing('no embeddings request was seen');
      const seen = worst(cell, 'rateLimited');
      return judged(seen <= limit, counted(seen, '429'));
    },
    flattered: true,
  },
  {
    key: 'maxQdrantTimeouts',
    expected: (limit) => `at most ${counted(limit, 'timeout')}`,
    judge(cell, limit) {
      if (cell.qdrant.requests === 0) return missing('no upsert was seen');
      const seen = worst(cell, 'timeouts');
      return judged(seen <= limit, counted(seen, 'timeout'));
    },
  },
  {
    key: 'maxMemoryShare',
    expected: (limit) => `at most ${percent(limit)} of the host`,
    judge({ memory }, limit) {
      if (!(memory.megabytes > 0)) return missing('no memory was measured or given');
      const origin = memory.measured ? '' : ' (computed)';
      return judged(memory.shareOfHost <= limit, `${percent(memory.shareOfHost)}${origin}`);
    },
    knownBefore: true,
  },
  {
    key: 'complete',
    expected: () => 'every record and every point',
    judge(cell) {
      const { records, pointsExpected } = cell.completeness;
      if (records === 0) return missing('no record was counted');
      const lost = worst(cell, 'recordsFailed');
      const points = Math.min(...runsOf(cell).map(({ pointsStored }) => pointsStored));
      const all = lost === 0 && points >= pointsExpected;
      const seen = `${figure(records - lost)} of ${counted(records, 'record')}, ${figure(points)} of ${counted(pointsExpected, 'point')}`;
      return judged(all, seen);
    },
  },
];

/** A pass that the data is too kind for is told as such: production has no full bucket to begin with. */
function cautious(check: Check, short: Warning | undefined): Check {
  if (!short || check.status !== 'passed') return check;
  return {
    ...check,
    status: 'warned',
    seen: `${check.seen}, from a bucket that was full`,
    remedy: short.remedy,
  };
}

/**
 * Holds a run against what a lab expects. Keys about a worker count are asserted of `expect.workers`,
 * or of every cell where that is absent; `bottleneck` and `minRecommendedWorkers` of the verdict. What
 * the run has no samples for is `missing`.
 */
export function checkExpectations(sweep: Sweep, expect: Expect = sweep.lab.expect): Check[] {
  const short = sweep.warnings.find(({ code }) => code === 'bucket-never-drained');
  const counts = expect.workers === undefined ? sweep.lab.workers : [expect.workers];
  const cellChecks = cellRules.flatMap((rule): Check[] => {
    const asked = expect[rule.key];
    if (asked === undefined || asked === false) return [];
    const limit = Number(asked);
    return counts.map((workers): Check => {
      const cell = sweep.cells.find((other) => other.workers === workers);
      const reason = cell ? notRunReason(cell) : 'not measured';
      const unknown = !cell || (reason !== undefined && !(rule.knownBefore && !cell.feasible));
      const result = unknown ? missing(reason!) : rule.judge(cell, limit);
      const check = {
        name: `expect.${rule.key}`,
        workers,
        expected: rule.expected(limit),
        ...result,
      };
      if (result.status !== 'missing') return cautious(check, rule.flattered && short);
      return {
        ...check,
        remedy: 'Set expect.workers to a count that is run, or mend what kept it from running.',
      };
    });
  });

  const { verdict } = sweep;
  const ofVerdict = (name: string, expected: string, result: Judged): Check => ({
    name: `expect.${name}`,
    expected,
    ...(hasVerdict(sweep) ? result : noVerdict),
  });
  const checks = [...cellChecks];
  if (expect.bottleneck !== undefined)
    checks.push(
      ofVerdict(
        'bottleneck',
        expect.bottleneck,
        judged(verdict.bottleneck === expect.bottleneck, verdict.bottleneck),
      ),
    );
  if (expect.minRecommendedWorkers !== undefined)
    checks.push(
      ofVerdict(
        'minRecommendedWorkers',
        `at least ${counted(expect.minRecommendedWorkers, 'worker')}`,
        judged(
          verdict.recommendedWorkers >= expect.minRecommendedWorkers,
          counted(verdict.recommendedWorkers, 'worker'),
        ),
      ),
    );
  return checks;
}
