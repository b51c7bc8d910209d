import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { analyzeMeasured } from '../analyze/analyze.ts';
import { calibrated, fitMemory, type MeasuredCell } from '../analyze/exec/measured.ts';
import { type CommandRun, notRun, runCommand } from '../engines/exec.ts';
import { memoryLimitProblem, memoryLimitWays } from '../engines/process/memory-limit.ts';
import { parseSize } from '../engines/process/size.ts';
import { notMeasured } from '../engines/process/watch.ts';
import { secretsIn, withoutSecrets } from '../engines/secrets.ts';
import type { Lab } from '../model/lab.ts';
import type { Sweep } from '../model/sweep.ts';
import { provenanceOf } from '../provenance.ts';
import { resultsFolder, writeResults } from '../results.ts';
import { freeMemoryMb } from '../services/free-memory.ts';
import { MissingPartError } from '../services/missing-part.ts';
import { memoryOf, simulateCell } from '../simulate/cell.ts';
import { parseDuration } from './duration.ts';
import type { ExecOptions } from './exec-services.ts';
import { createPlacer, placingFrom, sayAmidProgress } from './placing.ts';
import { createProgress } from './progress.ts';
import { exitCodeOf, invalid, show } from './simulate.ts';

/** Exit codes of design and documentation. */
const interrupted = 130;

const say = (line: string) => process.stderr.write(`kneepoint: ${line}\n`);

/** A command that takes ten times as long as predicted, and two minutes of start-up, hangs. */
const usualTimeoutMs = (lab: Lab, workers: number): number =>
  1_000 * (120 + 10 * simulateCell(lab, workers).seconds);

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
      : await (await import('./exec-mocks.ts')).prepareMocks(
          lab,
          options,
          closing,
          say,
          stop.signal,
        );
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
