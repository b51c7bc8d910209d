import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** One process as the operating system shows it. CPU seconds are those it has used so far. */
export type Listed = {
  pid: number;
  parentPid: number;
  groupId: number;
  sessionId: number;
  /** Ended, but not yet collected by its parent: holds no memory and can't be signalled. */
  zombie: boolean;
  /** Tells a process from a later one with the same number. */
  startedAt: string;
  residentPages: number;
  cpuSeconds: number;
  /** Of the children that it has waited for, and of theirs. */
  childrenCpuSeconds: number;
};

/** Linux shows every process times in hundredths of a second, whatever its own clock does. */
const ticksPerSecond = 100;

/** Numbers of all processes that /proc shows. */
export const linuxPids = (): number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);

/** The number that was given out last. */
export const linuxLastPid = (): number =>
  Number(readFileSync('/proc/loadavg', 'latin1').trimEnd().split(' ').at(-1));

/** Undefined where the process has ended. */
export function linuxProcess(pid: number): Listed | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name in brackets may itself hold spaces and brackets: fields count from the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = (at: number) => Number(fields[at]) / ticksPerSecond;
  return {
    pid,
    parentPid: Number(fields[1]),
    groupId: Number(fields[2]),
    sessionId: Number(fields[3]),
    zombie: fields[0] === 'Z' || fields[0] === 'X',
    startedAt: fields[19]!,
    residentPages: Number(fields[21]),
    cpuSeconds: ticks(11) + ticks(12),
    childrenCpuSeconds: ticks(13) + ticks(14),
  };
}

/**
 * Whether `text` stands in the environment that a process was started with. Undefined while a process
 * replaces itself by `exec` and shows an empty one; another user's, which we can't read, hasn't it.
 */
export function linuxEnvironmentHas(pid: number, text: string): boolean | undefined {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
    return environment === '' ? undefined : environment.includes(text);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES' ? false : undefined;
  }
}

const clockSeconds = (text: string): number => {
  const [rest, days] = text.split('-').reverse();
  const units = rest!.split(':').reverse().map(Number);
  return (
    (units[0] ?? 0) + 60 * (units[1] ?? 0) + 3600 * (units[2] ?? 0) + 86_400 * Number(days ?? 0)
  );
};

/** Rows of `ps -A -o pid=,ppid=,pgid=,rss=,time=,stat=,lstart=`, with memory as pages of 1 KiB. */
export function parsePs(text: string): Listed[] {
  return text.split('\n').flatMap((line) => {
    const [pid, parentPid, groupId, rss, time, state, ...startedAt] = line.trim().split(/\s+/);
    if (startedAt.length === 0) return [];
    return {
      pid: Number(pid),
      parentPid: Number(parentPid),
      groupId: Number(groupId),
      // macOS has no session numbers to show.
      sessionId: 0,
      zombie: state!.startsWith('Z'),
      startedAt: startedAt.join(' '),
      residentPages: Number(rss),
      cpuSeconds: clockSeconds(time!),
      childrenCpuSeconds: 0,
    };
  });
}

const ps = (args: string[]): string =>
  spawnSync('ps', args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' },
  }).stdout ?? '';

/** All processes of a system without /proc. */
export const psProcesses = (): Listed[] =>
  parsePs(ps(['-A', '-o', 'pid=,ppid=,pgid=,rss=,time=,stat=,lstart=']));

/** Numbers of the processes whose environment holds `text`, as far as macOS shows it. */
export const psPidsWith = (text: string): Set<number> =>
  new Set(
    ps(['-A', '-E', '-ww', '-o', 'pid=,command='])
      .split('\n')
      .filter((line) => line.includes(text))
      .map((line) => Number.parseInt(line, 10)),
  );
