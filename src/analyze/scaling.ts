import type { Lab } from '../model/lab.ts';
import type { Cell } from '../model/sweep.ts';
import { type RawCell, simulateCell } from '../simulate/cell.ts';

/**
 * Compares cells with one worker's throughput (the mean of its repeats) and with the simulator's
 * prediction. Where no single worker was run so that it can be judged, `baseline` is the lab that one is simulated of. Cells
 * that the simulator made itself, `simulated`, are their own prediction.
 */
export function compareCells(
  lab: Lab,
  cells: RawCell[],
  baseline: Lab = lab,
  simulated = false,
): Cell[] {
  const known = new Map<number, RawCell>(
    simulated ? cells.map((cell) => [cell.workers, cell]) : [],
  );
  const predict = (workers: number) => {
    const cell = known.get(workers) ?? simulateCell(lab, workers);
    known.set(workers, cell);
    return cell;
  };
  const alone = cells
    .filter(
      ({ workers, recordsPerSecond, command }) =>
        workers === 1 && recordsPerSecond > 0 && command?.usable !== false,
    )
    .map(({ recordsPerSecond }) => recordsPerSecond);
  const one =
    alone.length > 0
      ? alone.reduce((sum, rate) => sum + rate, 0) / alone.length
      : simulateCell(baseline, 1).recordsPerSecond;
  return cells.map((cell) => {
    const speedup = one > 0 ? cell.recordsPerSecond / one : 0;
    return {
      ...cell,
      speedup,
      efficiency: speedup / cell.workers,
      predictedSeconds: predict(cell.workers).seconds,
    };
  });
}
