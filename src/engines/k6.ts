/** Runs the cells of a lab on a real k6 against the mocks, and reads what it measured. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cellOf, cellSpeed, type K6Summary, MissingSamples } from '../../k6/cells.ts';
import type { Mocks } from '../../mocks/server.ts';
import type { Lab } from '../model/lab.ts';
import { createWorkload } from '../model/workload.ts';
import { packageRoot } from '../package-root.ts';
import type { RealQdrant } from '../services/real-qdrant.ts';
import { infeasibleCell, memoryOf, type RawCell, simulateCell } from '../simulate/cell.ts';

export type K6Run = {
  k6: string;
  mocks: Mocks;
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

const script = join(packageRoot, 'k6', 'lab.ts');

/** The first thing k6 complained of, without its stack. */
const reasonIn = (said: string): string =>
  (/msg="((?:[^"\\]|\\.)+)"/.exec(said)?.[1] ?? said).split(/\\n|\n/)[0]!.slice(0, 300);

/** Runs one cell; `progress` is called a few times a second. Throws K6Failed where k6 brought no result. */
export async function runCell(
  lab: Lab,
  labPath: string,
  workers: number,
  { k6, mocks, folder, realQdrant, signal }: K6Run,
  progress: (state: CellProgress) => void,
): Promise<RawCell> {
  if (memoryOf(lab, workers).shareOfHost > 1) return infeasibleCell(lab, workers);
  const before = new Set(mocks.runs.all().map(({ name }) => name));
  const raw = join(folder, `k6-${String(workers).padStart(2, '0')}-workers.json`);
  const environment = {
    KNEEPOINT_LAB: labPath,
    KNEEPOINT_SUMMARY: raw,
    KNEEPOINT_OPENAI_URL: mocks.openaiUrl,
    KNEEPOINT_QDRANT_URL: realQdrant?.url ?? mocks.qdrantUrl,
    KNEEPOINT_RECORDS_URL: mocks.recordsUrl,
    WORKERS: String(workers),
    ...(realQdrant && {
      KNEEPOINT_QDRANT_COLLECTION: 'kneepoint',
      KNEEPOINT_QDRANT_API_KEY: realQdrant.apiKey ?? '',
    }),
  };
  // By environment rather than by flags: a key must not be seen in the list of processes.
  const child = spawn(k6, ['run', '--quiet', '--include-system-env-vars=true', script], {
    env: {
      ...environment,
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      K6_NO_USAGE_REPORT: 'true',
      K6_AUTO_EXTENSION_RESOLUTION: 'false',
      // Half the collections: a pause of 5 ms is 50 virtual ones.
      GOGC: '400',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
    // Ctrl-C reaches the whole terminal group: we decide when k6 stops.
    detached: true,
  });
  const kill = () => child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  let said = '';
  child.stderr.on('data', (text: Buffer) => {
    if (said.length < 10_000) said += text.toString();
  });
  const claimRecords = lab.workload.recordsPerClaim;
  const watch = setInterval(() => {
    const run = mocks.runs
      .all()
      .find(
        (other) =>
          other.lab.name === lab.name &&
          other.name.endsWith(`-${workers}`) &&
          !before.has(other.name),
      );
    if (!run) return;
    const begun = run.seen.reads * claimRecords;
    const records = Math.max(0, Math.min(begun, lab.workload.records) - workers * claimRecords);
    progress({ workers, records, rateLimited: run.seen.rateLimited });
  }, 200);
  try {
    const code = await new Promise<number | string>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (exitCode, signalName) => resolve(exitCode ?? signalName ?? 'unknown'));
    });
    if (!existsSync(raw)) {
      const line = reasonIn(said);
      throw new K6Failed(`k6 ended with ${code} at ${workers} workers${line ? `: ${line}` : ''}`);
    }
    const { summary } = JSON.parse(readFileSync(raw, 'utf8')) as { summary: K6Summary };
    const { claims } = createWorkload(lab.workload);
    return cellOf(lab, workers, claims, summary);
  } catch (error) {
    if (error instanceof MissingSamples) {
      const line = reasonIn(said);
      throw new K6Failed(`${error.message}${line ? `: ${line}` : ''}`);
    }
    throw error;
  } finally {
    clearInterval(watch);
    signal.removeEventListener('abort', kill);
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
