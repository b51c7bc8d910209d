import { writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { analyze } from '../analyze/analyze.ts';
import {
  type CellProgress,
  createWeights,
  expectedRealSeconds,
  K6Failed,
  runCell,
} from '../engines/k6.ts';
import type { Lab } from '../model/lab.ts';
import type { Sweep } from '../model/sweep.ts';
import { packageRoot } from '../package-root.ts';
import { provenanceOf } from '../provenance.ts';
import { resultsFolder, writeResults } from '../results.ts';
import { findK6 } from '../services/k6-binary.ts';
import { openMocks } from '../services/open-mocks.ts';
import { findRealQdrant } from '../services/real-qdrant.ts';
import type { RawCell } from '../simulate/cell.ts';
import { UsageError } from '../usage-error.ts';
import { createProgress } from './progress.ts';
import { exitCodeOf, invalid, type SimulateOptions, show, simulate } from './simulate.ts';

export type RunOptions = SimulateOptions & {
  engine?: string;
  /** True where the flag came without an address. */
  qdrantUrl?: string | true;
};

/** Exit codes of design and documentation. */
const interrupted = 130;

// What runs at the same time over all labs: more would disturb each other on two cores.
const weightAtOnce = 24;
/** One or two users leave room for four cells; more are felt by their neighbours. */
const weightOf = (workers: number) => (workers <= 2 ? 6 : Math.max(12, workers));

type LabRun = { lab: Lab; folder: string; labPath: string; cells: Map<number, RawCell> };

/** Runs labs on k6 against the mocks, several cells at a time: keys keep their state apart. */
export async function run(given: Lab[], options: RunOptions): Promise<number> {
  const { engine = 'k6', json = false, out = 'results', qdrantUrl } = options;
  if (engine === 'simulate') {
    if (qdrantUrl !== undefined)
      throw new UsageError('--qdrant-url: the simulator has no use for it; use --engine k6');
    return simulate(given, options);
  }
  if (engine !== 'k6') throw new UsageError(`--engine: "${engine}" is not one of k6, simulate`);

  const began = new Date();
  const say = (line: string) => process.stderr.write(`kneepoint: ${line}\n`);
  const realQdrant =
    qdrantUrl === undefined ? undefined : await findRealQdrant(qdrantUrl, process.env);
  if (realQdrant)
    say(
      `Qdrant ${realQdrant.version} at ${realQdrant.url} takes the place of the mock, at speed 1, in collections named kneepoint-… that are deleted afterwards`,
    );
  // A real service can't be sped up.
  const labs = realQdrant ? given.map((lab) => ({ ...lab, speed: 1 })) : given;
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);

  const root = packageRoot;
  const k6 = await findK6({ env: process.env, root, say, signal: stop.signal });
  const runs: LabRun[] = labs.map((lab) => {
    const folder = resultsFolder(resolve(out), lab.name, began);
    const labPath = join(folder, 'lab.json');
    writeFileSync(labPath, JSON.stringify(lab, null, 2));
    return { lab, folder, labPath, cells: new Map() };
  });
  const ports = { openai: 0, qdrant: 0, records: 0, admin: 0 };
  const mocks = await openMocks(labs[0]!, labs[0]!.speed, '127.0.0.1', ports);
  const progress = createProgress(process.stderr);
  const weighted = createWeights(weightAtOnce);
  const failures: string[] = [];

  // The longest cells first, so that none is left running alone at the end.
  const cells = runs
    .flatMap((labRun) => labRun.lab.workers.map((workers) => ({ labRun, workers })))
    .map((cell) => ({ ...cell, expected: expectedRealSeconds(cell.labRun.lab, cell.workers) }))
    .sort((a, b) => b.expected - a.expected);
  const finished = new Map<string, Sweep>();
  const finish = ({ lab, folder, cells: done }: LabRun): void => {
    const raw = lab.workers.flatMap((workers) => done.get(workers) ?? []);
    if (raw.length === 0) return;
    const provenance = {
      ...provenanceOf(lab),
      k6: k6.version,
      startedAt: began.toISOString(),
      ...(realQdrant && { qdrant: `${realQdrant.version} at ${realQdrant.url}` }),
    };
    const sweep = analyze('k6', lab, raw, provenance);
    if (raw.length < lab.workers.length) {
      sweep.valid = false;
      sweep.warnings.push({
        code: 'cells-missing',
        message: `Only ${raw.length} of ${lab.workers.length} worker counts were measured.`,
        remedy: 'Run the lab again.',
      });
    }
    writeResults(folder, sweep);
    finished.set(folder, sweep);
  };

  await Promise.all(
    cells.map(({ labRun, workers }) =>
      weighted(weightOf(workers), async () => {
        if (stop.signal.aborted) return;
        const { lab, labPath, folder } = labRun;
        const cell = `${lab.name} × ${workers}`;
        const context = { k6: k6.path, mocks, folder, realQdrant, signal: stop.signal };
        const tell = (state: CellProgress) => progress.update(cell, state, lab.workload.records);
        try {
          progress.begin(cell);
          const raw = await runCell(lab, labPath, workers, context, tell);
          labRun.cells.set(workers, raw);
          progress.end(cell, raw);
          if (labRun.cells.size === lab.workers.length) finish(labRun);
        } catch (error) {
          progress.drop(cell);
          if (stop.signal.aborted) return;
          if (!(error instanceof K6Failed)) throw error;
          failures.push(`${lab.name}: ${error.message}`);
        }
      }),
    ),
  );
  progress.close();
  await mocks.close();
  process.removeListener('SIGINT', onSignal).removeListener('SIGTERM', onSignal);

  for (const labRun of runs) if (!finished.has(labRun.folder)) finish(labRun);
  const sweeps = runs.flatMap(({ folder }) => finished.get(folder) ?? []);
  if (sweeps.length > 0) show(sweeps, json);
  for (const failure of new Set(failures)) say(failure);
  for (const { folder } of runs)
    if (finished.has(folder))
      say(`report: ${relative(process.cwd(), join(folder, 'report.html'))}`);
  if (stop.signal.aborted) {
    say('interrupted; the finished cells are saved');
    return interrupted;
  }
  return failures.length > 0 ? invalid : exitCodeOf(sweeps);
}
