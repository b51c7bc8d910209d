import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { dockerBench } from '../engines/docker-bench.ts';
import { localBench } from '../engines/local-bench.ts';
import type { Lab } from '../model/lab.ts';
import { packageRoot } from '../package-root.ts';
import { findK6 } from '../services/k6-binary.ts';
import { openMocks } from '../services/open-mocks.ts';
import { findRealQdrant } from '../services/real-qdrant.ts';
import { UsageError } from '../usage-error.ts';
import { type K6Sweeps, sweepOnK6 } from './k6-sweeps.ts';
import { openMysqlCells } from './mysql-cells.ts';
import { placingFrom } from './placing.ts';
import { repeatsFrom } from './repeats-option.ts';
import { exitCodeOf, invalid, type SimulateOptions, show, simulate } from './simulate.ts';
import { interrupted, untilStopped } from './until-stopped.ts';

export type RunOptions = SimulateOptions & {
  engine?: string;
  /** True where the flag came without an address. */
  qdrantUrl?: string | true;
  /** True where the flag came without an address. */
  mysql?: string | true;
  docker?: boolean;
};

type Say = (line: string) => void;

// A real service can't be sped up.
const atSpeedOne = (labs: Lab[]): Lab[] => labs.map((lab) => ({ ...lab, speed: 1 }));

/** On this machine: k6 as a process, the mocks in our own, and what the options put in their place. */
export async function sweepHere(
  labs: Lab[],
  { out = 'results', qdrantUrl, mysql, repeats, ...options }: RunOptions,
  say: Say,
  signal: AbortSignal,
): Promise<K6Sweeps> {
  const times = repeatsFrom(repeats) ?? 1;
  const placing = placingFrom(options);
  const realMysql = mysql === undefined ? undefined : await openMysqlCells(mysql, say, signal);
  try {
    const realQdrant =
      qdrantUrl === undefined ? undefined : await findRealQdrant(qdrantUrl, process.env);
    if (realQdrant)
      say(
        `Qdrant ${realQdrant.version} at ${realQdrant.url} takes the place of the mock, at speed 1, in collections named kneepoint-… that are deleted afterwards`,
      );
    if (realMysql)
      say(`${realMysql.provenance} gives the records, at speed 1 and to one cell after the other`);
    const timed = realQdrant || realMysql ? atSpeedOne(labs) : labs;
    const k6 = await findK6({ env: process.env, root: packageRoot, say, signal });
    const [{ speed }] = timed as [Lab];
    const ports = { openai: 0, qdrant: 0, records: 0, admin: 0 };
    const source = realMysql?.openSource;
    const mocks = await openMocks(timed[0]!, speed, '127.0.0.1', ports, undefined, source);
    try {
      return await sweepOnK6(timed, {
        bench: localBench(k6, mocks),
        out,
        realQdrant,
        realMysql: realMysql && { cells: realMysql, mocks },
        ...(realMysql && { provenance: { mysql: realMysql.provenance } }),
        repeats: times,
        placing,
        signal,
      });
    } finally {
      await mocks.close();
    }
  } finally {
    await realMysql?.close();
  }
}

/** In containers: MySQL with the lab's records, mocks and k6, a stack of its own for each lab. */
async function sweepInDocker(
  labs: Lab[],
  { out = 'results', qdrantUrl, mysql, repeats, ...options }: RunOptions,
  say: Say,
  signal: AbortSignal,
): Promise<K6Sweeps> {
  const times = repeatsFrom(repeats) ?? 1;
  const placing = placingFrom(options);
  for (const [option, value] of Object.entries({ '--qdrant-url': qdrantUrl, '--mysql': mysql }))
    if (value !== undefined)
      throw new UsageError(`${option}: --docker brings its own; leave one of them out`);
  const { startStack } = await import('../services/containers/stack.ts');
  const all: K6Sweeps = { sweeps: [], failures: [] };
  for (const lab of atSpeedOne(labs)) {
    if (signal.aborted) break;
    const folder = mkdtempSync(join(tmpdir(), 'kneepoint-docker-'));
    try {
      const labPath = join(folder, 'lab.json');
      writeFileSync(labPath, JSON.stringify(lab));
      const stack = await startStack({ mysql: { labPath }, say, signal });
      try {
        const database = stack.mysql ? { mysql: `${stack.mysql.version} in a container` } : {};
        const bench = dockerBench(stack);
        const done = await sweepOnK6([lab], {
          bench,
          out,
          provenance: database,
          repeats: times,
          placing,
          signal,
        });
        all.sweeps.push(...done.sweeps);
        all.failures.push(...done.failures);
      } finally {
        await stack.close();
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return all;
}

/** Runs labs on k6 against the mocks, or on the simulator. */
export async function run(labs: Lab[], options: RunOptions): Promise<number> {
  const { engine = 'k6', json = false, qdrantUrl, mysql, docker } = options;
  if (engine === 'simulate') {
    const k6Only = { '--qdrant-url': qdrantUrl, '--mysql': mysql, '--docker': docker };
    for (const [option, value] of Object.entries(k6Only))
      if (value !== undefined)
        throw new UsageError(`${option}: the simulator has no use for it; use --engine k6`);
    return simulate(labs, options);
  }
  if (engine !== 'k6') throw new UsageError(`--engine: "${engine}" is not one of k6, simulate`);

  const say: Say = (line) => process.stderr.write(`kneepoint: ${line}\n`);
  const stop = untilStopped();
  const { signal } = stop;
  let done: K6Sweeps;
  try {
    done = await (docker ? sweepInDocker : sweepHere)(labs, options, say, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    say('interrupted');
    return interrupted;
  } finally {
    stop.close();
  }

  const sweeps = done.sweeps.map(({ sweep }) => sweep);
  if (sweeps.length > 0) show(sweeps, json);
  for (const failure of new Set(done.failures)) say(failure);
  for (const { folder } of done.sweeps)
    say(`report: ${relative(process.cwd(), join(folder, 'report.html'))}`);
  if (signal.aborted) {
    say('interrupted; the finished cells are saved');
    return interrupted;
  }
  return done.failures.length > 0 ? invalid : exitCodeOf(sweeps);
}
