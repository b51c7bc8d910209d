import type { Lab } from '../model/lab.ts';
import type { Provenance, Sweep } from '../model/sweep.ts';
import { type RawCell, simulateCell } from '../simulate/cell.ts';
import { compareCells } from './scaling.ts';
import { judge } from './verdict.ts';
import { warningsFor } from './warnings.ts';

/** Numbers of a report, not of a computer: six significant digits. */
function rounded<T>(value: T): T {
  if (typeof value === 'number') return Number(value.toPrecision(6)) as T;
  if (Array.isArray(value)) return value.map(rounded) as T;
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, rounded(part)])) as T;
}

/** Turns what an engine measured into the answer. It does not know which engine ran. */
export function analyze(
  engine: Sweep['engine'],
  lab: Lab,
  raw: RawCell[],
  provenance: Provenance,
): Sweep {
  const cells = compareCells(lab, raw);
  const { verdict, warnings } = judge(lab, cells);
  return {
    schema: 'kneepoint.sweep/1',
    engine,
    lab,
    provenance,
    cells: cells.map(rounded),
    verdict,
    warnings: [...warningsFor(lab, cells), ...warnings],
    valid: verdict.bottleneck !== 'undetermined',
  };
}

/** The whole matrix in virtual time. */
export const simulateSweep = (lab: Lab, provenance: Provenance): Sweep =>
  analyze(
    'simulate',
    lab,
    lab.workers.map((workers) => simulateCell(lab, workers)),
    provenance,
  );
