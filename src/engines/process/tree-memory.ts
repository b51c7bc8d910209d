import { readFileSync } from 'node:fs';
import type { Listed } from './list-processes.ts';

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

/**
 * Sums the memory of a tree, each shared page once. The kernel walks every page to tell a process's
 * share (about 10 ms a GiB), so that is done in `full` rounds only. In between, the change of the
 * resident size since that round is added, which is exact for pages a process does not share; of a
 * process that is new, the pages that are its own are counted, since the others are in its parent.
 * `source` says `rss` once a process did not let us read its share; shared pages then count in each.
 */
export function createTreeMemory(read: (pid: number) => Rollup | undefined = readRollup): {
  measure: (processes: Listed[], full: boolean) => number;
  source: () => 'pss' | 'rss';
} {
  // What to take off the resident size, by process.
  let shared = new Map<string, number>();
  // In KiB; found out from the first process whose resident size is told in both units.
  let pageKb: number | undefined = process.platform === 'linux' ? undefined : 1;
  let source: 'pss' | 'rss' = process.platform === 'linux' ? 'pss' : 'rss';
  return {
    measure: (processes, full) => {
      const next = new Map<string, number>();
      let kilobytes = 0;
      for (const { pid, startedAt, residentPages, zombie } of processes) {
        if (zombie || residentPages === 0) continue;
        const key = `${pid} ${startedAt}`;
        const resident = residentPages * (pageKb ?? 4);
        let takeOff = shared.get(key);
        if (process.platform === 'linux' && (full || takeOff === undefined)) {
          const rollup = read(pid);
          // Ended since it was listed, or hidden from us: the caller's next scan tells which.
          if (rollup === undefined) source = readableStill(pid) ? 'rss' : source;
          else {
            pageKb ??= pageSizeKb(rollup.residentKb, residentPages);
            takeOff = resident - (full ? rollup.pssKb : rollup.privateKb);
          }
        }
        next.set(key, takeOff ?? 0);
        kilobytes += Math.max(0, resident - (takeOff ?? 0));
      }
      shared = next;
      return kilobytes / 1024;
    },
    source: () => source,
  };
}

/** Pages are 4, 16 or 64 KiB; the two figures are taken a moment apart, so the nearest one it is. */
function pageSizeKb(residentKb: number, residentPages: number): number {
  const ratio = Math.log2(residentKb / residentPages);
  return [4, 16, 64].sort(
    (a, b) => Math.abs(Math.log2(a) - ratio) - Math.abs(Math.log2(b) - ratio),
  )[0]!;
}

function readableStill(pid: number): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !/^[ZX]/.test(text.slice(text.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}
