import type { Lab } from '../model/lab.ts';
import type { Cell } from '../model/sweep.ts';
import { createWorkload } from '../model/workload.ts';
import { memoryOf, simulateCell } from '../simulate/cell.ts';
import { isLimit } from './diagnosis/culprit.ts';
import type { Diagnosis } from './diagnosis/diagnose.ts';
import { leastEfficiency, memoryShare, withoutLimits } from './diagnosis/ladder.ts';
import { isOverloaded, type Upserts } from './diagnosis/overload.ts';

/** A cell's efficiency may be so much under the least before it forbids its worker count: noise. */
const noise = 0.08;

/** Rounds of claims after which the end of a run hardly matters, and requests that are quickly simulated. */
const [rounds, manyRequests] = [40, 20_000];

/**
 * What so many workers do in steady state with every limit of the embeddings service away. The same
 * records for each count up to `most`, so that their latencies are the same too: at least as many as
 * the lab has, where so many rounds would take long to simulate.
 */
function unlimited(lab: Lab, workers: number, most: number) {
  const { recordsPerClaim } = lab.workload;
  const own = createWorkload(lab.workload);
  const quick = Math.floor(manyRequests / own.batches(own.claim(0)));
  const claims = Math.min(rounds * most, Math.max(own.claims, quick));
  const workload = { ...lab.workload, records: claims * recordsPerClaim };
  return simulateCell({ ...withoutLimits(lab), workload }, workers);
}

/** Whether some cell shows that so many workers don't run well: timeouts, or waste that is not the run's end. */
const isBad = (
  { feasible, workers, efficiency, qdrant, absorbed }: Cell,
  alone: Upserts,
): boolean =>
  !feasible ||
  (workers > 1 &&
    (isOverloaded(qdrant, alone) ||
      efficiency + absorbed.idle / workers < leastEfficiency - noise));

/**
 * The most workers, up to the largest of the matrix, that in steady state have no 429, no timeout that
 * one worker would not have had, memory at most 80 % of the host and efficiency at least 80 %. Between the
 * cells the simulator predicts; where the cells overruled the model, the knee that they showed decides.
 */
export function recommend(lab: Lab, cells: Cell[], diagnosis: Diagnosis): number {
  const { bottleneck, knee, source, binding, refuted, mostWorkers, saturation } = diagnosis;
  if (bottleneck === 'undetermined') return Math.max(1, saturation.good?.seen.workers ?? 1);
  const lone =
    cells.find(({ feasible, workers }) => feasible && workers === 1) ??
    unlimited(lab, 1, mostWorkers);
  const bad = cells.find((cell) => isBad(cell, lone.qdrant));
  let most = Math.min(mostWorkers, bad ? bad.workers - 1 : mostWorkers);

  const rungs = binding.map((rung) =>
    rung.resource === bottleneck && knee ? { ...rung, knee: knee.at } : rung,
  );
  if (diagnosis.rung && knee && !rungs.some(({ resource }) => resource === bottleneck))
    rungs.push({ ...diagnosis.rung, knee: knee.at });
  const byCells = source === 'cells' || refuted.length > 0;
  for (const { resource, knee: at, soft } of rungs) {
    const exact = soft || resource === 'memory' || resource === 'work-units' || isLimit(resource);
    // Above the knee of a full resource efficiency is knee / workers.
    most = Math.min(most, Math.floor((exact ? at : at / leastEfficiency) + 1e-9));
  }
  if (byCells || most <= 1) return Math.max(1, most);

  const one = unlimited(lab, 1, most);
  const runsWell = (workers: number): boolean => {
    if (memoryOf(lab, workers).shareOfHost > memoryShare) return false;
    const { recordsPerSecond, qdrant } = unlimited(lab, workers, most);
    const efficiency = recordsPerSecond / one.recordsPerSecond / workers;
    return !isOverloaded(qdrant, one.qdrant) && efficiency >= leastEfficiency - 1e-9;
  };
  let [good, tooMany] = [1, most + 1];
  while (tooMany - good > 1) {
    // Most often all of them run well.
    const workers = tooMany > most ? most : (good + tooMany) >> 1;
    if (runsWell(workers)) good = workers;
    else tooMany = workers;
  }
  return good;
}
