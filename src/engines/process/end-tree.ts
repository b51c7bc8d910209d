import { setTimeout as sleep } from 'node:timers/promises';
import type { Listed } from './list-processes.ts';

export type EndOptions = {
  scan: () => Listed[];
  /** Numbers of those that can be told at once, however short they live. */
  atOnce: () => number[];
  /** Kills the whole cgroup at once, where the kernel can. */
  killAll: () => void;
  /** How long a process has to end by itself after SIGTERM. */
  graceMs?: number;
};

/** A process that the kernel can't end (it waits for a disk) is left after this time. */
const patienceMs = 15_000;
const lookMs = 20;
/** So long those told at once are killed in a row: one that is just being forked shows up in it. */
const burstMs = 5;

const send = (pid: number, name: 'SIGTERM' | 'SIGKILL'): void => {
  try {
    process.kill(pid, name);
  } catch {
    // Ended meanwhile, or another user's.
  }
};

/** One empty look proves little: a process that only starts its successor lives for a millisecond. */
export const looksForNone = 8;

/**
 * Ends all that `scan` finds: SIGTERM to each once, and after the grace SIGKILL, over and over until
 * several looks in a row find none, since a process may fork while it is being killed. Whole process
 * groups are killed as well: the kernel lets no fork slip through that. Returns how many could not be
 * ended.
 */
export async function endTree({
  scan,
  atOnce,
  killAll,
  graceMs = 2_000,
}: EndOptions): Promise<number> {
  const living = () => scan().filter(({ zombie }) => !zombie);
  const asked = new Set<string>();
  const graceEnd = performance.now() + graceMs;
  let none = 0;
  while (none < looksForNone && performance.now() < graceEnd) {
    const processes = living();
    for (const { pid, startedAt } of processes) {
      const key = `${pid} ${startedAt}`;
      if (!asked.has(key)) send(pid, 'SIGTERM');
      asked.add(key);
    }
    none = processes.length + atOnce().length === 0 ? none + 1 : 0;
    await sleep(none > 0 ? 2 : lookMs);
  }
  const patienceEnd = performance.now() + patienceMs;
  for (none = 0; none < looksForNone && performance.now() < patienceEnd; ) {
    let seen = 0;
    for (const until = performance.now() + burstMs; performance.now() < until; ) {
      const pids = atOnce();
      for (const pid of pids) send(pid, 'SIGKILL');
      seen += pids.length;
    }
    if (seen > 0) killAll();
    const processes = living();
    for (const { pid, groupId } of processes) {
      // The command has a session of its own, so this group is all its own, too.
      if (groupId > 1) send(-groupId, 'SIGKILL');
      send(pid, 'SIGKILL');
    }
    none = seen + processes.length === 0 ? none + 1 : 0;
    await sleep(none > 0 ? 2 : 0);
  }
  return living().length;
}
