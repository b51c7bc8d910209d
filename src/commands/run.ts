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
import { MissingPartError } from '../services/missing-part.ts';
import { openMocks } from '../services/open-mocks.ts';
import { findRealQdrant } from '../services/real-qdrant.ts';
import type { RawCell } from '../simulate/cell.ts';
import { UsageError } from '../usage-error.ts';
import { type MysqlCells, openMysqlCells } from './mysql-cells.ts';
import { createProgress } from './progress.ts';
import { exitCodeOf, invalid, type SimulateOptions, show, simulate } from './simulate.ts';

export type RunOptions = SimulateOptions & {
  engine?: string;
  /** True where the flag came without an address. */
  qdrantUrl?: string | true;
  /** True where the flag came without an address. */
  mysql?: string | true;
};

/** Exit codes of design and documentation. */
const interrupted = 130;

// What runs at the same time over all labs: more would disturb each other on two cores.
const weightAtOnce = 24;
/** One or two users leave room for four cells; more are felt by their neighbours. */
const weightOf = (workers: number) => (workers <= 2 ? 6 : Math.max(12, workers));

type LabRun = { lab: Lab; folder: string; labPath: string; cells: Map<number, RawCell> };

type Say = (line: string) => void;

/** Runs labs on k6 against the mocks, several cells at a time: keys keep their state apart. */
export async function run(given: Lab[], options: RunOptions): Promise<number> {
  const { engine = 'k6', qdrantUrl, mysql } = options;
  if (engine === 'simulate') {
    for (const [option, value] of Object.entries({ '--qdrant-url': qdrantUrl, '--mysql': mysql }))
      if (value !== undefined)
        throw new UsageError(`${option}: the simulator has no use for it; use --engine k6`);
    return simulate(given, options);
  }
  if (engine !== 'k6') throw new UsageError(`--engine: "${engine}" is not one of k6, simulate`);

  const say: Say = (line) => process.stderr.write(`kneepoint: ${line}\n`);
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  let realMysql: MysqlCells | undefined;
  try {
    if (mysql !== undefined) realMysql = await openMysqlCells(mysql, say, stop.signal);
    return await runOnK6(given, options, realMysql, say, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    say('interrupted');
    return interrupted;
  } finally {
    await realMysql?.close();
    process.removeListener('SIGINT', onSignal).removeListener('SIGTERM', onSignal);
  }
}

async function runOnK6(
  given: Lab[],
  { json = false, out = 'results', qdrantUrl }: RunOptions,
  realMysql: MysqlCells | undefined,
  say: Say,
  signal: AbortSignal,
): Promise<number> {
  const began = new Date();
  const realQdrant =
    qdrantUrl === undefined ? undefined : await findRealQdrant(qdrantUrl, process.env);
  if (realQdrant)
    say(
      `Qdrant ${realQdrant.version} at ${realQdrant.url} takes the place of the mock, at speed 1, in collections named kneepoint-… that are deleted afterwards`,
    );
  if (realMysql)
    say(`${realMysql.provenance} gives the records, at speed 1 and to one cell after the other`);
  // A real service can't be sped up.
  const labs = realQdrant || realMysql ? given.map((lab) => ({ ...lab, speed: 1 })) : given;

  const root = packageRoot;
  const k6 = await findK6({ env: process.env, root, say, signal });
  const runs: LabRun[] = labs.map((lab) => {
    const folder = resultsFolder(resolve(out), lab.name, began);
    const labPath = join(folder, 'lab.json');
    writeFileSync(labPath, JSON.stringify(lab, null, 2));
    return { lab, folder, labPath, cells: new Map() };
  });
  const ports = { openai: 0, qdrant: 0, records: 0, admin: 0 };
  const mocks = await openMocks(
    labs[0]!,
    labs[0]!.speed,
    '127.0.0.1',
    ports,
    undefined,
    realMysql?.openSource,
  );
  const progress = createProgress(process.stderr);
  const weighted = createWeights(weightAtOnce);
  const failures: string[] = [];

  const cells = runs
    .flatMap((labRun) => labRun.lab.workers.map((workers) => ({ labRun, workers })))
    .map((cell) => ({ ...cell, expected: expectedRealSeconds(cell.labRun.lab, cell.workers) }));
  // The longest cells first, so that none is left running alone at the end. With one database for all,
  // cells take turns.
  if (!realMysql) cells.sort((a, b) => b.expected - a.expected);
  const weigh = realMysql ? () => weightAtOnce : weightOf;
  const finished = new Map<string, Sweep>();
  const finish = ({ lab, folder, cells: done }: LabRun): void => {
    const raw = lab.workers.flatMap((workers) => done.get(workers) ?? []);
    if (raw.length === 0) return;
    const provenance = {
      ...provenanceOf(lab),
      k6: k6.version,
      startedAt: began.toISOString(),
      ...(realQdrant && { qdrant: `${realQdrant.version} at ${realQdrant.url}` }),
      ...(realMysql && { mysql: realMysql.provenance }),
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
    realMysql?.mark(sweep);
    writeResults(folder, sweep);
    finished.set(folder, sweep);
  };

  // One that breaks is no reason to begin another.
  let broken = false;
  const allCells = Promise.all(
    cells.map(({ labRun, workers }) =>
      weighted(weigh(workers), async () => {
        if (signal.aborted || broken) return;
        const { lab, labPath, folder } = labRun;
        const cell = `${lab.name} × ${workers}`;
        const context = { k6: k6.path, mocks, folder, realQdrant, signal };
        const tell = (state: CellProgress) => progress.update(cell, state, lab.workload.records);
        try {
          await realMysql?.before(lab, workers);
          progress.begin(cell);
          const raw = await runCell(lab, labPath, workers, context, tell).finally(() =>
            realMysql?.after(lab, workers, mocks),
          );
          labRun.cells.set(workers, raw);
          progress.end(cell, raw);
          if (labRun.cells.size === lab.workers.length) finish(labRun);
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
    await mocks.close();
  }

  for (const labRun of runs) if (!finished.has(labRun.folder)) finish(labRun);
  const sweeps = runs.flatMap(({ folder }) => finished.get(folder) ?? []);
  if (sweeps.length > 0) show(sweeps, json);
  for (const failure of new Set(failures)) say(failure);
  for (const { folder } of runs)
    if (finished.has(folder))
      say(`report: ${relative(process.cwd(), join(folder, 'report.html'))}`);
  if (signal.aborted) {
    say('interrupted; the finished cells are saved');
    return interrupted;
  }
  return failures.length > 0 ? invalid : exitCodeOf(sweeps);
}
