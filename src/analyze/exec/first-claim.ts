import type { Lab } from '../../model/lab.ts';
import { createWorkload } from '../../model/workload.ts';
import type { MeasuredCell } from './measured.ts';

/**
 * Seconds that workers spend on their first claim before any request is seen: what one lone worker does
 * between its claims, each time. All workers do it at once, so it is missing once in each cell. Never more
 * than the lone worker's longest time without a request, whatever the lab says of its claims.
 */
function secondsBeforeFirst({ workload }: Lab, cells: MeasuredCell[]): number {
  const alone = cells.find(
    ({ workers, seconds, feasible, observed }) =>
      workers === 1 && seconds > 0 && feasible && observed.usable,
  );
  const { claims } = createWorkload(workload);
  if (!alone || claims < 2) return 0;
  const { embed, qdrant, backoff } = alone.spentSeconds;
  const idle = Math.max(0, alone.seconds - embed - qdrant - backoff);
  return Math.min(idle / (claims - 1), alone.longestGapSeconds ?? 0);
}

/**
 * The cells with the work on the first claims in their time, and out of their start-up, which ends where
 * that work begins. Without it few claims seem to scale better than workers can.
 */
export function withFirstClaims(lab: Lab, cells: MeasuredCell[]): MeasuredCell[] {
  const before = secondsBeforeFirst(lab, cells);
  return cells.map((cell) => {
    if (cell.seconds === 0) return cell;
    const { startUpSeconds } = cell.observed;
    const added = Math.min(before, startUpSeconds);
    return {
      ...cell,
      seconds: cell.seconds + added,
      observed: { ...cell.observed, startUpSeconds: startUpSeconds - added },
    };
  });
}
