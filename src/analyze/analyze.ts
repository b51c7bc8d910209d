import type { Lab } from '../model/lab.ts';
import type { Cell, Provenance, Sweep, Verdict } from '../model/sweep.ts';
import { type RawCell, simulateCell } from '../simulate/cell.ts';
import { commandWarnings } from './exec/command-warnings.ts';
import { differences } from './exec/differences.ts';
import { calibrated, type MeasuredCell, rawCells } from './exec/measured.ts';
import { compareCells } from './scaling.ts';
import { validityOf, withheld } from './validity.ts';
import { judge } from './verdict.ts';
import { warningsFor } from './warnings.ts';

/** Numbers of a report, not of a computer: six significant digits, and counts as they are. */
function rounded<T>(value: T): T {
  if (typeof value === 'number')
    return (Number.isInteger(value) ? value : Number(value.toPrecision(6))) as T;
  if (Array.isArray(value)) return value.map(rounded) as T;
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, rounded(part)])) as T;
}

/** Turns what an engine measured into the answer. It does not know which engine ran. */
export const analyze = (
  engine: Sweep['engine'],
  lab: Lab,
  raw: RawCell[],
  provenance: Provenance,
): Sweep => sweepOf(engine, lab, compareCells(lab, raw), provenance);

function sweepOf(engine: Sweep['engine'], lab: Lab, cells: Cell[], provenance: Provenance): Sweep {
  const { verdict, warnings } = judge(lab, cells);
  const validity = validityOf(engine, lab, cells, verdict.bottleneck);
  const { invalidating } = validity;
  return {
    schema: 'kneepoint.sweep/1',
    engine,
    lab,
    provenance,
    cells: cells.map(rounded),
    verdict: invalidating.length > 0 ? withheld(lab, verdict, invalidating) : verdict,
    warnings: [
      ...validity.warnings,
      ...warningsFor(lab, cells),
      // What a verdict can't be sure of is of no use where there is none.
      ...(invalidating.length > 0 ? [] : warnings),
    ],
    valid: invalidating.length === 0 && verdict.bottleneck !== 'undetermined',
  };
}

const undetermined = (lab: Lab): Verdict => ({
  bottleneck: 'undetermined',
  knee: null,
  kneeInterval: null,
  recommendedWorkers: 1,
  nextBottleneck: 'undetermined',
  action: 'Follow the warnings and run again',
  evidence: [],
  env: { MAX_WORKERS: 1, BATCH_SIZE: lab.workload.batchSize, MYSQL_POOL_SIZE: 10 },
});

/**
 * The answer for a command that was measured from outside. The verdict is about the pipeline as it was
 * measured; the predictions beside it are the lab's, and where the two differ the evidence says so.
 */
export function analyzeMeasured(
  lab: Lab,
  measured: MeasuredCell[],
  circumstances: { machineCores: number; realServices: boolean },
  provenance: Provenance,
): Sweep {
  const asMeasured = calibrated(lab, measured, circumstances);
  const raw = rawCells(lab, measured, circumstances.machineCores);
  const cells = compareCells(lab, raw, asMeasured);
  const judged = cells.filter(({ command }) => command?.usable !== false);
  const anyRan = judged.some(({ feasible }) => feasible);
  const { verdict, warnings } = anyRan
    ? judge(asMeasured, judged)
    : { verdict: undetermined(lab), warnings: [] };
  const simulated = judge(
    lab,
    compareCells(
      lab,
      lab.workers.map((n) => simulateCell(lab, n)),
      lab,
      true,
    ),
  );
  const validity = validityOf('exec', asMeasured, judged, verdict.bottleneck);
  const { invalidating } = validity;
  const found = differences(lab, cells, measured, {
    measured: verdict,
    simulated: simulated.verdict,
  });
  return {
    schema: 'kneepoint.sweep/1',
    engine: 'exec',
    lab,
    provenance,
    cells: cells.map(rounded),
    verdict:
      invalidating.length > 0
        ? withheld(lab, verdict, invalidating)
        : { ...verdict, evidence: [...verdict.evidence, ...found.evidence] },
    warnings: [
      ...commandWarnings(cells),
      ...validity.warnings,
      ...(anyRan ? warningsFor(asMeasured, judged) : []),
      ...warnings,
      ...found.warnings,
    ],
    valid:
      anyRan &&
      judged.length === cells.length &&
      invalidating.length === 0 &&
      verdict.bottleneck !== 'undetermined',
  };
}

/** The whole matrix in virtual time. */
export function simulateSweep(lab: Lab, provenance: Provenance): Sweep {
  const raw = lab.workers.map((workers) => simulateCell(lab, workers));
  return sweepOf('simulate', lab, compareCells(lab, raw, lab, true), provenance);
}
