/** Runs a user's own worker command, once for each worker count, and measures it from outside. */
import { basename, join } from 'node:path';
import { type EventLoopWatch, watchEventLoop } from '../../mocks/event-loop.ts';
import { type MeasuredCell, nothingObserved } from '../analyze/exec/measured.ts';
import type { Lab } from '../model/lab.ts';
import type { Harness, Observed } from '../model/sweep.ts';
import { infeasibleCell } from '../simulate/cell.ts';
import { judgeCompleteness } from './completeness.ts';
import { watchCpu } from './machine-cpu.ts';
import type { Traffic } from './meter.ts';
import { type Watched, watch } from './process/watch.ts';
import { secretsIn } from './secrets.ts';
import type { Stage } from './stage.ts';

export type CommandRun = {
  /** With `{workers}` and its like still to be filled in. */
  command: string[];
  cwd: string;
  /** The results folder: logs go there. */
  folder: string;
  timeoutMs: number;
  memoryLimitMb?: number | undefined;
  recordField?: string | undefined;
  signal: AbortSignal;
};

/** What a cell shows while it runs. */
export type CommandProgress = { records: number; rateLimited: number; memoryMb: number };

/** What a command is told: the lab's numbers, by name. */
const placeholders = (lab: Lab, workers: number): Record<string, number> => ({
  workers,
  records: lab.workload.records,
  batch: lab.workload.batchSize,
  claim: lab.workload.recordsPerClaim,
});

/** The command with `{workers}`, `{records}`, `{batch}` and `{claim}` filled in. `${records}` is the shell's own. */
export function fillIn(command: string[], lab: Lab, workers: number): string[] {
  const values = placeholders(lab, workers);
  return command.map((word) =>
    word.replace(/(?<!\$)\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole)),
  );
}

/** Settings that pipelines usually read from their environment, beside where the services are. */
const settings = ({ workload, mysql }: Lab, workers: number): Record<string, string> => ({
  MAX_WORKERS: String(workers),
  BATCH_SIZE: String(workload.batchSize),
  MYSQL_POOL_SIZE: String(mysql.poolSize),
});

/** Loopback must not go through a proxy that the user's environment names. */
const withoutProxy = (env: NodeJS.ProcessEnv): Record<string, string> => {
  const local = '127.0.0.1,localhost,::1';
  const given = env.NO_PROXY ?? env.no_proxy;
  const value = given ? `${given},${local}` : local;
  return { NO_PROXY: value, no_proxy: value };
};

const environment = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  );

/** Samples of memory that a sweep keeps of a cell. */
const samplesKept = 120;

function thinned<T>(samples: T[]): T[] {
  const step = Math.ceil(samples.length / samplesKept);
  return step <= 1 ? samples : samples.filter((_, at) => at % step === 0);
}

/** Who is asked where, and what came of it: why nothing of a service's requests succeeded. */
function unanswered({ openai, qdrant, failures }: Traffic): string[] {
  const services = [
    {
      request: 'embeddings request',
      variable: 'OPENAI_BASE_URL',
      seen: openai,
      statuses: failures.openai,
    },
    { request: 'upsert', variable: 'QDRANT_URL', seen: qdrant, statuses: failures.qdrant },
  ];
  const unasked = services.filter(({ seen }) => seen.requests === 0);
  const failed = services.filter(({ seen }) => seen.requests > 0 && seen.succeeded === 0);
  return [
    ...(unasked.length > 0
      ? [
          `the command made ${unasked.map(({ request, variable }) => `no ${request} to ${variable}`).join(' and ')}; see that it reads ${unasked.length > 1 ? 'them' : 'it'}`,
        ]
      : []),
    ...failed.map(({ request, variable, seen, statuses }) => {
      const answers = statuses.length > 0 ? ` (${statuses.join(', ')})` : '';
      return seen.requests === 1
        ? `the only ${request} to ${variable} failed${answers}`
        : `all ${seen.requests} ${request}s to ${variable} failed${answers}`;
    }),
  ];
}

/** The line that tells most of a command's last ones: what it names an error, or else the last in words. */
export function lastWords(lines: string[]): string | undefined {
  // Node ends a crash with its version, and both it and others print the stack below the error.
  const telling = lines.filter((line) => /\p{L}/u.test(line) && !/^Node\.js v|^\s*at /.test(line));
  const error = telling.findLast((line) => /^\s*(?:[\w.]+\.)?\w*(?:Error|Exception)\b/.test(line));
  return (error ?? telling.at(-1))?.trim().replace(/[.:;]+$/, '');
}

/** Why a cell is not whole, and whether its figures may be judged all the same. */
export function problemOf(
  { timedOut, outOfMemory, exitCode, signalName, memory, lastLines }: Watched,
  traffic: Traffic,
  timeoutMs: number,
): { problem?: string; usable: boolean } {
  const last = lastWords(lastLines);
  const said = last ? `: ${last.slice(0, 200)}` : '';
  const missing = unanswered(traffic);
  const worked = missing.length === 0;
  if (outOfMemory)
    return { problem: `out of memory at the limit of ${memory.limitMb} MiB`, usable: true };
  if (timedOut)
    return {
      problem: `no end within ${Math.round(timeoutMs / 1_000)} s (--timeout)`,
      usable: false,
    };
  if (signalName)
    return { problem: `the command was ended by ${signalName}${said}`, usable: false };
  if (!worked && exitCode === 0) return { problem: missing.join('; '), usable: false };
  if (exitCode !== 0) {
    // Of what it never came to ask, only its own words can tell why.
    const refused = missing.filter((problem) => problem.includes(' failed'));
    return {
      problem: [`the command ended with exit code ${exitCode}${said}`, ...refused].join('; '),
      usable: worked,
    };
  }
  return { usable: true };
}

/** A cell that was not run because its workers would not fit into memory. */
export function notRun(lab: Lab, workers: number, problem: string): MeasuredCell {
  const { openai, qdrant, completeness } = infeasibleCell(lab, workers);
  return {
    workers,
    feasible: false,
    seconds: 0,
    openai,
    qdrant,
    spentSeconds: { embed: 0, qdrant: 0, backoff: 0 },
    peakMb: 0,
    completeness,
    pointsPerRecord: lab.workload.chunksPerRecord,
    observed: { ...nothingObserved, problem },
  };
}

/** A cell whose services could not be had: nothing was run, and that tells nothing of its workers. */
export function notStarted(lab: Lab, workers: number, problem: string): MeasuredCell {
  const cell = notRun(lab, workers, problem);
  return { ...cell, feasible: true, observed: { ...cell.observed, usable: false } };
}

/**
 * Runs the command with so many workers on a stage of its own. Undefined where it was interrupted.
 * Rejects with UsageError where the command can't be started.
 */
export async function runCommand(
  lab: Lab,
  workers: number,
  stage: Stage,
  run: CommandRun,
  progress: (state: CommandProgress) => void,
): Promise<MeasuredCell | undefined> {
  const { command, cwd, folder, timeoutMs, memoryLimitMb, recordField, signal } = run;
  const logPath = join(folder, `command-${String(workers).padStart(2, '0')}-workers.log`);
  const env = {
    ...environment(),
    ...withoutProxy(process.env),
    ...settings(lab, workers),
    ...stage.env,
  };
  const [cpu, eventLoop] = [watchCpu(), watchEventLoop()];
  const watched = await watch({
    command: fillIn(command, lab, workers),
    cwd,
    env,
    logPath,
    // The mocks' own keys open nothing, and help to read a log.
    secrets: secretsIn({ ...process.env, MYSQL_URL: env.MYSQL_URL }),
    timeoutMs,
    ...(memoryLimitMb !== undefined && { memoryLimitMb }),
    sampleMs: 250,
    signal,
    onSample: ({ megabytes }) => progress({ ...stage.progress(), memoryMb: megabytes }),
  }).finally(eventLoop.close);
  const cpuShare = cpu.share();
  if (watched.interrupted) return undefined;
  await stage.settled();
  const traffic = stage.traffic();
  const harness = { ...harnessOf(traffic, eventLoop), cpuShare };
  const connectionsInUse = await stage.connectionsInUse();
  const stageProblem = await stage.problem();
  const { problem, usable } = stageProblem
    ? { problem: stageProblem, usable: false }
    : problemOf(watched, traffic, timeoutMs);
  const points = stage.points();
  const found = points
    ? judgeCompleteness(points, lab.workload, recordField)
    : countedOnly(lab, traffic.pointsWritten);
  const seconds = (traffic.lastMs - traffic.firstMs) / 1_000;
  const { obeyed, early, meanEarlyMs, unknown } = traffic.waits;
  const observed: Observed = {
    ...(problem !== undefined && { problem }),
    usable,
    wholeSeconds: watched.seconds,
    startUpSeconds: Number.isNaN(traffic.firstMs)
      ? watched.seconds
      : Math.max(0, (traffic.firstMs - watched.startedMs) / 1_000),
    exitCode: watched.exitCode,
    cpuSeconds: watched.cpuSeconds,
    waits: { obeyed, early, meanEarlyMs, unknown },
    memory: {
      source: watched.memory.source,
      peakProcesses: watched.memory.peakProcesses,
      ...(watched.memory.cgroupPeakMb !== undefined && {
        cgroupPeakMb: watched.memory.cgroupPeakMb,
      }),
      ...(watched.memory.limitMb !== undefined && { limitMb: watched.memory.limitMb }),
      samples: thinned(watched.memory.samples).map(({ seconds: at, megabytes }) => ({
        seconds: at,
        megabytes,
      })),
    },
    leftBehind: watched.leftBehind,
    duplicatePoints: found.duplicatePoints,
    ...(found.recordField !== undefined && { recordField: found.recordField }),
    lostRecords: found.lostRecords,
    log: basename(logPath),
  };
  return {
    workers,
    feasible: !watched.outOfMemory,
    seconds: Number.isNaN(seconds) ? 0 : seconds,
    longestGapSeconds: traffic.longestGapMs / 1_000,
    openai: traffic.openai,
    qdrant: traffic.qdrant,
    spentSeconds: traffic.spentSeconds,
    peakMb: watched.memory.peakMb,
    connectionsInUse,
    completeness: found.counts,
    pointsPerRecord: found.usualPoints,
    ...(found.fieldsSeen !== undefined && { fieldsSeen: found.fieldsSeen }),
    harness,
    observed,
  };
}

/** How well we kept time between a command's first request and its last answer. */
function harnessOf(
  { firstMs, lastMs, spentSeconds, ownMs }: Traffic,
  eventLoop: EventLoopWatch,
): Harness {
  const spanMs = lastMs - firstMs;
  const inFlightMs = 1_000 * (spentSeconds.embed + spentSeconds.qdrant);
  return {
    speed: 1,
    eventLoopDelayMs: eventLoop.between(firstMs, lastMs),
    mockWorkMs: ownMs,
    concurrency: spanMs > 0 ? inFlightMs / spanMs : 0,
  };
}

/** Where stored points can't be looked at, those that the service acknowledged stand for them. */
function countedOnly(
  { workload: { records, chunksPerRecord } }: Lab,
  written: number,
): ReturnType<typeof judgeCompleteness> {
  const pointsExpected = records * chunksPerRecord;
  const missing = Math.max(0, pointsExpected - written);
  return {
    counts: {
      records,
      pointsExpected,
      pointsStored: Math.min(written, pointsExpected),
      recordsFailed: Math.min(records, Math.ceil(missing / chunksPerRecord)),
    },
    duplicatePoints: 0,
    recordField: undefined,
    usualPoints: chunksPerRecord,
    lostRecords: [],
  };
}
