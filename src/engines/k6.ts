/** Runs the cells of a lab on a real k6 against the mocks, and reads what it measured. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cellOf, cellSpeed, type K6Summary, MissingSamples } from '../../k6/cells.ts';
import type { Lab } from '../model/lab.ts';
import { createWorkload } from '../model/workload.ts';
import type { RealQdrant } from '../services/real-qdrant.ts';
import { infeasibleCell, memoryOf, type RawCell, simulateCell } from '../simulate/cell.ts';
import { watchCpu } from './machine-cpu.ts';

/** What k6 is told of a cell, beside where the mocks are. */
export type K6Cell = {
  env: Record<string, string>;
  labPath: string;
  summaryPath: string;
  signal: AbortSignal;
};

/** Where k6 runs, and the mocks that it runs against. */
export type Bench = {
  /** What k6 calls itself. */
  k6Version: string;
  /** Runs one cell to its end, or kills it where it is aborted. `exitCode` is a signal's name where one ended it. */
  runK6: (cell: K6Cell) => Promise<{ exitCode: number | string; stderr: string }>;
  /** Names of the runs that the mocks know, and what was asked of each. */
  runs: () => Promise<SeenRun[]>;
};

/** `lab` is its name, where several labs run at once. */
export type SeenRun = { name: string; lab?: string; reads: number; rateLimited: number };

export type K6Run = {
  bench: Bench;
  /** Where k6's raw summaries and the lab go. */
  folder: string;
  /** Takes the place of the mock. */
  realQdrant: RealQdrant | undefined;
  signal: AbortSignal;
};

/** What a cell shows while it runs. */
export type CellProgress = { workers: number; records: number; rateLimited: number };

/** k6 ended without a result: killed, or stopped by an error of which `message` is the first line. */
export class K6Failed extends Error {}

/** The first thing k6 complained of, without its stack. */
const reasonIn = (said: string): string =>
  (/msg="((?:[^"\\]|\\.)+)"/.exec(said)?.[1] ?? said).split(/\\n|\n/)[0]!.slice(0, 300);

/** The file that our k6 script writes. */
type K6Result = { summary: K6Summary; speeds: Record<string, number> };

/** Runs one cell; `progress` is called a few times a second. Throws K6Failed where k6 brought no result. */
export async function runCell(
  lab: Lab,
  labPath: string,
  workers: number,
  { bench, folder, realQdrant, signal }: K6Run,
  progress: (state: CellProgress) => void,
): Promise<RawCell> {
  if (memoryOf(lab, workers).shareOfHost > 1) return infeasibleCell(lab, workers);
  const before = new Set((await bench.runs()).map(({ name }) => name));
  const raw = join(folder, `k6-${String(workers).padStart(2, '0')}-workers.json`);
  // What an earlier try left must not be taken for this one's.
  rmSync(raw, { force: true });
  const env = {
    WORKERS: String(workers),
    ...(realQdrant && {
      KNEEPOINT_QDRANT_URL: realQdrant.url,
      KNEEPOINT_QDRANT_COLLECTION: 'kneepoint',
      KNEEPOINT_QDRANT_API_KEY: realQdrant.apiKey ?? '',
    }),
  };
  const claimRecords = lab.workload.recordsPerClaim;
  const watch = setInterval(async () => {
    // A look that fails is no more than a line of progress that does not move.
    const run = (await bench.runs().catch(() => [])).find(
      ({ name, lab: itsLab = lab.name }) =>
        itsLab === lab.name && name.endsWith(`-${workers}`) && !before.has(name),
    );
    if (!run) return;
    const begun = run.reads * claimRecords;
    const records = Math.max(0, Math.min(begun, lab.workload.records) - workers * claimRecords);
    progress({ workers, records, rateLimited: run.rateLimited });
  }, 200);
  let said = '';
  const cpu = watchCpu();
  try {
    const { exitCode, stderr } = await bench.runK6({ env, labPath, summaryPath: raw, signal });
    const cpuShare = cpu.share();
    said = stderr;
    if (!existsSync(raw)) {
      const line = reasonIn(said);
      throw new K6Failed(
        `k6 ended with ${exitCode} at ${workers} workers${line ? `: ${line}` : ''}`,
      );
    }
    const { summary, speeds } = JSON.parse(readFileSync(raw, 'utf8')) as K6Result;
    const { claims } = createWorkload(lab.workload);
    const cell = cellOf(lab, { workers, speed: speeds[workers]! }, claims, summary);
    return { ...cell, harness: { ...cell.harness!, cpuShare } };
  } catch (error) {
    if (error instanceof MissingSamples) {
      const line = reasonIn(said);
      throw new K6Failed(`${error.message}${line ? `: ${line}` : ''}`);
    }
    throw error;
  } finally {
    clearInterval(watch);
  }
}

/** Real seconds that a cell will take, start-up left out. */
export function expectedRealSeconds(lab: Lab, workers: number): number {
  const { seconds } = simulateCell(lab, workers);
  return seconds / cellSpeed(lab, seconds);
}

/** Takes turns by weight: so many virtual users at a time, and whoever waits longest goes first. */
export function createWeights(capacity: number) {
  let free = capacity;
  const waiting: { weight: number; go: () => void }[] = [];
  const admit = () => {
    for (let next = waiting[0]; next && next.weight <= free; next = waiting[0]) {
      waiting.shift();
      free -= next.weight;
      next.go();
    }
  };
  return async function weighted<T>(asked: number, run: () => Promise<T>): Promise<T> {
    const weight = Math.min(asked, capacity);
    await new Promise<void>((go) => {
      waiting.push({ weight, go });
      admit();
    });
    try {
      return await run();
    } finally {
      free += weight;
      admit();
    }
  };
}
