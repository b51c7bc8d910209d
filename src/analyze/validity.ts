import type { Lab } from '../model/lab.ts';
import type { Bottleneck, Cell, Harness, Sweep, Verdict, Warning } from '../model/sweep.ts';
import { createWorkload } from '../model/workload.ts';
import { figure, percent } from './wording.ts';

/** What speaks against a run, and whether it speaks against any verdict at all. */
export type Validity = {
  warnings: Warning[];
  /** Codes of the warnings that leave nothing to rely on. */
  invalidating: string[];
};

/**
 * Share of a cell's time that the harness may have made up or lost. It is what engines agree within
 * where nothing disturbs them (measured), so more than this is no longer the service that is seen.
 */
const tolerance = 0.05;

/** Real milliseconds that k6 takes off each answer, as loopback and timers take them. */
const usualLateMs = 3;
/** Real milliseconds behind its schedule that a worker can make up for. */
const mostMadeUpMs = 10;
/** Share of the machine's cores from which on programs wait for one. */
const busyMachine = 0.9;

/** Samples below which percentiles are single requests, and below which nothing can be said (assumed). */
const fewSamples = 10;
const tooFewSamples = 5;

/** Share of the workers' time that the end of a run with claims enough may cost (assumed). */
const longTail = 0.15;
const claimsEnough = 5;

const counts = (cells: Cell[]): string => {
  const workers = cells.map((cell) => cell.workers);
  const last = workers.at(-1)!;
  const named =
    workers.length > 1 ? `${workers.slice(0, -1).join(', ')} and ${last}` : String(last);
  return `${named} worker${workers.length === 1 && last === 1 ? '' : 's'}`;
};

type Measured = Pick<Cell, 'workers' | 'seconds' | 'absorbed'> & { harness?: Harness };
type Watched = Cell & { harness: Harness };

const isWatched = (cell: Cell): cell is Watched => cell.harness !== undefined && cell.seconds > 0;

/** Workers that are somewhere, by the time that each state took. */
const inStates = ({
  absorbed: { read, compute, embed, qdrant, backoff },
}: Pick<Cell, 'absorbed'>): number => read + compute + embed + qdrant + backoff;

/** Share of the workers' time that is in no state, or in two: by Little's law there is none. */
const unaccounted = ({ absorbed, harness }: Measured): number =>
  harness && harness.concurrency > 0
    ? (harness.concurrency - inStates({ absorbed })) / harness.concurrency
    : 0;

/** Share of a cell's time that is the harness's own, as far as it could not be taken off. */
export const disturbance = (cell: Measured): number =>
  Math.max(cell.harness?.slowShare ?? 0, Math.abs(unaccounted(cell)));

/** Whether a cell can't be relied on for what the harness itself did to it. */
export const isDisturbed = (cell: Measured): boolean => disturbance(cell) > tolerance;

const byDisturbance = (cells: Watched[]): Watched =>
  cells.reduce((worst, cell) => (disturbance(cell) > disturbance(worst) ? cell : worst));

/** The mocks and k6, cell by cell: first whether they disturbed what was measured, then why. */
function k6Warnings(cells: Watched[]): Warning[] {
  const disturbed = cells.filter(isDisturbed);
  if (disturbed.length === 0) return [];
  const worst = byDisturbance(disturbed);
  const { harness } = worst;
  const { eventLoopDelayMs: loop, mockWorkMs, answersLateMs, timersLateMs, speed } = harness;
  const slower = Math.max(1, Math.floor((speed * tolerance) / disturbance(worst)));
  const slowDown = slower < speed ? `with --speed ${slower}` : 'on a machine with more cores';
  const warnings: Warning[] = [];

  const leaking = disturbed.filter((cell) => Math.abs(unaccounted(cell)) > tolerance);
  if (leaking.length > 0) {
    const most = byDisturbance(leaking);
    warnings.push({
      code: 'littles-law',
      message: `At ${counts(leaking)} the books don't balance: throughput times residence is ${figure(most.harness.concurrency)} workers, what they were seen to do is ${figure(inStates(most))}.`,
      remedy: `Time was lost between requests; run ${slowDown} and with nothing else on the machine.`,
    });
  }
  const mockIsLate = Math.max(loop.p95, mockWorkMs.p95) > usualLateMs;
  if (mockIsLate)
    warnings.push({
      code: 'mock-saturated',
      message: `The mocks themselves were slow: at ${counts([worst])} their event loop kept requests waiting for ${figure(loop.p95)} ms of real time at p95 (${figure(loop.p99)} at p99), their own work took ${figure(mockWorkMs.p95)}. ${percent(harness.slowShare ?? 0)} of the workers' time is theirs.`,
      remedy: `Run ${slowDown}, with fewer labs at a time, or with the mocks in a process of their own (kneepoint mocks).`,
    });
  const timersAreLate = (timersLateMs?.p95 ?? 0) > mostMadeUpMs;
  if (timersAreLate)
    warnings.push({
      code: 'timers-late',
      message: `Timers of k6 were late: workers woke ${figure(timersLateMs!.p95)} ms of real time too late at p95, and ${mostMadeUpMs} can be made up for.`,
      remedy: `Run ${slowDown} and with nothing else on the machine.`,
    });
  const answersAreLate = !mockIsLate && (answersLateMs?.p95 ?? 0) > usualLateMs;
  const machineIsBusy = (harness.cpuShare ?? 0) > busyMachine;
  if (machineIsBusy || answersAreLate)
    warnings.push({
      code: 'load-generator-starved',
      message: machineIsBusy
        ? `The machine had no core left for k6: ${percent(harness.cpuShare!)} of all were in use at ${counts([worst])}.`
        : `The mocks answered in time, but k6 saw their answers ${figure(answersLateMs!.p95)} ms of real time later at p95.`,
      remedy: `End other programs, or run ${slowDown}.`,
    });
  // Nothing was late by itself: only so fast a clock makes much of it.
  const nothingWasLate = !mockIsLate && !timersAreLate && !answersAreLate && !machineIsBusy;
  if (speed > 1 && (nothingWasLate || slower > 1))
    warnings.push({
      code: 'speed-too-high',
      message: `At ${figure(speed)} times speed a real millisecond is ${figure(speed)}: what mocks and k6 need themselves is ${percent(disturbance(worst))} of the time at ${counts([worst])}, more than ${percent(tolerance)}.`,
      remedy: `Run with --speed ${slower}.`,
    });
  return warnings;
}

/** The mocks beside a command of the user's: it has no schedule that could be compared. */
function execWarnings(cells: Watched[]): Validity {
  const share = ({ harness, openai, qdrant }: Watched) => {
    const served = [openai.latencyMs.p50, qdrant.latencyMs.p50].filter((ms) => ms > 0);
    return served.length > 0 ? harness.eventLoopDelayMs.mean / Math.min(...served) : 0;
  };
  const slow = cells.filter((cell) => share(cell) > tolerance);
  const crowded = cells.filter(({ harness, workers }) => harness.concurrency > 1.05 * workers);
  const warnings: Warning[] = [];
  if (slow.length > 0) {
    const worst = slow.reduce((most, cell) => (share(cell) > share(most) ? cell : most));
    const { mean, p99 } = worst.harness.eventLoopDelayMs;
    const busy = worst.harness.cpuShare;
    warnings.push({
      code: 'mock-saturated',
      message: `The mocks themselves were slow at ${counts(slow)}: their event loop kept a request waiting for ${figure(mean)} ms on average (${figure(p99)} at p99), ${percent(share(worst))} of what a service took${busy === undefined ? '' : `, with ${percent(busy)} of the machine's cores in use`}.`,
      remedy: 'Leave the machine a core for the mocks, or run fewer workers on it.',
    });
  }
  if (crowded.length > 0) {
    const most = crowded.at(-1)!;
    warnings.push({
      code: 'littles-law',
      message: `At ${counts(crowded)} more requests were in flight than there are workers (${figure(most.harness.concurrency)} on average at ${most.workers}): a worker sends several at a time, or the command does not heed {workers}.`,
      remedy:
        'Pass {workers} or MAX_WORKERS on, or read the verdict as being about workers of this kind.',
    });
  }
  return { warnings, invalidating: slow.length > 0 ? ['mock-saturated'] : [] };
}

/** Whether a run says enough to be judged, whoever ran it. */
function sampleWarnings(
  engine: Sweep['engine'],
  lab: Lab,
  cells: Cell[],
  bottleneck: Bottleneck,
): Validity {
  const ran = cells.filter(({ feasible, openai }) => feasible && openai.requests > 0);
  const { claims } = createWorkload(lab.workload);
  const warnings: Warning[] = [];
  const { records } = lab.workload;
  // That there are too few claims for the workers needs no more requests than there are; only where
  // time is measured it takes some records to be sure of it.
  const isBoundByClaims = bottleneck === 'work-units';
  const requests = Math.min(...ran.map(({ openai }) => openai.requests));
  const least = Math.min(
    isBoundByClaims && engine === 'simulate' ? Infinity : records,
    isBoundByClaims ? Infinity : requests,
  );
  const invalid = least < tooFewSamples;
  if (least < fewSamples && (invalid || !isBoundByClaims))
    warnings.push({
      code: 'few-samples',
      message: `${least} ${least === records ? 'record' : 'embeddings request'}${least === 1 ? '' : 's'} ${invalid ? `${least === 1 ? 'is' : 'are'} too few for any verdict` : 'make percentiles no more than single requests'}.`,
      remedy: `Run more records (--records ${Math.max(100, Math.ceil((2 * fewSamples * records) / least))}).`,
    });
  // Time that k6 lost between requests looks like being idle too; claims have begin and end.
  const idle = ({ workers, absorbed, harness }: Cell) =>
    harness ? Math.min(absorbed.idle, workers - harness.concurrency) : absorbed.idle;
  const tailed = ran.filter(
    (cell) =>
      cell.command === undefined &&
      // Workers that lose their records are through sooner, and wait for those that don't.
      cell.completeness.recordsFailed === 0 &&
      claims >= claimsEnough * cell.workers &&
      idle(cell) > longTail * cell.workers,
  );
  if (tailed.length > 0) {
    const worst = tailed.at(-1)!;
    warnings.push({
      code: 'long-tail',
      message: `The end of the run is a long one at ${counts(tailed)}: ${percent(idle(worst) / worst.workers)} of the workers' time was without work at ${worst.workers}, while the last records were waited for. Production, with more records, has less of it.`,
      remedy: `Run more records (--records ${Math.ceil((records * idle(worst)) / worst.workers / (longTail / 3))}).`,
    });
  }
  return { warnings, invalidating: invalid ? ['few-samples'] : [] };
}

/** Checks whether what was measured can be relied on; `bottleneck` is what the cells say. */
export function validityOf(
  engine: Sweep['engine'],
  lab: Lab,
  cells: Cell[],
  bottleneck: Bottleneck,
): Validity {
  const watched = cells.filter(isWatched);
  const samples = sampleWarnings(engine, lab, cells, bottleneck);
  if (engine === 'exec') {
    const mocks = execWarnings(watched);
    return {
      warnings: [...mocks.warnings, ...samples.warnings],
      invalidating: [...mocks.invalidating, ...samples.invalidating],
    };
  }
  const harness = k6Warnings(watched);
  return {
    warnings: [...harness, ...samples.warnings],
    invalidating: [...harness.map(({ code }) => code), ...samples.invalidating],
  };
}

/**
 * The verdict of a run that can't be relied on: none, with what it would be as evidence. Only that there
 * is work for a few workers alone stays as it is, in a run that is still no valid one.
 */
export function withheld(lab: Lab, verdict: Verdict, invalidating: string[]): Verdict {
  const { bottleneck, knee } = verdict;
  if (bottleneck === 'work-units' && invalidating.every((code) => code === 'few-samples'))
    return verdict;
  const at = knee === null ? '' : `, knee ${figure(knee)}`;
  return {
    bottleneck: 'undetermined',
    knee: null,
    kneeInterval: null,
    recommendedWorkers: 1,
    nextBottleneck: 'undetermined',
    action: 'Follow the warnings and run again',
    evidence: [
      `No verdict: ${invalidating.join(', ')}. Taken as they are, the cells would say ${bottleneck}${at}; that is not to be relied on.`,
    ],
    env: { MAX_WORKERS: 1, BATCH_SIZE: lab.workload.batchSize, MYSQL_POOL_SIZE: 10 },
  };
}
