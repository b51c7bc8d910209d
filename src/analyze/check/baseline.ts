/** Whether a run is as good as an earlier one of the same lab, the baseline: what may not get worse. */
import type { Cell, Repeat, Sweep } from '../../model/sweep.ts';
import { geometricMean, welchLogRatio } from '../welch.ts';
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
import { labDifferences } from './lab-differences.ts';

/**
 * A slow-down up to here is taken for noise, 0.1 is 10 % (assumed): sessions on one machine differ by
 * several per cent with nothing changed, and three runs a side find little less anyway.
 */
export const noiseFloor = 0.1;

/** How far the knee may move: 15 % (assumed). */
const kneeTolerance = 0.15;

/**
 * The most records that a run may lose where chance decides which ones: three standard deviations over as
 * many as were lost before, by the binomial distribution. None where none were lost: that is no chance.
 */
const mostLost = (before: number, records: number): number =>
  before + Math.ceil(3 * Math.sqrt(before * Math.max(0, 1 - before / records)));

/** What made a run, known before it is run. */
type Made = Pick<Sweep, 'engine' | 'lab' | 'provenance'>;

/**
 * Why two runs can't be held against each other: one line that names what differs. What the lab expects
 * and which seed draws its latencies may differ; without real time, so may the speed.
 */
export function baselineProblem(baseline: Made, sweep: Made): string | undefined {
  if (baseline.engine !== sweep.engine)
    return `it was run with ${baseline.engine}, this with ${sweep.engine}, whose times differ by more than their noise`;
  const except: Parameters<typeof labDifferences>[2] = ['expect', 'seed'];
  if (sweep.engine === 'simulate') except.push('speed');
  const [first, ...others] = labDifferences(baseline.lab, sweep.lab, except);
  if (!first) return undefined;
  const more = others.length > 0 ? ` and ${counted(others.length, 'more field')}` : '';
  return `it is of another lab (hash ${baseline.provenance.labHash}, here ${sweep.provenance.labHash}): ${first.field} is ${first.a} there and ${first.b} here${more}`;
}

/** Why a run is no good as a baseline: one line. Undefined where it is. */
export function unfitForBaseline({ valid, cells, lab }: Sweep): string | undefined {
  if (!valid) return 'the run is not valid';
  const absent = lab.workers.find((count) => cells.every(({ workers }) => workers !== count));
  if (absent !== undefined) return `it has no cell of ${counted(absent, 'worker')}`;
  const empty = cells.find(
    (cell) =>
      (cell.feasible && notRunReason(cell) !== undefined) ||
      cell.command?.usable === false ||
      (cell.feasible && (cell.completeness.records === 0 || cell.openai.requests === 0)),
  );
  return empty && `nothing was measured at ${counted(empty.workers, 'worker')}`;
}

/** Whether chance can't make a difference: the simulator repeats the same seeds. */
export const sameDraws = (
  baseline: Sweep,
  sweep: Sweep,
  before: Repeat[],
  now: Repeat[],
): boolean =>
  baseline.engine === 'simulate' &&
  sweep.engine === 'simulate' &&
  baseline.lab.seed === sweep.lab.seed &&
  before.length === now.length;

const more = (ratio: number): string =>
  `${ratio >= 1 ? '+' : '−'}${percent(Math.abs(Number((ratio - 1).toPrecision(2))))}`;

/** Compares times of one cell by their ratio: a slow-down fails where it is over the noise floor for sure. */
function timeCheck(before: Repeat[], now: Repeat[], exact: boolean): Omit<Check, 'name'> {
  const [was, is] = [before, now].map((runs) => runs.map(({ seconds }) => seconds));
  const [wasMean, isMean] = [geometricMean(was!), geometricMean(is!)];
  const ratio = isMean / wasMean;
  const expected = `at most ${percent(noiseFloor)} over ${figure(wasMean)} s`;
  const seen = `${figure(isMean)} s (${more(ratio)}`;
  const slower = ratio > 1 + noiseFloor;
  if (exact) return { expected, seen: `${seen}, exact)`, status: slower ? 'failed' : 'passed' };
  const welch = welchLogRatio(was!, is!);
  if (!welch)
    return {
      expected,
      seen: `${seen}; of ${was!.length} and ${is!.length} runs)`,
      status: 'missing',
      remedy: `One run has no spread to judge a time by: ${was!.length < 2 ? 'write the baseline again' : 'run'} with --repeats 3.`,
    };
  const bounded = `${seen}, 95 % sure of at least ${more(welch.atLeast)})`;
  if (welch.atLeast > 1 + noiseFloor) return { expected, seen: bounded, status: 'failed' };
  if (!slower) return { expected, seen: bounded, status: 'passed' };
  return {
    expected,
    seen: bounded,
    status: 'warned',
    remedy: 'It looks slower, but these runs vary too much to say so: use more --repeats.',
  };
}

/** One count over all runs of a cell; `exact` is its only allowed value where that is given. */
function countCheck(
  name: string,
  before: number[],
  now: number[],
  noun: string,
  plural?: string,
): Omit<Check, 'workers'> {
  // With the same seeds runs are equal one by one; without chance they are all equal.
  const wrong = now.findIndex((count, run) => count !== (before[run] ?? before[0]!));
  const at = Math.max(0, wrong);
  return {
    name: `baseline.${name}`,
    expected: `exactly ${counted(before[at] ?? before[0]!, noun, plural)}`,
    seen: counted(now[at]!, noun, plural),
    status: wrong < 0 ? 'passed' : 'failed',
  };
}

/** Losses where chance decides how many: more than it varies by is worse. */
function lostCheck(before: number[], now: number[], records: number): Omit<Check, 'workers'> {
  const most = Math.max(...before);
  const limit = mostLost(most, records);
  const lost = Math.max(...now);
  return {
    name: 'baseline.lost',
    expected:
      most === 0
        ? 'no lost record'
        : `about ${counted(most, 'lost record')}, at most ${figure(limit)}`,
    seen: counted(lost, 'lost record'),
    status: lost <= limit ? 'passed' : 'failed',
  };
}

function cellChecks(baseline: Sweep, sweep: Sweep, was: Cell, is: Cell): Check[] {
  const { workers } = was;
  const [before, now] = [runsOf(was), runsOf(is)];
  const exact = sameDraws(baseline, sweep, before, now);
  const of = (name: keyof Repeat) =>
    [before, now].map((runs) => runs.map((run) => run[name])) as [number[], number[]];
  const clean =
    was.openai.errors === 0 &&
    was.qdrant.errors === 0 &&
    before.every(({ recordsFailed, timeouts }) => recordsFailed === 0 && timeouts === 0);

  const checks: Omit<Check, 'workers'>[] = [
    { name: 'baseline.seconds', ...timeCheck(before, now, exact) },
    countCheck('records', [was.completeness.records], [is.completeness.records], 'record'),
  ];
  if (exact || clean)
    checks.push(
      countCheck('lost', ...of('recordsFailed'), 'lost record'),
      countCheck('points', ...of('pointsStored'), 'point'),
      countCheck('tokens', ...of('chargedTokens'), 'charged token'),
    );
  else checks.push(lostCheck(...of('recordsFailed'), was.completeness.records));
  // How many there are is chaotic; whether there are any is not.
  for (const [name, key, noun] of [
    ['429s', 'rateLimited', '429'],
    ['timeouts', 'timeouts', 'timeout'],
  ] as const)
    if (before.every((run) => run[key] === 0)) {
      const most = Math.max(...now.map((run) => run[key]));
      checks.push(countCheck(name, [0], [most], noun));
    }
  return checks.map((check) => ({ ...check, workers }));
}

function kneeCheck(was: number | null, is: number | null): Check {
  const text = (knee: number | null) => (knee === null ? 'none' : counted(knee, 'worker'));
  const near =
    was === null || is === null ? was === is : Math.abs(is / was - 1) <= kneeTolerance + 1e-9;
  return {
    name: 'baseline.knee',
    expected: was === null ? 'none' : `within ${percent(kneeTolerance)} of ${text(was)}`,
    seen: text(is),
    status: near ? 'passed' : 'failed',
  };
}

/**
 * Holds a run against its baseline: same bottleneck, knee within 15 %, times no more than the noise
 * floor longer, counts exact where chance has no part in them. Both must be of the same lab and engine
 * (`baselineProblem`) and the baseline fit to be one (`unfitForBaseline`).
 */
export function compareWithBaseline(baseline: Sweep, sweep: Sweep): Check[] {
  const { bottleneck, knee } = sweep.verdict;
  const ofVerdict: Check[] = [
    {
      name: 'baseline.bottleneck',
      expected: baseline.verdict.bottleneck,
      seen: bottleneck,
      status: bottleneck === baseline.verdict.bottleneck ? 'passed' : 'failed',
    },
    kneeCheck(baseline.verdict.knee, knee),
  ];
  const checks = hasVerdict(sweep)
    ? ofVerdict
    : ofVerdict.map((check) => ({ ...check, ...noVerdict }));
  for (const was of baseline.cells) {
    const is = sweep.cells.find(({ workers }) => workers === was.workers);
    const reason = is ? notRunReason(is) : 'not measured';
    const { workers } = was;
    const ran = { name: 'baseline.ran', workers, expected: 'to run' };
    if (was.feasible && is && !is.feasible && is.command?.usable !== false)
      checks.push({ ...ran, seen: reason!, status: 'failed' });
    else if (was.feasible && reason !== undefined)
      checks.push({ ...ran, seen: reason, status: 'missing', remedy: 'Run the lab again.' });
    else if (was.feasible) checks.push(...cellChecks(baseline, sweep, was, is!));
  }
  return checks;
}
