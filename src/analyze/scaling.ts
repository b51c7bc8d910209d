import type { Lab } from '../model/lab.ts';
import { demandSeconds } from '../model/services.ts';
import type { Bottleneck, Cell, WorkerState } from '../model/sweep.ts';
import { type RawCell, simulateCell } from '../simulate/cell.ts';

/**
 * Compares cells with one worker's throughput and with the simulator's prediction. Where no single
 * worker was run, `baseline` is the lab that one is simulated of.
 */
export function compareCells(lab: Lab, cells: RawCell[], baseline: Lab = lab): Cell[] {
  const simulated = new Map<number, RawCell>();
  const predict = (workers: number) => {
    const known = simulated.get(workers) ?? simulateCell(lab, workers);
    simulated.set(workers, known);
    return known;
  };
  const one =
    cells.find(({ workers, recordsPerSecond }) => workers === 1 && recordsPerSecond > 0) ??
    simulateCell(baseline, 1);
  return cells.map((cell) => {
    const speedup = one.recordsPerSecond > 0 ? cell.recordsPerSecond / one.recordsPerSecond : 0;
    return {
      ...cell,
      speedup,
      efficiency: speedup / cell.workers,
      predictedSeconds: predict(cell.workers).seconds,
    };
  });
}

/** Loss above which a cell counts as saturated; below it is noise and the end of the run. */
const saturatedEfficiency = 0.85;

const resourceOf: Record<Exclude<WorkerState, 'backoff'>, Bottleneck> = {
  read: 'mysql-pool',
  compute: 'client-cpu',
  embed: 'undetermined',
  qdrant: 'qdrant',
  idle: 'work-units',
};

/** Which limit answered most of the 429s of a cell. */
function limitOf({ openai: { rateLimited } }: Cell): Bottleneck {
  const { rpm, tpm, rpd } = rateLimited;
  if (tpm >= rpm && tpm >= rpd) return 'openai-tpm';
  return rpm >= rpd ? 'openai-rpm' : 'openai-rpd';
}

/**
 * Who absorbs the workers that bring nothing, in the first cell that is not nearly linear: by
 * Little's law the mean number of workers in a state is its share of the time, and whatever exceeds
 * throughput times demand is waiting. Undefined where every cell is nearly linear.
 */
export function absorber(
  lab: Lab,
  cells: Cell[],
): { cell: Cell; resource: Bottleneck; workers: number } | undefined {
  const cell = cells.find(
    ({ feasible, efficiency, workers }) =>
      feasible && workers > 1 && efficiency < saturatedEfficiency,
  );
  if (!cell) return undefined;
  const demand = demandSeconds(lab);
  const useful: Record<WorkerState, number> = { ...demand, backoff: 0, idle: 0 };
  const states: WorkerState[] = ['read', 'compute', 'embed', 'qdrant', 'backoff', 'idle'];
  const excess = (state: WorkerState) =>
    cell.absorbed[state] - cell.recordsPerSecond * useful[state];
  const most = states.reduce((a, b) => (excess(b) > excess(a) ? b : a));
  const resource = most === 'backoff' ? limitOf(cell) : resourceOf[most];
  return { cell, resource, workers: excess(most) };
}
