/** `--workers auto` and `--refine`: a sweep that places worker counts itself, and tells which and why. */
import { type Aim, aimOfAuto, aimOfRefining, nextWorkers } from '../analyze/adaptive.ts';
import type { Lab } from '../model/lab.ts';
import type { RawCell } from '../simulate/cell.ts';
import { UsageError } from '../usage-error.ts';

/** How worker counts are placed: all of them, up to a limit (the lab's largest where none is given), or around a matrix. */
export type Placing = { kind: 'auto'; mostWorkers?: number } | { kind: 'refine' };

/** Options of the commands that can place worker counts. */
export type PlacingOptions = { workers?: string; refine?: boolean };

/** As many workers as a lab may have. */
const mostWorkers = 1_000;

export const isAuto = (workers: string | undefined): boolean =>
  workers !== undefined && /auto/i.test(workers);

/** What `--workers auto`, `--workers auto:N` and `--refine` ask for; undefined for a plain matrix. Throws UsageError. */
export function placingFrom({ workers, refine = false }: PlacingOptions): Placing | undefined {
  if (!isAuto(workers)) return refine ? { kind: 'refine' } : undefined;
  const match = /^auto(?::(\d{1,9}))?$/.exec(workers!.trim());
  const most = match?.[1] === undefined ? undefined : Number(match[1]);
  if (!match || (most !== undefined && (most < 2 || most > mostWorkers)))
    throw new UsageError(
      `--workers: must be auto, auto:N with N from 2 to ${mostWorkers}, or a list such as 1,2,5; got "${workers}"`,
    );
  if (refine)
    throw new UsageError(
      '--refine: --workers auto places all counts itself; leave one of them out',
    );
  return { kind: 'auto', ...(most !== undefined && { mostWorkers: most }) };
}

/** What else is known beside the cells that can be judged. */
export type Circumstances = {
  /** The lab as it was measured, where that differs from the one that was asked for. */
  asMeasured?: Lab;
  /** Counts that ran without a result that can be judged. */
  tried?: number[];
  /** Workers that this machine can hold. */
  mostWorkers?: number;
};

export type Placer = {
  /** What to run first. */
  first: number[];
  /** What to run after these cells, rising: empty when done. */
  next: (cells: RawCell[], circumstances?: Circumstances) => number[];
};

const listed = (counts: number[]): string =>
  counts.length === 1 ? `${counts[0]}` : `${counts.slice(0, -1).join(', ')} and ${counts.at(-1)}`;

/** Places the counts of one lab, and says each time which and why. Without `placing` it is the lab's own matrix. */
export function createPlacer(
  lab: Lab,
  placing: Placing | undefined,
  say: (line: string) => void,
): Placer {
  if (!placing) return { first: lab.workers, next: () => [] };
  const aim: Aim =
    placing.kind === 'auto'
      ? aimOfAuto(placing.mostWorkers ?? Math.max(...lab.workers))
      : aimOfRefining(lab.workers);
  return {
    first: placing.kind === 'auto' ? nextWorkers(lab, [], aim).workers : lab.workers,
    next(cells, { asMeasured = lab, tried = [], mostWorkers = aim.mostWorkers } = {}) {
      const within = { ...aim, mostWorkers: Math.min(aim.mostWorkers, mostWorkers) };
      const { workers, why } = nextWorkers(asMeasured, cells, within, tried);
      const all = new Set([...cells.map((cell) => cell.workers), ...tried]).size;
      say(
        workers.length > 0
          ? `${lab.name}: ${why}; adding ${listed(workers)} workers`
          : `${lab.name}: ${why}; done after ${all} worker counts`,
      );
      return workers;
    },
  };
}

/** Says a line on stderr, also where a line of progress is being redrawn. */
export function sayAmidProgress(line: string): void {
  process.stderr.write(`${process.stderr.isTTY ? '\r\x1b[2K' : ''}kneepoint: ${line}\n`);
}
