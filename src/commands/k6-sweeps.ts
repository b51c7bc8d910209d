import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Mocks } from '../../mocks/server.ts';
import { analyzeRepeats, labOfRepeat, mergeRepeats } from '../analyze/repeats.ts';
import { disturbance, isDisturbed } from '../analyze/validity.ts';
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
import { createPlacer, type Placer, type Placing, sayAmidProgress } from './placing.ts';
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
  /** Where worker counts are placed as cells are measured. */
  placing?: Placing | undefined;
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

type LabRun = {
  lab: Lab;
  folder: string;
  repeats: Repeat[];
  placer: Placer;
  /** Worker counts that were asked for so far. */
  wanted: number[];
  /** Runs of these that are still to be measured. */
  left: number;
  /** A cell's runs stand in the order of the repeats, and have a gap where one failed. */
  cells: Map<number, RawCell[]>;
  /** Why runs have no result. */
  problems: string[];
};

type CellRun = { labRun: LabRun; workers: number; repeat: Repeat; at: number };

const writeLab = ({ labPath }: Pick<Repeat, 'labPath'>, lab: Lab): void =>
  writeFileSync(labPath, JSON.stringify(lab, null, 2));

function repeatIn(folder: string, lab: Lab): Repeat {
  mkdirSync(folder, { recursive: true });
  const labPath = join(folder, 'lab.json');
  writeLab({ labPath }, lab);
  return { lab, folder, labPath };
}

/** Asks for more worker counts of a lab: the cells that they are. */
function begin(labRun: LabRun, counts: number[]): CellRun[] {
  const cells = counts.flatMap((workers) =>
    labRun.repeats.map((repeat, at) => ({ labRun, workers, repeat, at })),
  );
  labRun.wanted = [...labRun.wanted, ...counts].sort((a, b) => a - b);
  labRun.left += cells.length;
  return cells;
}

/** A share of the cells up to which it was a moment that disturbed them; beyond, it is the machine or the speed. */
const aMomentOnly = 0.5;

/** Runs that something disturbed and that are worth another try. */
function runAgain(runs: LabRun[]): (CellRun & { raw: RawCell })[] {
  const all = runs.flatMap((labRun) =>
    [...labRun.cells].flatMap(([workers, measured]) =>
      measured.map((raw, at) => ({ labRun, workers, repeat: labRun.repeats[at]!, at, raw })),
    ),
  );
  const disturbed = all.filter(({ raw }) => raw && isDisturbed(raw));
  return disturbed.length <= aMomentOnly * all.length ? disturbed : [];
}

/**
 * Runs labs on k6, several cells at a time: keys keep their state apart. A lab is analysed and written as
 * soon as its last cell is there, and what an abort leaves of the others at the end. Cells that something
 * disturbed run once more at the end, each alone, and the less disturbed run counts.
 */
export async function sweepOnK6(labs: Lab[], context: K6Context): Promise<K6Sweeps> {
  const { bench, out, realQdrant, realMysql, repeats = 1, placing, signal } = context;
  const began = new Date();
  const runs: LabRun[] = labs.map((lab) => {
    const folder = resultsFolder(resolve(out), lab.name, began);
    const own = (at: number) => (at === 0 ? folder : join(folder, `repeat-${at + 1}`));
    const runsOf = Array.from({ length: repeats }, (_, at) =>
      repeatIn(own(at), labOfRepeat(lab, at)),
    );
    const placer = createPlacer(lab, placing, sayAmidProgress);
    const nothing = { wanted: [], left: 0, cells: new Map(), problems: [] };
    return { lab, folder, repeats: runsOf, placer, ...nothing };
  });
  const progress = createProgress(process.stderr);
  const weighted = createWeights(weightAtOnce);
  const failures: string[] = [];

  const weigh = realMysql ? () => weightAtOnce : weightOf;
  const finished = new Map<string, Sweep>();
  const measuredOf = ({ wanted, cells: done }: LabRun): RawCell[][] =>
    wanted.flatMap((workers) => {
      const measured = done.get(workers)?.filter(Boolean) ?? [];
      return measured.length > 0 ? [measured] : [];
    });
  const finish = (labRun: LabRun): void => {
    const { folder } = labRun;
    const raw = measuredOf(labRun);
    if (raw.length === 0) return;
    const lab = placing ? { ...labRun.lab, workers: raw.map(([run]) => run!.workers) } : labRun.lab;
    const provenance = {
      ...provenanceOf(lab),
      k6: bench.k6Version,
      startedAt: began.toISOString(),
      ...(realQdrant && { qdrant: `${realQdrant.version} at ${realQdrant.url}` }),
      ...context.provenance,
    };
    const sweep = analyzeRepeats('k6', lab, raw, provenance);
    const measured = raw.flat().length;
    const wanted = labRun.wanted.length * repeats;
    if (measured < wanted) {
      sweep.valid = false;
      const what = repeats > 1 ? 'runs of worker counts' : 'worker counts';
      const why = labRun.problems.length > 0 ? `: ${labRun.problems.join('; ')}` : '';
      sweep.warnings.push({
        code: 'cells-missing',
        message: `Only ${measured} of ${wanted} ${what} were measured${why}.`,
        remedy: 'Run the lab again.',
      });
    }
    if (realMysql) {
      // It remembers the lab that was asked for.
      const marked = { ...sweep, lab: labRun.lab };
      realMysql.cells.mark(marked);
      Object.assign(sweep, marked, { lab });
    }
    if (placing)
      for (const repeat of labRun.repeats)
        writeLab(repeat, { ...repeat.lab, workers: lab.workers });
    writeResults(folder, sweep);
    finished.set(folder, sweep);
  };

  // One that breaks is no reason to begin another.
  let broken = false;
  /** Runs one cell. Undefined where it brought nothing: why is among the failures then. */
  const measure = async ({
    labRun,
    workers,
    repeat,
    at,
  }: CellRun): Promise<RawCell | undefined> => {
    if (signal.aborted || broken) return undefined;
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
      progress.end(cell, raw);
      return raw;
    } catch (error) {
      progress.drop(cell);
      if (signal.aborted) return undefined;
      const known = error instanceof K6Failed || error instanceof MissingPartError;
      if (!known) {
        broken = true;
        throw error;
      }
      labRun.problems.push(error.message);
      failures.push(`${lab.name}: ${error.message}`);
      return undefined;
    }
  };
  const keep = ({ labRun, workers, at }: CellRun, raw: RawCell): void => {
    const measured = labRun.cells.get(workers) ?? [];
    measured[at] = raw;
    labRun.cells.set(workers, measured);
  };
  /** Measures one cell, and says what to measure next where it was the last of its lab. */
  const measureOne = async (cellRun: CellRun): Promise<CellRun[]> => {
    const raw = await measure(cellRun);
    if (!raw) return [];
    const { labRun } = cellRun;
    keep(cellRun, raw);
    labRun.left--;
    if (labRun.left > 0) return [];
    const more = begin(labRun, labRun.placer.next(measuredOf(labRun).map(mergeRepeats)));
    if (more.length === 0) finish(labRun);
    return more;
  };
  const measureAgain = async (): Promise<void> => {
    for (const { raw, ...cellRun } of runAgain(runs)) {
      const { labRun, workers } = cellRun;
      sayAmidProgress(
        `${labRun.lab.name} × ${workers}: something else took ${Math.round(100 * disturbance(raw))} % of its time; running it once more, alone`,
      );
      const again = await measure(cellRun);
      if (!again || disturbance(again) >= disturbance(raw)) continue;
      keep(cellRun, again);
      if (finished.has(labRun.folder)) finish(labRun);
    }
  };
  const measureAll = async (cells: CellRun[]): Promise<void> => {
    const timed = cells.map((cell) => ({
      cell,
      seconds: expectedRealSeconds(cell.labRun.lab, cell.workers),
    }));
    // The longest cells first, so that none is left running alone at the end. With one database for
    // all, cells take turns.
    if (!realMysql) timed.sort((a, b) => b.seconds - a.seconds);
    await Promise.all(
      timed.map(async ({ cell }) =>
        measureAll(await weighted(weigh(cell.workers), () => measureOne(cell))),
      ),
    );
  };
  try {
    await measureAll(runs.flatMap((labRun) => begin(labRun, labRun.placer.first)));
    await measureAgain();
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
