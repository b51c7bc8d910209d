import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { MissingPartError } from '../../services/missing-part.ts';
import { UsageError } from '../../usage-error.ts';
import {
  type Cgroup,
  cgroupPids,
  joinFiles,
  killCgroup,
  makeCgroup,
  removeCgroup,
} from './cgroup.ts';
import {
  endScope,
  findScope,
  memoryLimitProblem,
  memoryLimitWays,
  type Scope,
  scopeCommand,
  scopeEnvironment,
} from './memory-limit.ts';
import { openOutputLog } from './output-log.ts';
import { mergeOutputs, openOutputPipe } from './output-pipe.ts';
import type { MemorySample } from './samples.ts';
import { startGuard } from './start-guard.ts';
import type { ThreadInput, ThreadOrder, ThreadReport, ThreadSummary } from './watch-thread.ts';

export type { MemorySample };

/** What was seen of a command and of all that it started. */
export type Watched = {
  /** Null where a signal ended it, or where it was never started. */
  exitCode: number | null;
  signalName: string | null;
  /** When it was started, on this thread's monotonic clock; NaN where it never was. */
  startedMs: number;
  /** From the start to the end of the command itself. */
  seconds: number;
  timedOut: boolean;
  interrupted: boolean;
  /** The memory limit ended at least one process. */
  outOfMemory: boolean;
  /**
   * MiB. `source` `pss` counts shared pages once, `rss` in each process. `cgroupPeakMb` is the kernel's
   * own figure: it misses no peak between two samples, but counts files cached in memory and leaves
   * out those that another process has loaded before.
   */
  memory: {
    peakMb: number;
    peakProcesses: number;
    samples: MemorySample[];
    source: 'pss' | 'rss';
    cgroupPeakMb?: number;
    limitMb?: number;
  };
  /** Exact where there is a cgroup; else a little low (see tree-cpu.ts). */
  cpuSeconds: number;
  /** Processes that still ran when the command had ended by itself, and were ended. */
  leftBehind: number;
  /** The last lines of output, without secrets. */
  lastLines: string[];
};

export type WatchOptions = {
  /** Program and arguments; no shell sees them. */
  command: string[];
  cwd: string;
  env: Record<string, string>;
  /** Where stdout and stderr go, without `secrets`. */
  logPath: string;
  secrets: string[];
  timeoutMs: number;
  memoryLimitMb?: number;
  /** The least time between two samples; it grows where samples cost more than 2 % of a core. */
  sampleMs: number;
  signal: AbortSignal;
  onSample?: (sample: MemorySample) => void;
  /** False measures as where no cgroup can be had; a limit needs one. */
  useCgroup?: boolean;
};

/** A timer that is set for longer fires at once. */
const longestTimerMs = 2 ** 31 - 1;
const drainMs = 5_000;

/** What is not measured on this system, in one line; undefined where all is. */
export function notMeasured(platform: NodeJS.Platform = process.platform): string | undefined {
  if (platform === 'linux') return undefined;
  if (platform === 'win32')
    return 'on Windows neither memory nor CPU time is measured, and a process that has left its parents is not ended: use WSL';
  return 'shared pages count in each process here, and the CPU time that a process used just before its end is missing: Linux measures both';
}

/** Joins each of `count` cgroups, then becomes the command: it is within before it takes any memory. */
const joinScript =
  'count=$1; shift; while [ "$count" -gt 0 ]; do echo $$ >"$1" || exit 125; shift; count=$((count - 1)); done; exec "$@"';
/** The name by which that script complains. */
const starter = 'kneepoint-start';
const starterExitCodes = [125, 126, 127];

type Place = { cgroup?: Cgroup; scope?: Scope };

/** Where the command is to run: in a cgroup where one can be had; throws where a limit needs one. */
async function findPlace(limitMb: number | undefined): Promise<Place> {
  const cgroup = await makeCgroup(limitMb);
  if (cgroup) return { cgroup };
  if (limitMb === undefined) return {};
  const scope = await findScope(limitMb);
  if (scope) return { scope };
  throw new MissingPartError(`--memory-limit: ${await memoryLimitProblem()}`, memoryLimitWays);
}

function placedCommand(command: string[], { cgroup, scope }: Place, limitMb?: number): string[] {
  const files = cgroup ? joinFiles(cgroup) : [];
  const inShell = ['/bin/sh', '-c', joinScript, starter, String(files.length), ...files];
  if (cgroup) return [...inShell, ...command];
  if (scope) return [...scopeCommand(scope, limitMb!), ...inShell, ...command];
  return command;
}

async function startThread(input: ThreadInput): Promise<Worker> {
  // `.js` once built.
  const file = new URL(`./watch-thread${extname(import.meta.url)}`, import.meta.url);
  const thread = new Worker(file, { workerData: input, execArgv: [], stdin: false });
  await once(thread, 'message');
  return thread;
}

const cannotStart = (program: string, code: string | undefined): Error => {
  if (code === 'ENOENT')
    return new UsageError(
      `"${program}": no such command; give one that is on PATH, or a path to it`,
    );
  // What exec says of a bare name, too, where a folder of PATH is closed to us.
  if (code === 'EACCES')
    return new UsageError(
      `"${program}": may not be executed; make it executable, give the interpreter first, or the path to it`,
    );
  return new UsageError(`"${program}": cannot be started (${code ?? 'unknown reason'})`);
};

/** The command itself, not what it leaves behind. Rejects with UsageError where it can't be started. */
function ended(child: ChildProcess, program: string) {
  return new Promise<Pick<Watched, 'exitCode' | 'signalName'> & { atMs: number }>(
    (resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) =>
        reject(cannotStart(program, error.code)),
      );
      child.once('exit', (exitCode, signalName) =>
        resolve({ exitCode, signalName, atMs: performance.now() }),
      );
    },
  );
}

/** A command that even SIGKILL does not end has no exit code. */
const orGivenUp = (ending: ReturnType<typeof ended>) =>
  Promise.race([
    ending,
    sleep(drainMs, undefined, { ref: false }).then(() => ({
      exitCode: null,
      signalName: null,
      atMs: performance.now(),
    })),
  ]);

/** What is left to do where this process itself must end at once. The guard does the rest. */
const killNow = (pid: number, cgroup: Cgroup | undefined): void => {
  if (cgroup) killCgroup(cgroup);
  for (const each of [-pid, ...(cgroup ? cgroupPids(cgroup) : [])]) {
    try {
      process.kill(each, 'SIGKILL');
    } catch {
      // Ended already.
    }
  }
};

async function checkFolder(cwd: string): Promise<void> {
  // A folder that is missing would be reported as a missing command.
  if (!(await stat(cwd).catch(() => undefined))?.isDirectory())
    throw new UsageError(`"${cwd}": no such folder to run the command in`);
}

const neverStarted = (limitMb: number | undefined): Watched => ({
  exitCode: null,
  signalName: null,
  startedMs: Number.NaN,
  seconds: 0,
  timedOut: false,
  interrupted: true,
  outOfMemory: false,
  memory: {
    peakMb: 0,
    peakProcesses: 0,
    samples: [],
    source: 'pss',
    ...(limitMb !== undefined && { limitMb }),
  },
  cpuSeconds: 0,
  leftBehind: 0,
  lastLines: [],
});

/**
 * Runs a command in a session of its own, measures it and all processes it starts from outside, and
 * ends whatever is left of them: when it has ended by itself, after `timeoutMs`, or when `signal` is
 * aborted (that resolves, too, with what was measured). Rejects with UsageError where the command can't
 * be started, and with MissingPartError where a memory limit is not possible.
 */
export async function watch(options: WatchOptions): Promise<Watched> {
  const { command, cwd, memoryLimitMb: limitMb, signal } = options;
  const program = command[0];
  if (!program) throw new UsageError('give the command to run after --');
  await checkFolder(cwd);
  if (signal.aborted) return neverStarted(limitMb);
  const mayUse = (options.useCgroup ?? true) || limitMb !== undefined;
  const place = mayUse ? await findPlace(limitMb) : {};
  try {
    return await watchIn(place, options, program);
  } finally {
    if (place.cgroup) await removeCgroup(place.cgroup);
  }
}

async function watchIn(place: Place, options: WatchOptions, program: string): Promise<Watched> {
  const { command, cwd, env, logPath, secrets, timeoutMs, sampleMs, signal, onSample } = options;
  const { cgroup, scope } = place;
  const limitMb = options.memoryLimitMb;
  // A variable of its own for each run, so that one Kneepoint may run within another.
  const markerName = `KNEEPOINT_WATCH_${randomUUID().replaceAll('-', '').slice(0, 16)}`;
  const input: ThreadInput = {
    marker: `${markerName}=1`,
    sampleMs,
    ...(cgroup && { cgroup }),
    ...(scope && { scopeName: `${scope.unit}.scope` }),
  };
  const log = await openOutputLog(logPath, secrets);
  const [thread, pipe, guard] = await Promise.all([
    startThread(input),
    openOutputPipe(),
    startGuard({ marker: input.marker, ...(cgroup && { cgroup }) }),
  ]);
  const order = (message: ThreadOrder) => thread.postMessage(message);
  const summarized = new Promise<ThreadSummary>((resolve, reject) => {
    thread.once('error', reject);
    thread.on('message', (message: ThreadReport) => {
      if (message.kind === 'sample') onSample?.(message.sample);
      if (message.kind === 'summary') resolve(message.summary);
    });
  });

  const [file, ...args] = placedCommand(command, place, limitMb);
  const startedAt = performance.now();
  const child = spawn(file!, args, {
    cwd,
    env: { ...(scope && scopeEnvironment(process.env)), ...env, [markerName]: '1' },
    stdio: ['ignore', pipe?.writeEnd ?? 'pipe', pipe?.writeEnd ?? 'pipe'],
    // A session of its own: Ctrl-C reaches us only, and we decide when it ends.
    detached: process.platform !== 'win32',
    windowsHide: true,
  });
  pipe?.closeWriteEnd();
  const output = pipe?.output ?? mergeOutputs([child.stdout!, child.stderr!]);
  const reading = log.read(output);
  const ending = ended(child, program);
  // Awaited below, when this thread is done with the rest: no rejection goes unseen.
  ending.catch(() => undefined);
  if (child.pid === undefined) {
    output.destroy();
    await reading;
    await thread.terminate();
    guard.dismiss(true);
    return ending as Promise<never>;
  }

  const pid = child.pid;
  guard.watch(pid);
  const onExit = () => killNow(pid, cgroup);
  process.once('exit', onExit);
  let allEnded = false;
  let stopped: 'timedOut' | 'interrupted' | undefined;
  const stop = (why: 'timedOut' | 'interrupted') => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    stopped ??= why;
    order({ kind: 'end', commandEnded: false });
  };
  const interrupt = () => stop('interrupted');
  const timer = setTimeout(() => stop('timedOut'), Math.min(timeoutMs, longestTimerMs));
  try {
    order({
      kind: 'watch',
      rootPid: pid,
      startedMs: performance.timeOrigin + startedAt,
    });
    signal.addEventListener('abort', interrupt, { once: true });
    if (signal.aborted) interrupt();
    const { atMs, ...result } = await Promise.race([
      ending,
      summarized.then(() => orGivenUp(ending)),
    ]);
    clearTimeout(timer);
    order({ kind: 'end', commandEnded: true });
    const summary = await summarized;
    allEnded = true;
    // A process that can't be ended would keep the pipe open for ever.
    const lastLines = await Promise.race([
      reading,
      sleep(drainMs, undefined, { ref: false }).then(() => {
        output.destroy();
        return reading;
      }),
    ]);
    const complaint = lastLines.at(-1) ?? '';
    if (starterExitCodes.includes(result.exitCode ?? 0) && complaint.startsWith(`${starter}: `)) {
      if (result.exitCode === 125) throw new Error(`cannot join a cgroup: ${complaint}`);
      throw cannotStart(program, result.exitCode === 127 ? 'ENOENT' : 'EACCES');
    }
    const ofScope = scope ? await endScope(scope) : { limitHit: false };
    const { use } = summary;
    return {
      ...result,
      startedMs: startedAt,
      seconds: (atMs - startedAt) / 1000,
      timedOut: stopped === 'timedOut',
      interrupted: stopped === 'interrupted',
      outOfMemory: limitMb !== undefined && (use.limitHit || ofScope.limitHit),
      memory: {
        peakMb: summary.peakMb,
        peakProcesses: summary.peakProcesses,
        samples: summary.samples,
        source: summary.source,
        ...(use.peakMb !== undefined && { cgroupPeakMb: use.peakMb }),
        ...(limitMb !== undefined && { limitMb }),
      },
      cpuSeconds: use.cpuSeconds ?? summary.cpuSeconds,
      leftBehind: stopped ? 0 : summary.leftBehind,
      lastLines,
    };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', interrupt);
    // After an error nothing else ends the command.
    if (!allEnded) onExit();
    process.removeListener('exit', onExit);
    guard.dismiss(allEnded);
    output.destroy();
    await thread.terminate();
  }
}
