import type { Lab } from '../../model/lab.ts';
import { memoryOf } from '../../simulate/cell.ts';
import { fitMemory, type MeasuredCell } from './measured.ts';

/** Why a worker count is not run: it does not fit into the lab's host, which is an answer, or into this machine, which is none. */
export type RoomProblem = { problem: string; whose: 'host' | 'machine' };

const gib = (mb: number) => `${(mb / 1_024).toFixed(1)} GiB`;

/**
 * Why so many workers would not fit, by what was measured so far, or by the lab before anything was;
 * undefined where they do. `freeMb` (MiB) is what this machine has, `limitMb` what the command may have.
 */
export function roomProblem(
  lab: Lab,
  workers: number,
  measured: MeasuredCell[],
  { freeMb, limitMb }: { freeMb: number; limitMb: number | undefined },
): RoomProblem | undefined {
  // What ended at its limit would have held more than was seen of it.
  const whole = measured.filter(({ feasible, peakMb }) => feasible && peakMb > 0);
  const fit = fitMemory(whole);
  const neededMb = fit ? fit.baseMb + workers * fit.perWorkerMb : memoryOf(lab, workers).megabytes;
  const counts = new Set(whole.map((cell) => cell.workers));
  // All of a single count's memory may be the program's, and none the workers'.
  const isGuess = counts.size === 1;
  if (neededMb > freeMb)
    return {
      problem: isGuess
        ? `not run: going by ${[...counts][0]} alone, ${workers} workers may need up to ${gib(neededMb)}, and this machine has ${gib(freeMb)} free; a worker count between the two would tell`
        : `not run: ${workers} workers need about ${gib(neededMb)}, this machine has ${gib(freeMb)} free`,
      whose: 'machine',
    };
  // Within a limit nothing else can be harmed, so what happens there is seen for real.
  if (limitMb === undefined && !isGuess && neededMb > lab.host.memoryGb * 1_024)
    return {
      problem: `not run: ${workers} workers need about ${gib(neededMb)} of the host's ${gib(lab.host.memoryGb * 1_024)}`,
      whose: 'host',
    };
  return undefined;
}
