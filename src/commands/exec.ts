import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { analyzeMeasured } from '../analyze/analyze.ts';
import { withFirstClaims } from '../analyze/exec/first-claim.ts';
import { calibrated, type MeasuredCell } from '../analyze/exec/measured.ts';
import { roomProblem } from '../analyze/exec/room.ts';
import { type CommandRun, notRun, notStarted, runCommand } from '../engines/exec.ts';
import { memoryLimitProblem, memoryLimitWays } from '../engines/process/memory-limit.ts';
import { parseSize } from '../engines/process/size.ts';
import { notMeasured } from '../engines/process/watch.ts';
import { secretsIn, withoutSecrets } from '../engines/secrets.ts';
import type { Stage } from '../engines/stage.ts';
import type { Lab } from '../model/lab.ts';
import type { Sweep, Warning } from '../model/sweep.ts';
import { provenanceOf } from '../provenance.ts';
import { resultsFolder, writeResults } from '../results.ts';
import { freeMemoryMb } from '../services/free-memory.ts';
import { MissingPartError } from '../services/missing-part.ts';
import { simulateCell } from '../simulate/cell.ts';
import { UsageError } from '../usage-error.ts';
import { parseDuration } from './duration.ts';
import type { ExecOptions } from './exec-services.ts';
import { createPlacer, placingFrom, sayAmidProgress } from './placing.ts';
import { createProgress } from './progress.ts';
import { exitCodeOf, invalid, show } from './simulate.ts';
import { interrupted, untilStopped } from './until-stopped.ts';

const fieldsShown = 12;

const say = (line: string) => process.stderr.write(`kneepoint: ${line}\n`);

/** A command that takes ten times as long as predicted, and two minutes of start-up, hangs. */
const usualTimeoutMs = (lab: Lab, workers: number): number =>
  1_000 * (120 + 10 * simulateCell(lab, workers).seconds);

/** What to tell of cells whose points don't have the payload field that was given. */
function unknownField(cells: MeasuredCell[], given: string): Warning[] {
  const fields = cells.find(({ fieldsSeen }) => fieldsSeen !== undefined)?.fieldsSeen;
  if (!fields) return [];
  const shown = fields.slice(0, fieldsShown).join(', ');
  return [
    {
      code: 'record-field-unknown',
      message: `No stored point has the payload field "${given}" of --record-field; it was looked for as if none were given.`,
      remedy:
        fields.length > 0
          ? `Give one of those that points have: ${shown}${fields.length > fieldsShown ? ', …' : ''}.`
          : 'Store the record of a point in its payload.',
    },
  ];
}

/** Runs a user's own command over the matrix and measures it from outside. Results are written after each cell. */
export async function exec(given: Lab, command: string[], options: ExecOptions): Promise<number> {
  const { json = false, out = 'results', recordField } = options;
  const limitMb = options.memoryLimit === undefined ? undefined : parseSize(options.memoryLimit);
  const timeoutMs = options.timeout === undefined ? undefined : parseDuration(options.timeout);
  if (recordField?.trim() === '')
    throw new UsageError('--record-field: is empty; give the payload field, such as record_id');
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
  const stop = untilStopped();
  const closing: (() => Promise<void>)[] = [];
  const progress = createProgress(process.stderr);
  const measured: MeasuredCell[] = [];
  const placing = placingFrom(options);
  const placer = createPlacer(lab, placing, sayAmidProgress);
  let sweep: Sweep | undefined;
  let folder = '';
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
    folder = resultsFolder(resolve(out), lab.name, began);
    const provenance = {
      ...provenanceOf(lab),
      startedAt: began.toISOString(),
      command: withoutSecrets(command.join(' '), secretsIn(process.env)),
      ...services.provenance,
    };
    /** Measures one worker count; undefined where it was interrupted. */
    const measure = async (workers: number): Promise<MeasuredCell | undefined> => {
      const cell = `${lab.name} × ${workers}`;
      const room = roomProblem(lab, workers, measured, { freeMb: freeMemoryMb(), limitMb });
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
      let stage: Stage;
      try {
        stage = await services.open();
      } catch (error) {
        progress.drop(cell);
        // A database that died may be there again for the next count.
        if (stop.signal.aborted || !(error instanceof MissingPartError)) throw error;
        say(`${cell}: ${error.message}`);
        return notStarted(lab, workers, error.message);
      }
      try {
        const done = await runCommand(lab, workers, stage, run, (state) =>
          progress.update(cell, state, lab.workload.records),
        );
        const shown = done && withFirstClaims(lab, [...measured, done]).at(-1)!;
        if (shown?.observed.usable) progress.end(cell, { ...shown, wasRun: true });
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
      const cells = withFirstClaims(known, measured);
      sweep = analyzeMeasured(known, cells, circumstances, {
        ...provenance,
        labHash: provenanceOf(asRun).labHash,
      });
      if (recordField !== undefined) sweep.warnings.push(...unknownField(measured, recordField));
      if (at === wanted.length - 1)
        wanted.push(
          ...placer.next(
            sweep.cells.filter(({ command: seen }) => seen?.usable !== false),
            { asMeasured: calibrated(known, cells, circumstances), tried: ran },
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
  } catch (error) {
    // What was under way when the user stopped it fails in many ways, none of them worth a word.
    if (!stop.signal.aborted) throw error;
  } finally {
    progress.close();
    // Also where something broke: the cells before it were measured.
    if (sweep) {
      show([sweep], json);
      say(`report: ${relative(process.cwd(), join(folder, 'report.html'))}`);
    }
    for (const close of closing.reverse()) await close();
    stop.close();
  }
  if (stop.signal.aborted) {
    say(sweep ? 'interrupted; the finished cells are saved' : 'interrupted; no cell was finished');
    return interrupted;
  }
  return sweep ? exitCodeOf([sweep]) : invalid;
}
