import { compareSweeps } from '../analyze/check/compare.ts';
import { renderComparison } from '../report/compare-table.ts';
import { readSweep } from './report.ts';
import { colour, invalid } from './simulate.ts';

export type CompareOptions = { json?: boolean };

/** Prints two finished runs side by side. Exits with 3 where one of them is not valid: nothing follows from it. */
export function compare(a: string, b: string, { json = false }: CompareOptions): number {
  const [was, is] = [readSweep(a, 'compare').sweep, readSweep(b, 'compare').sweep];
  const comparison = compareSweeps(was, is);
  process.stdout.write(
    json
      ? `${JSON.stringify(comparison, null, 2)}\n`
      : renderComparison(comparison, { colour: colour() }),
  );
  return was.valid && is.valid ? 0 : invalid;
}
