import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { analyzeMeasured } from '../analyze/analyze.ts';
import { calibrated, fitMemory, type MeasuredCell } from '../analyze/measured.ts';
import { type CommandRun, notRun, runCommand } from '../engines/exec.ts';
import { openMockStage } from '../engines/mock-stage.ts';
import { memoryLimitProblem, memoryLimitWays } from '../engines/process/memory-limit.ts';
import { parseSize } from '../engines/process/size.ts';
import { notMeasured } from '../engines/process/watch.ts';
import { secretsIn, withoutSecrets } from '../engines/secrets.ts';
import type { Stage } from '../engines/stage.ts';
import type { Lab } from '../model/lab.ts';
import type { Sweep } from '../model/sweep.ts';
import { provenanceOf } from '../provenance.ts';
import { resultsFolder, writeResults } from '../results.ts';
import { freeMemoryMb } from '../services/free-memory.ts';
import { MissingPartError } from '../services/missing-part.ts';
import { describeServer, findMysql } from '../services/mysql/find.ts';
import { prepareRecords } from '../services/mysql/records-table.ts';
import type { MysqlServer } from '../services/mysql/server.ts';
import { openMocks } from '../services/open-mocks.ts';
import { memoryOf, simulateCell } from '../simulate/cell.ts';
import { UsageError } from '../usage-error.ts';
import { parseDuration } from './duration.ts';
import { createPlacer, type PlacingOptions, placingFrom, sayAmidProgress } from './placing.ts';
import { createProgress } from './progress.ts';
import { exitCodeOf, invalid, show } from './simulate.ts';

export type ExecOptions = PlacingOptions & {
  json?: boolean;
  out?: string;
  timeout?: string;
  memoryLimit?: string;
  /** True where the flag came without an address. */
  mysqlUrl?: string | true;
  /** False for `--no-mysql`. */
  mysql?: boolean;
  recordField?: string;
  real?: boolean;
  yes?: boolean;
  maxCost?: string;
};

/** Exit codes of design and documentation. */
const interrupted = 130;

const say = (line: string) => process.stderr.write(`kneepoint: ${line}\n`);

/** A command that takes ten times as long as predicted, and two minutes of start-up, hangs. */
const usualTimeoutMs = (lab: Lab, workers: number): number =>
  1_000 * (120 + 10 * simulateCell(lab, workers).seconds);

/**
 * The MySQL that the command reads from, with the lab's records in it. Undefined where none was asked
 * for and none is to be had: then the command's own MYSQL_ variables stay as they are.
 */
async function openMysql(
  lab: Lab,
  { mysqlUrl: flag, mysql: wanted }: ExecOptions,
  signal: AbortSignal,
): Promise<MysqlServer | undefined> {
  if (wanted === false) {
    if (flag !== undefined) throw new UsageError('--mysql-url and --no-mysql: give one of them');
    return undefined;
  }
  const option = '--mysql-url';
  let server: MysqlServer;
  try {
    server = await findMysql({ flag, env: process.env, say, signal, option });
  } catch (error) {
    if (flag !== undefined || !(error instanceof MissingPartError)) throw error;
    say(`no MySQL of our own (${error.ways[0]}…): MYSQL_ variables stay as they are in your shell`);
    return undefined;
  }
  try {
    let toldMs = performance.now();
    await prepareRecords(server, {
      lab,
      records: lab.workload.records,
      option,
      progress(done, all) {
        if (performance.now() - toldMs < 2_000) return;
        toldMs = performance.now();
        say(`filling the table records: ${done} of ${all}`);
      },
      signal,
    });
    return server;
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** Why so many workers would not fit, by what was measured so far, or by the lab before anything was; undefined where they do. */
function roomProblem(
  lab: Lab,
  workers: number,
  measured: MeasuredCell[],
  limitMb: number | undefined,
): { problem: string; whose: 'host' | 'machine' } | undefined {
  const fit = fitMemory(measured);
  const neededMb = fit ? fit.baseMb + workers * fit.perWorkerMb : memoryOf(lab, workers).megabytes;
  const gib = (mb: number) => `${(mb / 1_024).toFixed(1)} GiB`;
  const freeMb = freeMemoryMb();
  if (neededMb > freeMb)
    return {
      problem: `not run: ${workers} workers need about ${gib(neededMb)}, this machine has ${gib(freeMb)} free`,
      whose: 'machine',
    };
  // Within a limit nothing else can be harmed, so what happens there is seen for real.
  if (limitMb === undefined && neededMb > lab.host.memoryGb * 1_024)
    return {
      problem: `not run: ${workers} workers need about ${gib(neededMb)} of the host's ${gib(lab.host.memoryGb * 1_024)}`,
      whose: 'host',
    };
  return undefined;
}

/** Runs a user's own command over the matrix and measures it from outside. Results are written after each cell. */
export async function exec(given: Lab, command: string[], options: ExecOptions): Promise<number> {
  const { json = false, out = 'results', recordField } = options;
  const limitMb = options.memoryLimit === undefined ? undefined : parseSize(options.memoryLimit);
  const timeoutMs = options.timeout === undefined ? undefined : parseDuration(options.timeout);
  if (limitMb !== undefined) {
    const problem = await memoryLimitProblem();
    if (problem) throw new MissingPartError(`--memory-limit: ${problem}`, memoryLimitWays);
  }
  // A real client can't be sped up, and under a limit the limit is the host.
  const host = limitMb === undefined ? given.host : { ...given.host, memoryGb: limitMb / 1_024 };
  const lab = { ...given, speed: 1, host };

  const unmeasured = notMeasured();
  if (unmeasured) say(unmeasured);

  const began = new Date();
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const closing: (() => Promise<void>)[] = [];
  const progress = createProgress(process.stderr);
  const measured: MeasuredCell[] = [];
  const placing = placingFrom(options);
  const placer = createPlacer(lab, placing, sayAmidProgress);
  let sweep: Sweep | undefined;
  try {
    const services = options.real
      ? await (await import('./exec-real.ts')).prepareReal(lab, options, closing, say)
      : await prepareMocks(lab, options, closing, stop.signal);
    const folder = resultsFolder(resolve(out), lab.name, began);
    const provenance = {
      ...provenanceOf(lab),
      startedAt: began.toISOString(),
      command: withoutSecrets(command.join(' '), secretsIn(process.env)),
      ...services.provenance,
    };
    /** Measures one worker count; undefined where it was interrupted. */
    const measure = async (workers: number): Promise<MeasuredCell | undefined> => {
      const cell = `${lab.name} × ${workers}`;
      const room = roomProblem(lab, workers, measured, limitMb);
      if (room) {
        say(room.problem);
        const skipped = notRun(lab, workers, room.problem);
        skipped.observed.usable = room.whose === 'host';
        return skipped;
      }
      const run: CommandRun = {
        command,
        cwd: process.cwd(),
        folder,
        timeoutMs: timeoutMs ?? usualTimeoutMs(lab, workers),
        memoryLimitMb: limitMb,
        recordField,
        signal: stop.signal,
      };
      progress.begin(cell);
      const stage = await services.open();
      try {
        const done = await runCommand(lab, workers, stage, run, (state) =>
          progress.update(cell, state, lab.workload.records),
        );
        if (done) progress.end(cell, done);
        else progress.drop(cell);
        if (done?.observed.problem) say(`${cell}: ${done.observed.problem}`);
        return done;
      } finally {
        await stage.close();
      }
    };
    const circumstances = {
      machineCores: availableParallelism(),
      realServices: options.real === true,
    };
    const wanted = [...placer.first];
    for (let at = 0; at < wanted.length && !stop.signal.aborted; at++) {
      const done = await measure(wanted[at]!);
      if (!done) break;
      measured.push(done);
      measured.sort((a, b) => a.workers - b.workers);
      const ran = measured.map(({ workers }) => workers);
      const asRun = placing ? { ...lab, workers: ran } : lab;
      const known = services.asSeen(asRun);
      sweep = analyzeMeasured(known, measured, circumstances, {
        ...provenance,
        labHash: provenanceOf(asRun).labHash,
      });
      if (at === wanted.length - 1)
        wanted.push(
          ...placer.next(
            sweep.cells.filter(({ command: seen }) => seen?.usable !== false),
            { asMeasured: calibrated(known, measured, circumstances), tried: ran },
          ),
        );
      if (measured.length < wanted.length) {
        sweep.valid = false;
        sweep.warnings.push({
          code: 'cells-missing',
          message: `Only ${measured.length} of ${wanted.length} worker counts were measured.`,
          remedy: 'Run the lab again.',
        });
      }
      writeResults(folder, sweep);
    }
    if (sweep) {
      progress.close();
      show([sweep], json);
      say(`report: ${relative(process.cwd(), join(folder, 'report.html'))}`);
    }
  } catch (error) {
    // What was under way when the user stopped it fails in many ways, none of them worth a word.
    if (!stop.signal.aborted) throw error;
  } finally {
    progress.close();
    for (const close of closing.reverse()) await close();
    process.removeListener('SIGINT', onSignal).removeListener('SIGTERM', onSignal);
  }
  if (stop.signal.aborted) {
    say(sweep ? 'interrupted; the finished cells are saved' : 'interrupted; no cell was finished');
    return interrupted;
  }
  return sweep ? exitCodeOf([sweep]) : invalid;
}

/** What a command runs against, and what of it belongs into the provenance. */
export type Prepared = {
  open: () => Promise<Stage>;
  provenance: { mysql?: string; services?: string };
  /** The lab with what is known of the services by now. */
  asSeen: (lab: Lab) => Lab;
};

async function prepareMocks(
  lab: Lab,
  options: ExecOptions,
  closing: (() => Promise<void>)[],
  signal: AbortSignal,
): Promise<Prepared> {
  if (options.yes || options.maxCost !== undefined)
    throw new UsageError('--yes and --max-cost: only with --real; the mocks cost nothing');
  const mysql = await openMysql(lab, options, signal);
  if (mysql) closing.push(() => mysql.close());
  const ports = { openai: 0, qdrant: 0, records: 0, admin: 0 };
  const mocks = await openMocks(lab, 1, '127.0.0.1', ports);
  closing.push(() => mocks.close());
  return {
    open: () => openMockStage(lab, mocks, mysql),
    asSeen: (known) => known,
    provenance: mysql ? { mysql: describeServer(mysql) } : {},
  };
}
