/** Model against cells: which of a lab's figures they refute, and which knee counts where both know one. */

import type { Saturation } from './absorption.ts';
import { admitted, type Credit, leastSeconds } from './burst.ts';
import { demandError, type Knee } from './knee.ts';
import type { Rung } from './ladder.ts';
import type { Demand } from './observations.ts';

/** Where a knee comes from: the cells alone, the model alone, or both, which agree. */
export type Source = 'cells' | 'model' | 'both';

/** Throughput above a resource's room by so much refutes the room. */
const refuting = 1.1;
/**
 * How far the formula may lie outside the cells' interval and still be the same knee: what one run on a
 * busy machine is off by as a whole, which no scatter within it can tell.
 */
const agreeing = 0.08;
/** The same for an interval that holds all that a finite run takes off or adds. */
const rounding = 0.03;
/** Seconds of a run below which a limit of the lab can't have been in force, as a share. */
const soonerThanPossible = 0.92;

/** Whether some cell did what it could not have done if the rung were right. */
export function isRefuted(
  rung: Rung,
  { judged }: Saturation,
  demand: Demand,
  credits: Credit[],
): boolean {
  const { resource, knee, soft } = rung;
  if (resource === 'memory') return false;
  const credit = credits.find((candidate) => candidate.resource === resource);
  if (credit)
    return judged.some(({ seen }) => {
      const records = (admitted(seen, credit) * seen.seconds) / credit.perRecord;
      return seen.seconds < soonerThanPossible * leastSeconds(credit, records);
    });
  if (soft) return judged.some(({ seen, loss }) => seen.workers > refuting * knee && loss < 0.1);
  return judged.some(({ seen }) => seen.rate * demand.total > refuting * knee);
}

/** One knee out of two: the formula's where the cells agree with it, for it is exact; else the cells'. */
export function settle(
  rung: Rung,
  byCells: Knee | undefined,
  saturation: Saturation,
  stormy: boolean,
): { knee: Knee; source: Source } {
  if (!byCells && !Number.isFinite(rung.knee)) {
    const from = saturation.good?.seen.workers ?? 0;
    const to = saturation.saturated!.seen.workers;
    return {
      knee: { at: Math.sqrt(Math.max(1, from) * to), interval: [from, to] },
      source: 'cells',
    };
  }
  if (!byCells) {
    const exact = rung.resource === 'memory' || rung.resource === 'work-units';
    const error = exact ? 0 : demandError(saturation);
    const interval: [number, number] = [rung.knee * (1 - error), rung.knee * (1 + error)];
    return { knee: { at: rung.knee, interval }, source: 'model' };
  }
  // A storm of retries ends throughput under the knee: then the cells only say where it is not.
  const [low, high] = byCells.interval;
  const from = stormy ? (saturation.good?.seen.workers ?? 0) : low;
  const to = stormy ? Math.max(high, rung.knee) : high;
  const near = ([least, most]: [number, number], slack: number) =>
    rung.knee >= least * (1 - slack) && rung.knee <= most * (1 + slack);
  const agrees =
    near([from, to], rounding) || (byCells.fit && near(byCells.fit.interval, agreeing));
  if (agrees)
    return {
      knee: {
        at: rung.knee,
        interval: [Math.min(from, rung.knee), Math.max(to, rung.knee)],
      },
      source: 'both',
    };
  return { knee: { at: byCells.at, interval: [from, to] }, source: 'cells' };
}
