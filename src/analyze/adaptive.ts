/**
 * Which worker counts to run next: a few cells around the knee tell more than many far from it. After one
 * and two workers the knee is predicted, and the next cells are placed below, just above and clearly above
 * it (the knee, 1.2 and 2 times the knee), until the knee is bracketed: two cells on each side of a corner are
 * what a fit of two straight pieces needs.
 */
import type { Lab } from '../model/lab.ts';
import type { Bottleneck } from '../model/sweep.ts';
import { createWorkload } from '../model/workload.ts';
import { memoryOf, type RawCell } from '../simulate/cell.ts';
import type { Saturation } from './diagnosis/absorption.ts';
import { visibleKnee } from './diagnosis/burst.ts';
import { type Diagnosis, diagnose } from './diagnosis/diagnose.ts';
import { ladder } from './diagnosis/ladder.ts';
import { figure, workersText } from './wording.ts';

/** How far a sweep may go. */
export type Aim = {
  /** The most workers that may be placed. */
  mostWorkers: number;
  /** The most worker counts in all, those that are there already included. */
  mostCells: number;
};

/** What to run next, rising; empty when done. `why` is a clause: why these, or why no more. */
export type NextCells = { workers: number[]; why: string };

/** Worker counts of a sweep that places its own; with more, two rounds of refining are seldom worth their time. */
const usualCells = 9;
/** Cells that may be added to a matrix that somebody chose. */
const addedCells = 4;

/** The limits of `--workers auto`. */
export const aimOfAuto = (mostWorkers: number): Aim => ({ mostWorkers, mostCells: usualCells });

/** The limits of `--refine`: within the matrix that was given. */
export const aimOfRefining = (workers: number[]): Aim => ({
  mostWorkers: Math.max(...workers),
  mostCells: Math.max(usualCells, workers.length + addedCells),
});

/** A cell this near under the knee shows that throughput is linear up to it. */
const nearBelow = 0.75;
/** Where the cell just above the knee belongs, and the range in which another one does as well. */
const justAbove = { at: 1.2, from: 1.05, to: 1.5 };
/** The same for the one that is clearly above, and the share of lost time that shows it to be. */
const clearlyAbove = { at: 2, from: 1.6, loss: 0.2 };
/** Intervals of a knee that are narrower, in shares of it or in workers, need no further cell. */
const tight = { share: 0.25, workers: 1 };
/** A good and a saturated cell that differ by less are neighbours. */
const neighbours = 1.25;
/** Cells by which a sweep that finds nothing grows from two workers to the most. */
const growthCells = 6;
/** Slack for whole numbers that come out of a division. */
const slack = 1e-9;

/** A resource that is expected to bind, or seen to. */
type Target = {
  resource: Bottleneck;
  knee: number;
  /** Where cells of this run show it: further up where a full bucket helps. Undefined where no cell can. */
  visible: number | undefined;
  /** Whether cells above it were run already. */
  within: boolean;
  interval: [number, number] | undefined;
};

/** Counts that are wanted, the most telling first, and a clause about what is known. */
type Plan = { wanted: number[]; known: string; enough: string };

/** The most workers whose memory fits into the host; 0 where not even one does. */
function mostFitting(lab: Lab, mostWorkers: number): number {
  let fitting = 0;
  while (fitting < mostWorkers && memoryOf(lab, fitting + 1).shareOfHost <= 1) fitting++;
  return fitting;
}

/** What binds, or would bind first beyond the cells; undefined where nothing does up to the most. */
function targetOf(lab: Lab, diagnosis: Diagnosis, mostWorkers: number): Target | undefined {
  const { rung, knee, credits, refuted, rungs } = diagnosis;
  const isRefuted = (resource: Bottleneck) => refuted.some((one) => one.resource === resource);
  const predicted = () =>
    // Slowing down with load is looked for by simulation, and the cells' ladder only looks as far as they go.
    [...rungs, ...ladder(lab, mostWorkers).filter(({ soft }) => soft)]
      .filter(({ resource, knee: at }) => at < mostWorkers - slack && !isRefuted(resource))
      .sort((a, b) => a.knee - b.knee)[0];
  const next = rung ?? predicted();
  if (!next) return undefined;
  const at = knee?.at ?? next.knee;
  const credit = credits.find(({ resource }) => resource === next.resource);
  const isBoundOfWorkers = next.resource === 'memory' || next.resource === 'work-units';
  const visible = credit ? visibleKnee(credit, at, lab.workload.records) : at;
  const canShow = !isBoundOfWorkers && visible < mostWorkers - slack;
  return {
    resource: next.resource,
    knee: at,
    visible: canShow ? visible : undefined,
    within: knee !== undefined,
    interval: knee?.interval,
  };
}

/** The whole number between two counts that lies nearest to `aim` and is not known; undefined where there is none. */
function between(low: number, high: number, aim: number, known: number[]): number | undefined {
  const start = Math.min(high - 1, Math.max(low + 1, Math.round(aim)));
  for (let step = 0; step < high - low; step++)
    for (const count of [start - step, start + step])
      if (count > low && count < high && !known.includes(count)) return count;
  return undefined;
}

type Gap = { from: number; to: number };

/** The last good and the first saturated count; undefined where none is saturated or they are neighbours. */
function gapOf({ good, saturated }: Saturation): Gap | undefined {
  if (!saturated) return undefined;
  const [from, to] = [good?.seen.workers ?? 0, saturated.seen.workers];
  return to > neighbours * from && to > from + 1 ? { from, to } : undefined;
}

/** The count half-way up a gap, on logarithms. */
const middleOf = (gap: Gap | undefined, known: number[]): number | undefined =>
  gap && between(gap.from, gap.to, Math.sqrt(Math.max(1, gap.from) * gap.to), known);

/** Cells that bracket a knee which cells can show. */
function bracket(
  { resource, knee, visible = knee, within, interval }: Target,
  { saturation, credits, source }: Diagnosis,
  known: number[],
  most: number,
): Plan {
  const wanted: number[] = [];
  const has = (from: number, to: number) =>
    known.some((count) => count >= from - slack && count <= to + slack);
  const upTo = (count: number) => Math.min(count, most);
  const below = Math.floor(visible + slack);
  if (below >= 1 && !has(nearBelow * visible, visible)) wanted.push(upTo(below));
  if (!has(justAbove.from * visible, justAbove.to * visible))
    wanted.push(upTo(Math.ceil(justAbove.at * visible - slack)));
  const isClear = saturation.judged.some(
    ({ seen, loss }) => seen.workers >= clearlyAbove.from * visible && loss > clearlyAbove.loss,
  );
  if (!isClear) wanted.push(upTo(Math.ceil(clearlyAbove.at * visible - slack)));

  // A limit that cells and formula agree on is as exact as it gets; a queue has a round corner to look at.
  const isExact = source === 'both' && credits.some((credit) => credit.resource === resource);
  const gap = gapOf(saturation);
  const [low, high] = interval ?? [knee, knee];
  const isWide = high - low > Math.max(tight.workers, tight.share * knee);
  const isBracketed = wanted.every((count) => known.includes(count));
  if (isBracketed && gap && isWide && !isExact) {
    const middle = between(gap.from, gap.to, visible, known);
    if (middle !== undefined) wanted.push(middle);
  }
  const where = `${figure(knee)} (${resource})`;
  return {
    wanted,
    known: within ? `knee near ${where}` : `knee expected near ${where}`,
    enough: `the knee near ${where} is bracketed`,
  };
}

/** Cells for what no cell can show: up to it, and one beyond, so that it lies within the matrix. */
function beside(
  { resource, knee, within }: Target,
  { credits }: Diagnosis,
  known: number[],
  fitting: number,
): Plan {
  const isLimit = credits.some((credit) => credit.resource === resource);
  const below = Math.floor(knee + slack);
  const wanted =
    below >= 1 && !known.some((n) => n >= nearBelow * knee && n <= knee + slack) ? [below] : [];
  if (!known.some((count) => count > knee + slack))
    wanted.push(isLimit ? Math.min(fitting, Math.ceil(clearlyAbove.at * knee)) : below + 1);
  const where = `${figure(knee)} (${resource})`;
  const enough = {
    memory: `more workers than ${figure(knee)} take over 80 % of the host's memory`,
    'work-units': `there is work for ${figure(knee)} workers, and more have nothing to do`,
  }[resource as string];
  return {
    wanted,
    known: within ? `knee near ${where}` : `knee expected near ${where}`,
    enough:
      enough ??
      `the knee near ${where} is the model's: a full bucket hides it from this run, whatever the worker count`,
  };
}

/** Cells where nothing is known to bind: twice as many workers each time, two counts at once. */
function grow(known: number[], { saturation }: Diagnosis, most: number): Plan {
  const gap = gapOf(saturation);
  const largest = Math.max(...known);
  const factor = Math.max(2, (most / 2) ** (1 / growthCells));
  const next = (count: number) => Math.min(most, Math.ceil(factor * count - slack));
  const middle = middleOf(gap, known);
  const upwards = largest < most ? [next(largest), next(next(largest))] : [];
  const wanted = middle === undefined ? upwards : [middle];
  return {
    wanted,
    known: `nothing binds up to ${workersText(largest)}`,
    enough: `nothing binds up to ${workersText(most)}, the upper limit`,
  };
}

/** Cells for a loss that no known resource explains: what is still good, and what is not any more. */
function narrow({ saturation }: Diagnosis, known: number[], most: number): Plan {
  const { good, saturated } = saturation;
  const gap = gapOf(saturation);
  const middle = gap && between(gap.from, gap.to, Math.sqrt(Math.max(1, gap.from) * gap.to), known);
  // With one and two workers alone the begin of the run can look like a limit.
  const upwards = [4, 8].filter((count) => count <= most);
  const wanted = middle !== undefined ? [middle] : known.length < 3 ? upwards : [];
  const where = saturated
    ? `throughput stops growing between ${good?.seen.workers ?? 0} and ${saturated.seen.workers} workers`
    : 'the cells contradict each other';
  return {
    wanted,
    known: `${where}, for no reason that is known`,
    enough: `${where}, and more cells would not say why`,
  };
}

/**
 * The worker counts that tell most after these cells, none twice. `tried` are counts that ran without a
 * result that can be judged. It ends for every lab, however noisy: no round without a new count, and no
 * more than `mostCells` of them.
 */
export function nextWorkers(
  lab: Lab,
  cells: RawCell[],
  { mostWorkers, mostCells }: Aim,
  tried: number[] = [],
): NextCells {
  const fitting = mostFitting(lab, mostWorkers);
  if (cells.length === 0 && tried.length === 0)
    return {
      workers: [1, 2].filter((count) => count <= Math.min(mostWorkers, fitting + 1)),
      why: 'one and two workers tell what a record takes',
    };
  if (!cells.some(({ feasible, recordsPerSecond }) => feasible && recordsPerSecond > 0))
    return { workers: [], why: 'not one record arrived, so there is nothing to place cells by' };

  const known = [...new Set([...cells.map(({ workers }) => workers), ...tried])];
  // The diagnosis reads what happened in each cell, not what the cells are compared with.
  const uncompared = { speedup: 0, efficiency: 0, predictedSeconds: 0 };
  const rising = cells.toSorted((a, b) => a.workers - b.workers);
  const diagnosis = diagnose(
    lab,
    rising.map((cell) => ({ ...cell, ...uncompared })),
  );
  const target =
    diagnosis.bottleneck === 'undetermined' ? undefined : targetOf(lab, diagnosis, mostWorkers);
  // Workers beyond the claims have nothing to do: they look like those that all have one.
  const { claims } = createWorkload(lab.workload);
  const most = Math.max(1, Math.min(mostWorkers, fitting, Math.max(2, claims)));
  const isShown = target?.visible !== undefined;
  const plan =
    diagnosis.bottleneck === 'undetermined'
      ? narrow(diagnosis, known, most)
      : !target
        ? grow(known, diagnosis, most)
        : isShown
          ? bracket(target, diagnosis, known, most)
          : beside(target, diagnosis, known, fitting);

  // One count that does not fit shows the bound, a second one shows nothing.
  const refused = cells.filter(({ feasible }) => !feasible).map(({ workers }) => workers);
  const roof = refused.length > 0 ? Math.min(...refused) - 1 : fitting + 1;
  const open = [...new Set(plan.wanted)].filter(
    (count) => count >= 1 && count <= Math.min(mostWorkers, roof) && !known.includes(count),
  );
  if (open.length === 0) return { workers: [], why: plan.enough };
  const left = mostCells - known.length;
  if (left <= 0) return { workers: [], why: `${plan.known}; ${mostCells} cells are enough` };
  return { workers: open.slice(0, left).sort((a, b) => a - b), why: plan.known };
}
