/**
 * What a lab expects as thresholds of plain k6, which exits with 99 where one is crossed:
 *
 *   k6 run -e KNEEPOINT_LAB=/path/to/lab.json k6/capacity-check.ts
 *   k6 run -e LAB=openai-tier-1 -e EXPECT_WORKERS=5 -e MAX_SECONDS=30 k6/capacity-check.ts
 *
 * A threshold sees one metric and not the analysis, so two things differ from `kneepoint check`. Efficiency
 * is held against the simulator's one worker. And the verdict is the simulator's: it is asserted together
 * with every cell's time being within 10 % of the simulated one, since a run that agrees has its verdict.
 */
import exec from 'k6/execution';
import { Counter, Trend } from 'k6/metrics';
import { simulateSweep } from '../src/analyze/analyze.ts';
import type { Check } from '../src/analyze/check/checks.ts';
import {
  checkExpectations,
  expectationsProblem,
  expectsNothing,
} from '../src/analyze/check/expectations.ts';
import { completeLab, type Lab } from '../src/model/lab.ts';
import type { LabFile } from '../src/model/lab-schema.ts';
import { labs } from '../src/model/labs.ts';
import { createWorkload } from '../src/model/workload.ts';
import { renderChecks } from '../src/report/check-table.ts';
import { memoryOf, simulateCell } from '../src/simulate/cell.ts';
import type { K6Summary } from './cells.ts';
import { matrix, narrowed } from './matrix.ts';
import { refuse } from './refuse.ts';

type Expect = Lab['expect'];

/** Share of the predicted time that a cell may be off for the simulator's verdict to be the run's (assumed). */
const agreement = 0.1;

/** Virtual seconds from the start of a cell to the end of each claim; the last one is the cell's time. */
const seconds = new Trend('kp_check_seconds');
/** One where something that is known before the run holds. A counter: without samples it is zero, and fails. */
const holds = new Counter('kp_check_holds');

/** A part of `expect` from the environment, as `-e MAX_SECONDS=30` gives it. */
function expectFromEnvironment(): Expect {
  const number = (name: string): number | undefined => {
    const text = __ENV[name];
    if (!text) return undefined;
    const value = Number(text);
    if (!(Number.isFinite(value) && value >= 0))
      refuse(`${name}: must be a number from 0 on, got ${text}`);
    return value;
  };
  const { COMPLETE: complete } = __ENV;
  if (complete && complete !== 'true')
    refuse(`COMPLETE: must be true, got ${complete}; leave it out to ask for nothing`);
  const given = {
    workers: number('EXPECT_WORKERS'),
    maxSeconds: number('MAX_SECONDS'),
    minEfficiency: number('MIN_EFFICIENCY'),
    maxRateLimited: number('MAX_RATE_LIMITED'),
    maxQdrantTimeouts: number('MAX_QDRANT_TIMEOUTS'),
    maxMemoryShare: number('MAX_MEMORY_SHARE'),
    complete: complete ? true : undefined,
    bottleneck: __ENV.BOTTLENECK || undefined,
    minRecommendedWorkers: number('MIN_RECOMMENDED_WORKERS'),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** A lab file of JSON: k6 reads no YAML. */
function labIn(file: string): LabFile {
  let text: string;
  try {
    text = open(file);
  } catch {
    return refuse(`KNEEPOINT_LAB: cannot read ${file}; give the whole path, or LAB=linear`);
  }
  try {
    return JSON.parse(text) as LabFile;
  } catch {
    return refuse(`KNEEPOINT_LAB: ${file} is not JSON, and k6 reads no YAML`);
  }
}

/** The lab of `-e KNEEPOINT_LAB=file` or `-e LAB=name`, with what the environment expects of it. */
function givenLab(): Lab {
  const { LAB: name, KNEEPOINT_LAB: file } = __ENV;
  if (name && !Object.hasOwn(labs, name))
    refuse(`LAB: no built-in lab ${name}; use one of ${Object.keys(labs).join(', ')}`);
  const lab = name ? labs[name]! : completeLab(labIn(file ?? 'lab.json'));
  return narrowed({ ...lab, expect: { ...lab.expect, ...expectFromEnvironment() } });
}

/** A check as a threshold: an expression over a metric, and what it is about. */
type Limit = Pick<Check, 'name' | 'workers' | 'expected'> & {
  metric: string;
  expression: string;
  /** Where this is known before the run. */
  known?: { tags: Record<string, string>; holds: boolean };
};

/** What a cell's checks rest on: without all of its claims and requests none of them means anything. */
const samplesOf = (lab: Lab, workers: number): Limit[] =>
  [
    ['kp_claims', createWorkload(lab.workload).claims, 'claims'],
    ['kp_embeds', 1, 'embeddings request'],
    ['kp_upserts', 1, 'upsert'],
  ].map(([metric, least, noun]) => ({
    name: 'samples',
    workers: workers,
    expected: `at least ${least} ${noun}`,
    metric: `${metric}{workers:${workers}}`,
    expression: `count>=${least}`,
  }));

function cellLimits(lab: Lab, workers: number): Limit[] {
  const { maxSeconds, minEfficiency, maxRateLimited, maxQdrantTimeouts, maxMemoryShare, complete } =
    lab.expect;
  const limits: Limit[] = [];
  const limit = (
    name: keyof Expect,
    expected: string,
    metric: string,
    expression: string,
    more?: Pick<Limit, 'known'>,
  ) => limits.push({ name: `expect.${name}`, workers, expected, metric, expression, ...more });
  const time = `kp_check_seconds{workers:${workers}}`;
  const points = lab.workload.records * lab.workload.chunksPerRecord;
  if (maxSeconds !== undefined)
    limit('maxSeconds', `at most ${maxSeconds} s`, time, `max<=${maxSeconds}`);
  if (minEfficiency) {
    const most = simulateCell(lab, 1).seconds / workers / minEfficiency;
    const rounded = Number(most.toPrecision(6));
    limit('minEfficiency', `${minEfficiency}, so at most ${rounded} s`, time, `max<=${rounded}`);
  }
  if (maxRateLimited !== undefined)
    limit(
      'maxRateLimited',
      `at most ${maxRateLimited} 429s`,
      `http_reqs{name:embeddings,status:429,workers:${workers}}`,
      `count<=${maxRateLimited}`,
    );
  if (maxQdrantTimeouts !== undefined)
    limit(
      'maxQdrantTimeouts',
      `at most ${maxQdrantTimeouts} timeouts`,
      `kp_timeouts{workers:${workers}}`,
      `count<=${maxQdrantTimeouts}`,
    );
  if (maxMemoryShare !== undefined) {
    const { megabytes, shareOfHost } = memoryOf(lab, workers);
    const tags = { check: 'memory', workers: String(workers) };
    limit(
      'maxMemoryShare',
      `${shareOfHost.toPrecision(3)} of the host at most ${maxMemoryShare} (computed)`,
      `kp_check_holds{check:memory,workers:${workers}}`,
      'count>0',
      { known: { tags, holds: megabytes > 0 && shareOfHost <= maxMemoryShare } },
    );
  }
  if (complete) {
    const lost = `kp_records_failed{workers:${workers}}`;
    limit('complete', 'no record lost', lost, 'count<=0');
    const stored = `kp_points_stored{workers:${workers}}`;
    limit('complete', `all ${points} points`, stored, `count>=${points}`);
  }
  return limits;
}

/** The simulator's verdict, and that each cell took as long as it says. */
function verdictLimits(lab: Lab): Limit[] {
  const { bottleneck, minRecommendedWorkers } = lab.expect;
  if (bottleneck === undefined && minRecommendedWorkers === undefined) return [];
  const simulated = simulateSweep(lab, { kneepoint: 'k6 script', node: 'none', labHash: '' });
  const asked: Expect = {
    ...(bottleneck !== undefined && { bottleneck }),
    ...(minRecommendedWorkers !== undefined && { minRecommendedWorkers }),
  };
  const known = checkExpectations(simulated, asked).map(
    ({ name, expected, seen, status }): Limit => {
      const check = name.replace('expect.', '');
      return {
        name,
        expected: `${expected}; the simulator says ${seen}`,
        metric: `kp_check_holds{check:${check}}`,
        expression: 'count>0',
        known: { tags: { check }, holds: status === 'passed' },
      };
    },
  );
  const agreeing = simulated.cells
    .filter(({ feasible }) => feasible)
    .flatMap(({ workers, seconds: predicted }): Limit[] => {
      const metric = `kp_check_seconds{workers:${workers}}`;
      const [least, most] = [1 - agreement, 1 + agreement].map((share) =>
        Number((predicted * share).toPrecision(6)),
      );
      const expected = `as simulated: ${least} to ${most} s`;
      const of = { name: 'agreement', workers, expected, metric };
      return [
        { ...of, expression: `max>=${least}` },
        { ...of, expression: `max<=${most}` },
      ];
    });
  return [...known, ...agreeing];
}

const lab = givenLab();
const problem = expectationsProblem(lab);
if (problem) refuse(problem);
if (expectsNothing(lab.expect))
  refuse('expect is empty: nothing to check; add, for instance, -e MAX_SECONDS=60');

const fits = (workers: number) => memoryOf(lab, workers).shareOfHost <= 1;
if (!lab.workers.some(fits))
  refuse('host.memoryGb: not one of the worker counts fits, so nothing would be run');
const base = matrix(lab);

function allLimits(): Limit[] {
  const { workers } = lab.expect;
  const judged = workers === undefined ? lab.workers : [workers];
  const verdict = verdictLimits(lab);
  const needed = verdict.length > 0 ? lab.workers.filter(fits) : [];
  const cells = lab.workers.filter((count) => judged.includes(count) || needed.includes(count));
  return [
    ...cells.flatMap((count) => samplesOf(lab, count)),
    ...judged.flatMap((count) => cellLimits(lab, count)),
    ...verdict,
  ];
}
// k6 runs this file for each VU too; options, setup and summary are VU 0's.
const limits = __VU === 0 ? allLimits() : [];

const thresholds: Record<string, string[]> = {};
for (const { metric, expression } of limits) {
  const expressions = thresholds[metric] ?? [];
  if (!expressions.includes(expression)) thresholds[metric] = [...expressions, expression];
}

export const options = {
  ...base.options,
  thresholds: { ...base.options.thresholds, ...thresholds },
};

type SetupData = ReturnType<typeof base.setup>;

export function setup(): SetupData {
  for (const { known } of limits) if (known?.holds) holds.add(1, known.tags);
  return base.setup();
}

export function work(data: SetupData): void {
  base.work(data);
  const cell = __ENV.KNEEPOINT_CELL!;
  seconds.add(((Date.now() - exec.scenario.startTime) / 1_000) * data.speeds[cell]!);
}

export const teardown = base.teardown;

type Metric = { values: Record<string, number>; thresholds?: Record<string, { ok: boolean }> };

/** The checks as k6's thresholds came out, so that what is shown is what the exit code says. */
export function handleSummary(summary: K6Summary & { state: { isStdOutTTY: boolean } }) {
  const shown = base.handleSummary(summary) as { stdout?: string; stderr?: string };
  const checks = limits.map(({ name, workers, expected, metric, expression }): Check => {
    const { values = {}, thresholds: results = {} } =
      (summary.metrics[metric] as Metric | undefined) ?? {};
    const seen = values[/^\w+/.exec(expression)![0]];
    const ok = results[expression]?.ok === true;
    return {
      name,
      ...(workers !== undefined && { workers }),
      expected,
      seen: seen === undefined ? 'no samples' : String(Number(seen.toPrecision(6))),
      status: ok ? 'passed' : name === 'samples' ? 'missing' : 'failed',
    };
  });
  const lacking = checks.filter(({ status }) => status === 'missing').map(({ workers }) => workers);
  const judged = checks.map(
    (check): Check =>
      check.status === 'passed' && check.workers !== undefined && lacking.includes(check.workers)
        ? { ...check, status: 'missing' }
        : check,
  );
  const passed = judged.every(({ status }) => status === 'passed');
  const outcome = passed ? ('passed' as const) : ('failed' as const);
  const all = [{ lab: lab.name, engine: 'k6' as const, runs: 1, outcome, checks: judged }];
  const text = renderChecks(all, { colour: summary.state.isStdOutTTY });
  return { ...shown, stdout: `${shown.stdout ?? ''}${text}` };
}
