import type { Lab } from '../model/lab.ts';
import type { Provenance, Sweep } from '../model/sweep.ts';
import { type RawCell, simulateCell } from '../simulate/cell.ts';
import { analyze, simulateSweep } from './analyze.ts';
import { repeatOf } from './check/checks.ts';
import { disturbance } from './validity.ts';
import { geometricMean } from './welch.ts';

/** The lab of one of several runs: the first has the lab's own seed, each further one a seed one higher. */
export const labOfRepeat = (lab: Lab, repeat: number): Lab =>
  repeat === 0 ? lab : { ...lab, seed: (lab.seed + repeat) % 2 ** 53 };

const moreDisturbed = (a: RawCell, b: RawCell): RawCell =>
  disturbance(b) > disturbance(a) ? b : a;

/**
 * One cell from several runs of it, as `Cell.repeats` says: the time is the geometric mean, all other
 * figures are those of one whole run, so that they fit together. Of the runs that went worst, since a
 * mean would hide what one run in three lost. The harness is the one that disturbed its run most.
 */
export function mergeRepeats(runs: RawCell[]): RawCell {
  const first = runs[0]!;
  if (runs.length === 1 || !first.feasible) return first;
  const most = (pick: (run: RawCell) => number, among: RawCell[]) => {
    const highest = Math.max(...among.map(pick));
    return among.filter((run) => pick(run) === highest);
  };
  const lossy = most(({ completeness }) => completeness.recordsFailed, runs);
  const worst = most(({ qdrant }) => qdrant.timeouts, lossy).sort((a, b) => a.seconds - b.seconds);
  const whole = worst[(worst.length - 1) >> 1]!;
  const seconds = geometricMean(runs.map((run) => run.seconds));
  const rates = runs.map((run) => run.recordsPerSecond);
  return {
    ...whole,
    seconds,
    // A run that lost everything has no logarithm.
    recordsPerSecond: rates.every((rate) => rate > 0)
      ? geometricMean(rates)
      : rates.reduce((sum, rate) => sum + rate, 0) / rates.length,
    repeats: runs.map(repeatOf),
    ...(whole.harness && { harness: runs.reduce(moreDisturbed).harness! }),
  };
}

/** The same as `analyze` for cells that were run several times: `runs` holds those of each worker count. */
export function analyzeRepeats(
  engine: Sweep['engine'],
  lab: Lab,
  runs: RawCell[][],
  provenance: Provenance,
): Sweep {
  const sweep = analyze(engine, lab, runs.map(mergeRepeats), provenance);
  const cells = sweep.cells.map((cell) => {
    if (!cell.repeats) return cell;
    // Predicted for the same seeds; of the simulator itself that is what it measured.
    const predicted = geometricMean(
      cell.repeats.map(({ seconds }, repeat) =>
        engine === 'simulate'
          ? seconds
          : simulateCell(labOfRepeat(lab, repeat), cell.workers).seconds,
      ),
    );
    return { ...cell, predictedSeconds: Number(predicted.toPrecision(6)) };
  });
  return { ...sweep, cells };
}

/** The whole matrix in virtual time, each cell so many times; once is `simulateSweep`. */
export function simulateRepeats(lab: Lab, provenance: Provenance, repeats: number): Sweep {
  if (repeats === 1) return simulateSweep(lab, provenance);
  const seeds = Array.from({ length: repeats }, (_, repeat) => labOfRepeat(lab, repeat));
  const runs = lab.workers.map((workers) => seeds.map((seeded) => simulateCell(seeded, workers)));
  return analyzeRepeats('simulate', lab, runs, provenance);
}
