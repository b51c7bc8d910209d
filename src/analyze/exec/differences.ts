import type { Lab } from '../../model/lab.ts';
import { demandSeconds } from '../../model/services.ts';
import type { Cell, Verdict, Warning } from '../../model/sweep.ts';
import { demandIn, fitMemory, type MeasuredCell } from './measured.ts';

/** Relative difference from which on it is told. */
const telling = 0.1;

const per = (value: number) => `${value >= 0 ? '+' : ''}${Math.round(value * 100)} %`;
const wholeMs = (seconds: number) => `${Math.round(seconds * 1_000)} ms`;

/**
 * Where the simulator and what was measured differ, and by what: the lab's figures beside the command's
 * own. Empty where they agree.
 */
export function differences(
  lab: Lab,
  cells: Cell[],
  measured: MeasuredCell[],
  knees: { measured: Verdict; simulated: Verdict },
): { evidence: string[]; warnings: Warning[] } {
  const usable = measured.filter(({ feasible, observed }) => feasible && observed.usable);
  const demand = demandIn(usable);
  if (!demand) return { evidence: [], warnings: [] };
  const evidence: string[] = [];
  const { knee } = knees.measured;
  const expected = knees.simulated.knee;
  if (knee !== null && expected !== null)
    evidence.push(
      `The simulator expects the knee at ${expected.toFixed(1)} workers; measured ${knee.toFixed(1)} (${per(knee / expected - 1)}).`,
    );

  const model = demandSeconds(lab);
  const memory = fitMemory(usable)!;
  // One worker count can't tell the workers' memory from the program's.
  const isFit = new Set(usable.map(({ workers }) => workers)).size > 1;
  const parts: [what: string, measured: number, lab: number, text: (value: number) => string][] = [
    ['own work a record', demand.own, model.read + model.compute, wholeMs],
    ['embedding a record', demand.embed, model.embed, wholeMs],
    ['upserting a record', demand.qdrant, model.qdrant, wholeMs],
  ];
  if (isFit)
    parts.push([
      'memory a worker',
      memory.perWorkerMb,
      lab.worker.memoryMb,
      (mb) => `${Math.round(mb)} MiB`,
    ]);
  const share = (a: number, b: number) => Math.abs(a - b) / Math.max(a, b, 1e-9);
  // A part that hardly counts in the whole is not worth a word, however far off it is.
  const counts = (found: number, assumed: number, whole: number) =>
    share(found, assumed) > telling && Math.abs(found - assumed) > (telling / 2) * whole;
  const told = parts
    .filter(([, found, assumed, text]) =>
      counts(found, assumed, text === wholeMs ? model.total : assumed),
    )
    .map(([what, found, assumed, text]) => `${what} ${text(found)}, the lab says ${text(assumed)}`);
  if (told.length > 0) evidence.push(`Measured: ${told.join('; ')}.`);

  const off = cells
    // Where its workers don't fit into memory the simulator has no time to compare with.
    .filter(
      ({ workers, predictedSeconds }) =>
        predictedSeconds > 0 && usable.some((cell) => cell.workers === workers),
    )
    .map(({ workers, seconds, predictedSeconds }) => ({
      workers,
      by: seconds / predictedSeconds - 1,
    }))
    .filter(({ by }) => Math.abs(by) > 2 * telling);
  const warnings: Warning[] = [];
  if (off.length > 0)
    warnings.push({
      code: 'model-differs',
      message: `Times differ from the simulator's: ${off.map(({ workers, by }) => `${per(by)} at ${workers}`).join(', ')} ${off.at(-1)!.workers === 1 ? 'worker' : 'workers'}.`,
      remedy:
        told.length > 0
          ? `Put what was measured into the lab (${told.join('; ')}) and simulate again.`
          : 'Look at the log of those cells; if it stays, the lab does not describe this pipeline.',
    });
  const requests = usable[0]!.openai.succeeded / Math.max(1, usable[0]!.completeness.records);
  const claimRecords = Math.min(lab.workload.recordsPerClaim, lab.workload.records);
  const expectedRequests =
    Math.ceil((claimRecords * lab.workload.chunksPerRecord) / lab.workload.batchSize) /
    claimRecords;
  if (share(requests, expectedRequests) > telling)
    warnings.push({
      code: 'requests-differ',
      message: `The command makes ${requests.toFixed(2)} embeddings requests a record, the lab expects ${expectedRequests.toFixed(2)}.`,
      remedy:
        'Set workload.batchSize and workload.recordsPerClaim as the pipeline batches and claims.',
    });
  if (usable[0]!.pointsPerRecord !== lab.workload.chunksPerRecord)
    warnings.push({
      code: 'chunks-differ',
      message: `The command makes ${usable[0]!.pointsPerRecord} points a record, the lab expects ${lab.workload.chunksPerRecord}.`,
      remedy: `Set workload.chunksPerRecord: ${usable[0]!.pointsPerRecord}.`,
    });
  return { evidence, warnings };
}
