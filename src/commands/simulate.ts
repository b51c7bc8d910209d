import { labOfRepeat, mergeRepeats, simulateRepeats } from '../analyze/repeats.ts';
import type { Lab } from '../model/lab.ts';
import type { Sweep } from '../model/sweep.ts';
import { provenanceOf } from '../provenance.ts';
import { renderSummary } from '../report/summary.ts';
import { renderSweep } from '../report/terminal.ts';
import { resultsFolder, writeResults } from '../results.ts';
import { type RawCell, simulateCell } from '../simulate/cell.ts';
import { createPlacer, type Placing, type PlacingOptions, placingFrom } from './placing.ts';
import { repeatsFrom } from './repeats-option.ts';

export type SimulateOptions = PlacingOptions & { json?: boolean; out?: string; repeats?: string };

/** Exit codes of design and documentation. */
const fine = 0;
export const invalid = 3;

/** Whether stdout shows colours. */
export const colour = () => process.stdout.isTTY === true && !process.env.NO_COLOR;

/** Prints the results on stdout: tables, or one JSON document. */
export function show(sweeps: Sweep[], json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(sweeps.length === 1 ? sweeps[0] : sweeps, null, 2)}\n`);
    return;
  }
  for (const sweep of sweeps)
    process.stdout.write(`${renderSweep(sweep, { colour: colour() })}\n\n`);
  if (sweeps.length > 1) process.stdout.write(`${renderSummary(sweeps, { colour: colour() })}\n`);
}

export const exitCodeOf = (sweeps: Sweep[]) =>
  sweeps.every(({ valid }) => valid) ? fine : invalid;

/** The lab with the worker counts that are placed for it in virtual time. */
function placed(lab: Lab, placing: Placing, repeats: number): Lab {
  const placer = createPlacer(lab, placing, (line) => process.stderr.write(`kneepoint: ${line}\n`));
  const cells: RawCell[] = [];
  for (let wanted = placer.first; wanted.length > 0; wanted = placer.next(cells))
    for (const workers of wanted) {
      const runs = Array.from({ length: repeats }, (_, at) =>
        simulateCell(labOfRepeat(lab, at), workers),
      );
      cells.push(mergeRepeats(runs));
    }
  return { ...lab, workers: cells.map(({ workers }) => workers).sort((a, b) => a - b) };
}

/** Runs labs in virtual time. Nothing is written unless `--out` asks for it: it is there again in milliseconds. */
export function simulate(labs: Lab[], { json = false, out, ...options }: SimulateOptions): number {
  const repeats = repeatsFrom(options.repeats) ?? 1;
  const placing = placingFrom(options);
  const sweeps = labs.map((given) => {
    const lab = placing ? placed(given, placing, repeats) : given;
    const sweep = simulateRepeats(lab, provenanceOf(lab), repeats);
    if (out !== undefined) writeResults(resultsFolder(out, lab.name, new Date()), sweep);
    return sweep;
  });
  show(sweeps, json);
  return exitCodeOf(sweeps);
}
