import type { Listed } from './list-processes.ts';

type Seen = { seconds: number; parentPid: number };

/**
 * Adds up the CPU seconds of a tree from repeated scans, for where no cgroup does it. What an ended
 * process used is in its parent's figure once the parent has waited for it; only where that parent is
 * gone as well is its last figure kept. So what a process used after its last scan is lost if its
 * parent ends before the next one, as is all of a child whose parent ignores SIGCHLD: the sum is too
 * low by at most one interval of each process that runs at the end. On macOS, where `ps` tells nothing
 * of ended children, every ended process loses its last interval.
 */
export function createTreeCpu(): { add: (processes: Listed[]) => void; seconds: () => number } {
  let alive = new Map<string, Seen>();
  let ended = 0;
  return {
    add: (processes) => {
      const now = new Map<string, Seen>();
      for (const { pid, startedAt, parentPid, cpuSeconds, childrenCpuSeconds } of processes)
        now.set(`${pid} ${startedAt}`, { seconds: cpuSeconds + childrenCpuSeconds, parentPid });
      const pids = new Set(processes.map(({ pid }) => pid));
      for (const [key, { seconds, parentPid }] of alive)
        if (!now.has(key) && !(pids.has(parentPid) && process.platform === 'linux'))
          ended += seconds;
      alive = now;
    },
    seconds: () => ended + [...alive.values()].reduce((sum, { seconds }) => sum + seconds, 0),
  };
}
