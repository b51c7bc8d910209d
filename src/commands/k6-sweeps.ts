import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Mocks } from '../../mocks/server.ts';
import { analyzeRepeats, labOfRepeat } from '../analyze/repeats.ts';
import {
  type Bench,
  type CellProgress,
  createWeights,
  expectedRealSeconds,
  K6Failed,
  runCell,
} from '../engines/k6.ts';
import type { Lab } from '../model/lab.ts';
import type { Provenance, Sweep } from '../model/sweep.ts';
import { provenanceOf } from '../provenance.ts';
import { resultsFolder, writeResults } from '../results.ts';
import { MissingPartError } from '../services/missing-part.ts';
import type { RealQdrant } from '../services/real-qdrant.ts';
import type { RawCell } from '../simulate/cell.ts';
import type { MysqlCells } from './mysql-cells.ts';
import { createProgress } from './progress.ts';

/** What labs run on. */
export type K6Context = {
  bench: Bench;
  /** Folder for results. */
  out: string;
  realQdrant?: RealQdrant | undefined;
  /** With the mocks whose reads it serves. */
  realMysql?: { cells: MysqlCells; mocks: Mocks } | undefined;
  /** More of what the result comes from. */
  provenance?: Partial<Provenance>;
  /** Runs of each worker count, 1 where not given. */
  repeats?: number;
  signal: AbortSignal;
};

/** Sweeps in the order of the labs, each with its folder; labs of which no cell was measured are left out. */
export type K6Sweeps = { sweeps: { sweep: Sweep; folder: string }[]; failures: string[] };

// What runs at the same time over all labs: more would disturb each other on two cores.
const weightAtOnce = 24;
/** One or two users leave room for four cells; more are felt by their neighbours. */
const weightOf = (workers: number) => (workers <= 2 ? 6 : Math.max(12, workers));

/** One run of a lab's cells, with a seed of its own; `folder` has its lab and k6's raw summaries. */
type Repeat = { lab: Lab; folder: string; labPath: string };

/** A cell's runs stand in the order of the repeats, and have a gap where one failed. */
type LabRun = { lab: Lab; folder: string; repeats: Repeat[]; cells: Map<number, RawCell[]> };

function repeatIn(folder: string, lab: Lab): Repeat {
  mkdirSync(folder, { recursive: true });
  const labPath = join(folder, 'lab.json');
  writeFileSync(labPath, JSON.stringify(lab, null, 2));
  return { lab, folder, labPath };
}

/**
 * Runs labs on k6, several cells at a time: keys keep their state apart. A lab is analysed and written as
 * soon as its last cell is there, and what an abort leaves of the others at the end.
 */
export async function sweepOnK6(labs: Lab[], context: K6Context): Promise<K6Sweeps> {
  const { bench, out, realQdrant, realMysql, repeats = 1, signal } = context;
  const began = new Date();
  const runs: LabRun[] = labs.map((lab) => {
    const folder = resultsFolder(resolve(out), lab.name, began);
    const own = (at: number) => (at === 0 ? folder : join(folder, `repeat-${at + 1}`));
    const runsOf = Array.from({ length: repeats }, (_, at) =>
      repeatIn(own(at), labOfRepeat(lab, at)),
    );
    return { lab, folder, repeats: runsOf, cells: new Map() };
  });
  const progress = createProgress(process.stderr);
  const weighted = createWeights(weightAtOnce);
  const failures: string[] = [];

  const cells = runs
    .flatMap((labRun) =>
      labRun.lab.workers.flatMap((workers) =>
        labRun.repeats.map((repeat, at) => ({ labRun, workers, repeat, at })),
      ),
    )
    .map((cell) => ({ ...cell, expected: expectedRealSeconds(cell.labRun.lab, cell.workers) }));
  // The longest cells first, so that none is left running alone at the end. With one database for all,
  // cells take turns.
  if (!realMysql) cells.sort((a, b) => b.expected - a.expected);
  const weigh = realMysql ? () => weightAtOnce : weightOf;
  const finished = new Map<string, Sweep>();
  const left = new Map<LabRun, number>();
  const finish = ({ lab, folder, cells: done }: LabRun): void => {
    const raw = lab.workers.flatMap((workers) => {
      const measured = done.get(workers)?.filter(Boolean) ?? [];
      return measured.length > 0 ? [measured] : [];
    });
    if (raw.length === 0) return;
    const provenance = {
      ...provenanceOf(lab),
      k6: bench.k6Version,
      startedAt: began.toISOString(),
      ...(realQdrant && { qdrant: `${realQdrant.version} at ${realQdrant.url}` }),
      ...context.provenance,
    };
    const sweep = analyzeRepeats('k6', lab, raw, provenance);
    const measured = raw.flat().length;
    const wanted = lab.workers.length * repeats;
    if (measured < wanted) {
      sweep.valid = false;
      sweep.warnings.push({
        code: 'cells-missing',
        message: `Only ${measured} of ${wanted} ${repeats > 1 ? 'runs of worker counts' : 'worker counts'} were measured.`,
        remedy: 'Run the lab again.',
      });
    }
    realMysql?.cells.mark(sweep);
    writeResults(folder, sweep);
    finished.set(folder, sweep);
  };

  // One that breaks is no reason to begin another.
  let broken = false;
  const allCells = Promise.all(
    cells.map(({ labRun, workers, repeat, at }) =>
      weighted(weigh(workers), async () => {
        if (signal.aborted || broken) return;
        const { lab } = labRun;
        const cell = `${lab.name} × ${workers}${repeats > 1 ? ` (${at + 1} of ${repeats})` : ''}`;
        const tell = (state: CellProgress) => progress.update(cell, state, lab.workload.records);
        try {
          await realMysql?.cells.before(lab, workers);
          progress.begin(cell);
          const run = { bench, folder: repeat.folder, realQdrant, signal };
          const raw = await runCell(repeat.lab, repeat.labPath, workers, run, tell).finally(() =>
            realMysql?.cells.after(lab, workers, realMysql.mocks),
          );
          const measured = labRun.cells.get(workers) ?? [];
          measured[at] = raw;
          labRun.cells.set(workers, measured);
          progress.end(cell, raw);
          left.set(labRun, (left.get(labRun) ?? lab.workers.length * repeats) - 1);
          if (left.get(labRun) === 0) finish(labRun);
        } catch (error) {
          progress.drop(cell);
          if (signal.aborted) return;
          const known = error instanceof K6Failed || error instanceof MissingPartError;
          if (!known) {
            broken = true;
            throw error;
          }
          failures.push(`${lab.name}: ${error.message}`);
        }
      }),
    ),
  );
  try {
    await allCells;
  } finally {
    progress.close();
  }
  for (const labRun of runs) if (!finished.has(labRun.folder)) finish(labRun);
  const sweeps = runs.flatMap(({ folder }) => {
    const sweep = finished.get(folder);
    return sweep ? [{ sweep, folder }] : [];
  });
  return { sweeps, failures };
}
