/** Two runs side by side: what differs in the lab, what in the results, and what the data can show of it. */
import type { Cell, Repeat, Sweep } from '../../model/sweep.ts';
import { geometricMean, welchLogRatio } from '../welch.ts';
import { noiseFloor, sameDraws } from './baseline.ts';
import { counted, figure, notRunReason, percent, runsOf } from './checks.ts';
import { type LabDifference, labDifferences } from './lab-differences.ts';

/** What B's time is to A's. `none` is no difference that this data can show, which is not the same as equal. */
export type TimeFinding = 'faster' | 'slower' | 'none' | 'unknown';

/** A figure of A and the same of B. */
export type Pair<T> = { a: T; b: T };

/** One worker count that both runs have. Times are virtual seconds, counts those of the worst run of a cell. */
export type ComparedCell = {
  workers: number;
  runs: Pair<number>;
  /** Geometric means; null where the cell was not run. */
  seconds: Pair<number | null>;
  /** Records that arrived, of the run that lost most; null where the cell was not run. */
  records: Pair<number | null>;
  /** B's time for each record that arrived over A's; null where one was not run, or did other work. */
  ratio: number | null;
  /** Two-sided 95 % interval of the ratio by Welch on logarithms; null with a single run on a side. */
  interval: [number, number] | null;
  finding: TimeFinding;
  /** What the finding rests on: the simulator's same seed, an interval, or runs too few for one. */
  basis: 'same seed' | 'interval' | 'single runs' | 'nothing';
  /** The finding in words, with what it rests on. */
  text: string;
  rateLimited: Pair<number>;
  timeouts: Pair<number>;
  recordsFailed: Pair<number>;
};

/** What one of the two runs was. */
export type Side = Pick<Sweep, 'engine' | 'valid'> & {
  lab: string;
  labHash: string;
  kneepoint: string;
  startedAt?: string;
};

/** A figure of the verdict as text; `changed` where it is another in B. */
export type VerdictChange = { field: string; a: string; b: string; changed: boolean };

/** What `compare --json` prints. */
export type Comparison = {
  schema: 'kneepoint.comparison/1';
  a: Side;
  b: Side;
  lab: LabDifference[];
  cells: ComparedCell[];
  /** Worker counts that only one of the two has. */
  only: Pair<number[]>;
  verdict: VerdictChange[];
  /** What a reader has to know before believing the rest. */
  notes: string[];
};

/** What a difference that nobody can see is called. */
const noDifference = 'no difference that this data can show';

/**
 * Single runs of the simulator with the same seed differ by what was changed and by nothing else. More
 * records have draws of their own.
 */
const isExact = (a: Sweep, b: Sweep, before: Repeat[], now: Repeat[]): boolean =>
  before.length === 1 &&
  a.lab.workload.records === b.lab.workload.records &&
  sameDraws(a, b, before, now);

type Times = Pick<ComparedCell, 'ratio' | 'interval' | 'finding' | 'basis' | 'text'>;

/**
 * Runs of one session share the load of the machine, so that they vary by less than two sessions differ:
 * with nothing changed, three runs of k6 a side, intervals of 1.02 to 1.05 were seen. Up to the noise floor
 * an interval of real times proves nothing.
 */
const isSmall = (ratio: number): boolean => Math.abs(Math.log(ratio)) <= Math.log(1 + noiseFloor);

/** A run's time, and the records that arrived in it. */
type Timed = { seconds: number; records: number };

const timedRuns = (cell: Cell, { lab }: Sweep): Timed[] =>
  runsOf(cell).map(({ seconds, recordsFailed }) => ({
    seconds,
    records: (cell.completeness.records || lab.workload.records) - recordsFailed,
  }));

const fewest = (runs: Timed[]): number => Math.min(...runs.map(({ records }) => records));

/** Whether two sides got other numbers of records done, so that only times per record say something. */
const areUneven = (before: Timed[], now: Timed[]): boolean =>
  new Set([...before, ...now].map(({ records }) => records)).size > 1;

/** Fields by which a record is other work: twice the chunks in twice the time is not slower. */
const recordFields = ['workload.chunksPerRecord', 'workload.bytesPerChunk'];

const otherWork = (a: Sweep, b: Sweep): LabDifference[] =>
  labDifferences(a.lab, b.lab).filter(({ field }) => recordFields.includes(field));

const unknown = (text: string): Times => ({
  ratio: null,
  interval: null,
  finding: 'unknown',
  basis: 'nothing',
  text,
});

/** How B's times for a record are to A's in one cell, and how sure that is. */
function compareTimes(
  before: Timed[],
  now: Timed[],
  { exact, simulated }: { exact: boolean; simulated: boolean },
): Times {
  if ([...before, ...now].some(({ records }) => records <= 0))
    return unknown('not compared: a run in which no record arrived');
  const [a, b] = [before, now].map((runs) => runs.map(({ seconds, records }) => seconds / records));
  const ratio = geometricMean(b!) / geometricMean(a!);
  const direction: TimeFinding = ratio > 1 ? 'slower' : 'faster';
  const per = areUneven(before, now) ? ' per record' : '';
  const amount = `${percent(Math.abs(Number((ratio - 1).toPrecision(2))))} ${direction}${per}`;
  if (exact) {
    const same = Math.abs(ratio - 1) < 1e-6;
    const text = same ? `the same${per}` : `${amount} (same seed: no noise)`;
    return { ratio, interval: null, finding: same ? 'none' : direction, basis: 'same seed', text };
  }
  const welch = welchLogRatio(a!, b!);
  if (!welch) {
    const within = isSmall(ratio);
    return {
      ratio,
      interval: null,
      finding: within ? 'none' : direction,
      basis: 'single runs',
      text: within ? `${noDifference} (single runs)` : `${amount} (single runs: no interval)`,
    };
  }
  const { interval } = welch;
  const within = (interval[0] <= 1 && interval[1] >= 1) || (!simulated && isSmall(ratio));
  return {
    ratio,
    interval,
    finding: within ? 'none' : direction,
    basis: 'interval',
    text: within ? noDifference : amount,
  };
}

function compareCell(a: Sweep, b: Sweep, was: Cell, is: Cell): ComparedCell {
  const reasons = [was, is].map(notRunReason);
  const runs = [was, is].map((cell, side) => (reasons[side] === undefined ? runsOf(cell) : []));
  const [before, now] = runs as [Repeat[], Repeat[]];
  const most = (name: keyof Repeat): Pair<number> => ({
    a: Math.max(0, ...before.map((run) => run[name])),
    b: Math.max(0, ...now.map((run) => run[name])),
  });
  const told = (['A', 'B'] as const).flatMap((side, at) =>
    reasons[at] === undefined ? [] : [`${side} ${reasons[at]}`],
  );
  const [timedA, timedB] = [timedRuns(was, a), timedRuns(is, b)];
  const times: Times =
    told.length > 0
      ? unknown(told.join(', '))
      : otherWork(a, b).length > 0
        ? unknown('not compared: records of other work')
        : compareTimes(timedA, timedB, {
            exact: isExact(a, b, before, now),
            simulated: a.engine === 'simulate' && b.engine === 'simulate',
          });
  return {
    workers: was.workers,
    runs: { a: before.length, b: now.length },
    seconds: {
      a: before.length > 0 ? was.seconds : null,
      b: now.length > 0 ? is.seconds : null,
    },
    records: {
      a: before.length > 0 ? fewest(timedA) : null,
      b: now.length > 0 ? fewest(timedB) : null,
    },
    ...times,
    rateLimited: most('rateLimited'),
    timeouts: most('timeouts'),
    recordsFailed: most('recordsFailed'),
  };
}

const sideOf = ({ lab, engine, valid, provenance }: Sweep): Side => ({
  lab: lab.name,
  engine,
  valid,
  labHash: provenance.labHash,
  kneepoint: provenance.kneepoint,
  ...(provenance.startedAt !== undefined && { startedAt: provenance.startedAt }),
});

function verdictChanges(a: Sweep, b: Sweep): VerdictChange[] {
  const fields: [string, (sweep: Sweep) => string][] = [
    ['Bottleneck', ({ verdict }) => verdict.bottleneck],
    ['Knee', ({ verdict }) => (verdict.knee === null ? 'none' : `${figure(verdict.knee)} workers`)],
    ['Run', ({ verdict }) => counted(verdict.recommendedWorkers, 'worker')],
    ['Next', ({ verdict }) => verdict.nextBottleneck],
  ];
  return fields.map(([field, text]) => {
    // An invalid run has no verdict that could have changed.
    const [was, is] = [a, b].map((sweep) => (sweep.valid ? text(sweep) : 'not valid'));
    return { field, a: was!, b: is!, changed: was !== is };
  });
}

function notesOn(a: Sweep, b: Sweep, cells: ComparedCell[]): string[] {
  const notes: string[] = [];
  for (const [side, { valid }] of Object.entries({ A: a, B: b }))
    if (!valid) notes.push(`${side} is not valid: its figures prove nothing.`);
  if (a.engine !== b.engine)
    notes.push(`A was run with ${a.engine}, B with ${b.engine}: times may differ by that alone.`);
  if (a.provenance.kneepoint !== b.provenance.kneepoint)
    notes.push(`Kneepoint ${a.provenance.kneepoint} and ${b.provenance.kneepoint} ran them.`);
  const other = otherWork(a, b);
  for (const { field, a: was, b: is } of other)
    notes.push(`${field} is ${was} in A and ${is} in B: their times say nothing of each other.`);
  const [inA, inB] = [a, b].map(({ lab }) => lab.workload.records);
  if (other.length === 0 && inA !== inB)
    notes.push(
      `A has ${counted(inA!, 'record')} and B ${counted(inB!, 'record')}: times are compared per record. A bucket that starts full flatters the shorter run.`,
    );
  else if (
    other.length === 0 &&
    cells.some(({ ratio, records: { a: was, b: is } }) => ratio !== null && was !== is)
  )
    notes.push('Where one lost more records, times are compared per record that arrived.');
  if (cells.length === 0) notes.push('They have no worker count in common.');
  else if (cells.some(({ basis }) => basis === 'single runs'))
    notes.push(
      `Without repeats there is no interval: differences up to ${percent(noiseFloor)} are taken for noise (assumed). Run both with --repeats 3 to know more.`,
    );
  else if (
    cells.some(
      ({ basis, interval, finding }) =>
        basis === 'interval' && finding === 'none' && (interval![0] > 1 || interval![1] < 1),
    )
  )
    notes.push(
      `Runs of one session share the load of the machine: differences up to ${percent(noiseFloor)} are taken for noise (assumed), even where the interval excludes 1.`,
    );
  return notes;
}

/** Puts two runs side by side. Any two can be compared; what makes that doubtful is in the notes. */
export function compareSweeps(a: Sweep, b: Sweep): Comparison {
  const inB = new Map(b.cells.map((cell) => [cell.workers, cell]));
  const inA = new Set(a.cells.map(({ workers }) => workers));
  const cells = a.cells.flatMap((was) => {
    const is = inB.get(was.workers);
    return is ? [compareCell(a, b, was, is)] : [];
  });
  return {
    schema: 'kneepoint.comparison/1',
    a: sideOf(a),
    b: sideOf(b),
    lab: labDifferences(a.lab, b.lab),
    cells,
    only: {
      a: a.cells.flatMap(({ workers }) => (inB.has(workers) ? [] : [workers])),
      b: b.cells.flatMap(({ workers }) => (inA.has(workers) ? [] : [workers])),
    },
    verdict: verdictChanges(a, b),
    notes: notesOn(a, b, cells),
  };
}
