import { readFileSync } from 'node:fs';
import type { Listed } from './list-processes.ts';

/** In pages. `anonymous` are those that no file stands behind: a process's own data, unless it forked. */
export type Resident = { pages: number; anonymousPages: number };

/** `pssKb`: pages shared by n processes count 1/n in each. `privateKb`: pages of this one alone. */
export type Rollup = { pssKb: number; privateKb: number; residentKb: number };

const field = (text: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);

/** Undefined where it can't be read: the process has ended, is another user's, or there is no such file. */
export function readRollup(pid: number): Rollup | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
    return {
      pssKb: field(text, 'Pss'),
      privateKb: field(text, 'Private_Clean') + field(text, 'Private_Dirty'),
      residentKb: field(text, 'Rss'),
    };
  } catch {
    return undefined;
  }
}

/** Undefined where the process has ended. */
export function readResident(pid: number): Resident | undefined {
  try {
    const [, pages, withFile] = readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ').map(Number);
    return { pages: pages!, anonymousPages: pages! - withFile! };
  } catch {
    return undefined;
  }
}

/** Pages are of 4, 16 or 64 KiB; the two figures are taken a moment apart, so it is the nearest. */
function pageSizeKb(residentKb: number, pages: number): number {
  const off = (kilobytes: number) => Math.abs(Math.log2((kilobytes * pages) / residentKb));
  return [4, 16, 64].sort((a, b) => off(a) - off(b))[0]!;
}

/**
 * Sums the memory of a tree in MiB, each shared page once. The kernel walks every page to tell a
 * process's share (about 10 ms a GiB), so that is done in `full` rounds only. In between, the growth of
 * the anonymous pages since that round is added, which is exact while a process neither forks nor maps
 * more files; of a process that is new, the pages that are its own are counted, since the others are
 * in its parent. `source` says `rss` once a process did not let us read its share, or on a system that
 * doesn't know it: shared pages then count in each.
 */
export function createTreeMemory(
  rollupOf: (pid: number) => Rollup | undefined = readRollup,
  residentOf: (pid: number) => Resident | undefined = readResident,
  platform: NodeJS.Platform = process.platform,
): {
  measure: (processes: Listed[], full: boolean) => number;
  source: () => 'pss' | 'rss';
} {
  if (platform !== 'linux') {
    const kilobytes = (processes: Listed[]) =>
      processes.reduce((sum, { residentPages }) => sum + residentPages, 0);
    return { measure: (processes) => kilobytes(processes) / 1024, source: () => 'rss' };
  }
  // What a process counts beyond its anonymous pages, in KiB; negative where it shares those.
  let beyond = new Map<string, number>();
  let pageKb: number | undefined;
  let source: 'pss' | 'rss' = 'pss';
  return {
    measure: (processes, full) => {
      const next = new Map<string, number>();
      let kilobytes = 0;
      for (const { pid, startedAt, zombie } of processes) {
        const resident = zombie ? undefined : residentOf(pid);
        // Without pages: about to end.
        if (!resident || resident.pages === 0) continue;
        const key = `${pid} ${startedAt}`;
        let extra = beyond.get(key);
        if (full || extra === undefined) {
          const rollup = rollupOf(pid);
          // Not ended meanwhile, but another user's, or without such a file.
          if (!rollup && residentOf(pid)?.pages) source = 'rss';
          if (rollup?.residentKb) pageKb ??= pageSizeKb(rollup.residentKb, resident.pages);
          const counted = full ? rollup?.pssKb : rollup?.privateKb;
          extra =
            (counted ?? resident.pages * (pageKb ?? 4)) - resident.anonymousPages * (pageKb ?? 4);
        }
        next.set(key, extra);
        kilobytes += Math.max(0, resident.anonymousPages * (pageKb ?? 4) + extra);
      }
      beyond = next;
      return kilobytes / 1024;
    },
    source: () => source,
  };
}
