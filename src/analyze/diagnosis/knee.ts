import type { Cell } from '../../model/sweep.ts';
import { type Judged, type Saturation, tellingLoss } from './absorption.ts';
import { admitted, type Credit, steadyShare } from './burst.ts';
import { leastEfficiency, memoryShare, type Rung } from './ladder.ts';
import { type Demand, type Observation, rejections } from './observations.ts';
import { fitRoofline, type Roofline } from './roofline.ts';

/** A knee with its 95 % interval. */
export type Knee = { at: number; interval: [number, number]; fit?: Roofline };

/** Throughput that falls by more than this from its best is no plateau any more. */
const stillPlateau = 0.85;
/** Throughput of the first saturated cell under this share of the last good one's is a collapse. */
const collapsing = 0.8;
/** Growth of throughput with workers, on logarithms, above which a plateau is none: it slows, and is not full. */
const softGrowth = 0.3;
/** Share of a run that its last claims and waits may be and still tell of a plateau. */
const longestEnd = 0.3;
/** A queue rounds its corner by up to a tenth; a bucket does not. */
const roundedCorner = 0.1;

/**
 * Throughput that lasts, in records per second: of a limit, what it let through, for records that are
 * lost half-way take their share too; and without what a full bucket gave at the start.
 */
const lasting = (seen: Observation, credit: Credit | undefined): number => {
  if (!credit) return seen.rate;
  const records = admitted(seen, credit) / credit.perRecord;
  const drained = credit.initial > 0 && rejections(seen) > 0;
  return records * (drained ? steadyShare(credit, records * seen.seconds) : 1);
};

/** The saturated cells from the first one to where throughput falls again. */
function plateauOf(judged: Judged[], credit: Credit | undefined) {
  let best = 0;
  const points: { workers: number; rate: number; judged: Judged }[] = [];
  for (const entry of judged) {
    const rate = lasting(entry.seen, credit);
    if (rate < stillPlateau * best) break;
    best = Math.max(best, rate);
    points.push({ workers: entry.seen.workers, rate, judged: entry });
  }
  return points;
}

/** Where efficiency crosses 80 %, on the line between the two cells around it. */
function crossing(judged: Judged[], demand: Demand): Knee | undefined {
  const efficiency = ({ seen }: Judged) => (seen.rate * demand.total) / seen.workers;
  const at = judged.findIndex((entry) => efficiency(entry) < leastEfficiency);
  const right = judged[at];
  if (!right) return undefined;
  const left = judged[at - 1];
  const from = left ? left.seen.workers : 1;
  const high = left ? Math.min(1, efficiency(left)) : 1;
  const share = (high - leastEfficiency) / Math.max(1e-9, high - efficiency(right));
  const knee = from + Math.min(1, Math.max(0, share)) * (right.seen.workers - from);
  return { at: knee, interval: [from, right.seen.workers] };
}

/**
 * The knee by the cells: the roofline through all that are nearly linear and those of the plateau,
 * with an interval that also holds what a finite run takes off its plateau (the last claims, the last
 * waits), what rejected requests cost the limit itself, and the round corner of a queue. Undefined
 * where no cell is saturated.
 */
export function kneeOfCells(
  { judged, good, saturated }: Saturation,
  demand: Demand,
  {
    perClaim,
    credit,
    rung,
    refusalsCost,
  }: {
    perClaim: number;
    credit?: Credit | undefined;
    rung?: Rung | undefined;
    refusalsCost: boolean;
  },
): Knee | undefined {
  if (!saturated) return undefined;
  if (good && saturated.seen.rate < collapsing * good.seen.rate) {
    // A count that ran on what a full bucket gave bounds nothing from below.
    if (credit && credit.initial > 0 && admitted(good.seen, credit) > credit.perSecond)
      return undefined;
    // Throughput collapses at once and no plateau is seen: the knee is between the two cells.
    const [from, to] = [good.seen.workers, saturated.seen.workers];
    return { at: Math.sqrt(from * to), interval: [from * (1 - roundedCorner), to] };
  }
  const linear = judged.filter(
    ({ loss, seen }) => loss <= tellingLoss && seen.workers < saturated.seen.workers,
  );
  const flat = plateauOf(
    judged.filter(({ seen }) => seen.workers >= saturated.seen.workers),
    credit,
  );
  const best = Math.max(0, ...flat.map(({ rate }) => rate));
  if (best === 0) return undefined;
  // Of what is known to get full, cells on the round corner are on neither piece.
  const hard = rung !== undefined && !rung.soft;
  const plateau = hard ? flat.filter(({ rate }) => rate > (1 - roundedCorner) * best) : flat;
  const [first, last] = [plateau[0]!, plateau.at(-1)!];
  const rise = Math.log(last.rate / first.rate);
  const isSoft = rise > roundedCorner && rise > softGrowth * Math.log(last.workers / first.workers);
  if (rung?.soft || isSoft) return crossing(judged, demand);

  // On the slope only workers that don't wait count: the knee is where throughput meets work alone.
  const slope = linear.map(({ seen, waiting }) => ({
    workers: seen.workers - Object.values(waiting).reduce((sum, count) => sum + count, 0),
    rate: seen.rate,
  }));
  const fit = fitRoofline([...slope, ...plateau], 1 / demand.total);
  if (!fit) return undefined;
  const { seen } = last.judged;
  const limited = rejections(seen);
  const lastWait = limited > 0 ? (seen.absorbed.backoff * seen.seconds) / limited : 0;
  const end = Math.min(longestEnd, (perClaim * demand.total + lastWait) / seen.seconds);
  const nearest = first.judged.seen;
  const wasted = refusalsCost && credit ? nearest.embedAttempts / nearest.embedded : 1;
  const corner = credit
    ? 0
    : roundedCorner * Math.max(0, Math.min(1, 2.5 - last.workers / fit.knee));
  const [low, high] = fit.interval;
  // The knee is above the cells that are linear, and under the first one that is not.
  const highest = Math.min(
    (high / (1 - end)) * (1 + corner) * wasted,
    Math.max(fit.knee, saturated.seen.workers * (1 + roundedCorner)),
  );
  const lowest = Math.max(low, Math.min(fit.knee, (good?.seen.workers ?? 0) * (1 - roundedCorner)));
  // What workers carried without waiting is under the knee, unless a full bucket carried it.
  const borrowed = ({ seen: one }: Judged) =>
    credit !== undefined && credit.initial > 0 && rejections(one) === 0;
  const carried = Math.max(
    0,
    ...linear.filter((entry) => !borrowed(entry)).map((entry) => lasting(entry.seen, credit)),
  );
  const at = Math.max(fit.knee, carried * demand.total);
  return { at, interval: [Math.min(lowest, at), Math.max(highest, at)], fit };
}

/** Whether a cell was ended at its memory limit: its workers would have held more than was seen of them. */
export const ranOutOfMemory = ({ feasible, memory }: Pick<Cell, 'feasible' | 'memory'>): boolean =>
  !feasible && memory.measured;

type Held = { workers: number; megabytes: number };

/** Where a straight line by least squares through what cells held reaches `roomMb`. Undefined where it does not rise. */
function reaches(roomMb: number, cells: Held[]): number | undefined {
  const mean = (value: (cell: Held) => number) =>
    cells.reduce((sum, cell) => sum + value(cell), 0) / cells.length;
  const [workers, held] = [mean((cell) => cell.workers), mean(({ megabytes }) => megabytes)];
  const slope =
    mean((cell) => (cell.workers - workers) * (cell.megabytes - held)) /
    mean((cell) => (cell.workers - workers) ** 2);
  return slope > 0 ? Math.max(0, workers + (roomMb - held) / slope) : undefined;
}

/**
 * The knee of memory by the cells: a straight line through what they held, at 80 % of the host. A count
 * that ran out of memory needs all of the host at least, however little of it was seen in time: the
 * line from the largest count that fits to there is as far as the knee can be.
 */
export function kneeOfMemory(cells: Cell[]): Knee | undefined {
  const known = cells.filter(({ memory }) => memory.megabytes > 0 && memory.shareOfHost > 0);
  const [measured] = known;
  if (!measured) return undefined;
  const hostMb = measured.memory.megabytes / measured.memory.shareOfHost;
  const roomMb = memoryShare * hostMb;
  const held = known
    .filter((cell) => !ranOutOfMemory(cell))
    .map(({ workers, memory }) => ({ workers, megabytes: memory.megabytes }));
  const fitted = reaches(roomMb, held);
  const over = known.find(ranOutOfMemory);
  if (!over) return fitted === undefined ? undefined : { at: fitted, interval: [fitted, fitted] };
  // A single count can't tell the workers' memory from the program's: at worst all is the workers'.
  const none = { workers: 0, megabytes: 0 };
  const fits = held.findLast(({ workers }) => workers < over.workers) ?? none;
  const farthest =
    reaches(roomMb, [fits, { workers: over.workers, megabytes: hostMb }]) ?? fits.workers;
  const at = Math.min(farthest, fitted ?? reaches(roomMb, [none, fits]) ?? farthest);
  return { at, interval: [at, farthest] };
}

/** Relative error of what a record takes: how far the cells without waiting differ. */
export function demandError({ judged }: Saturation): number {
  const perRecord = judged
    .filter(({ seen, loss }) => seen.rate > 0 && loss <= tellingLoss)
    .map(({ seen }) => (seen.workers - seen.absorbed.idle - seen.absorbed.backoff) / seen.rate);
  if (perRecord.length < 2) return 0.03;
  const mean = perRecord.reduce((sum, value) => sum + value, 0) / perRecord.length;
  const squares = perRecord.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return (2 * Math.sqrt(squares / (perRecord.length - 1) / perRecord.length)) / mean;
}
