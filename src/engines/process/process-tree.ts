import {
  type Listed,
  linuxEnvironmentHas,
  linuxLastPid,
  linuxPids,
  linuxProcess,
  psPidsWith,
  psProcesses,
} from './list-processes.ts';

/** All processes that a command has started, however far they have moved away from it. */
export type ProcessTree = {
  /**
   * The processes of the tree now; `thorough` looks again at those found foreign before, in case a
   * number has been given out anew.
   */
  scan: (thorough?: boolean) => Listed[];
  /** Those of the tree among the processes started last, found within a fraction of a millisecond. */
  newest: () => number[];
};

const newestCount = 4;

const kernelThreadParent = 2;

/**
 * A process belongs to the tree if it did so before, if its parent, its process group or its session
 * does, if `members` (a cgroup) names it, or if `marker` (a whole `NAME=value`) stands in its
 * environment. The last two find a daemon that has left its parents, its group and its session.
 */
export function createProcessTree(options: {
  rootPid: number;
  marker: string;
  members?: () => number[];
  platform?: NodeJS.Platform;
}): ProcessTree {
  const { rootPid, marker, members = () => [], platform = process.platform } = options;
  /** When each started, so that a number that is given out anew is not taken for the old process. */
  let ours = new Map<number, string>();
  let rootStartedAt: string | undefined;
  let foreign = new Set<number>();

  /** All but those known to be foreign, and the numbers of those that carry the marker. */
  const look = (thorough: boolean, named: Set<number>) => {
    const marked = new Set<number>();
    if (platform === 'win32') return { listed: [], marked };
    if (platform !== 'linux') return { listed: psProcesses(), marked: psPidsWith(marker) };
    const pids = linuxPids();
    const present = new Set(pids);
    foreign = new Set(thorough ? [] : [...foreign].filter((pid) => present.has(pid)));
    // The newest first, and its environment at once: it may live for a millisecond.
    const listed = pids.reverse().flatMap((pid) => {
      if (foreign.has(pid) && !named.has(pid)) return [];
      const found = linuxProcess(pid);
      if (!found) return [];
      if (ours.get(pid) !== found.startedAt) {
        const has = linuxEnvironmentHas(pid, marker);
        if (has) marked.add(pid);
        if (has === false || found.parentPid === kernelThreadParent) foreign.add(pid);
      }
      return found;
    });
    return { listed, marked };
  };

  return {
    scan: (thorough = false) => {
      // The members first: one that is forked after this is found by its parent.
      const named = new Set(members());
      const { listed, marked } = look(thorough, named);
      const tree = new Map<number, Listed>();
      const groups = new Set<number>();
      const add = (found: Listed) => {
        tree.set(found.pid, found);
        groups.add(found.groupId);
        foreign.delete(found.pid);
      };
      const root = listed.find(({ pid }) => pid === rootPid);
      rootStartedAt ??= root?.startedAt ?? 'ended before it was seen';
      let rest = listed.filter((found) => {
        const { pid, startedAt } = found;
        if (pid <= 1 || pid === process.pid) return false;
        const isRoot = pid === rootPid && startedAt === rootStartedAt;
        const isOurs = isRoot || named.has(pid) || marked.has(pid) || ours.get(pid) === startedAt;
        if (isOurs) add(found);
        return !isOurs;
      });
      // A parent may be listed after its child: until no more are found.
      for (let before = -1; before !== tree.size; ) {
        before = tree.size;
        rest = rest.filter((found) => {
          const isOurs =
            tree.has(found.parentPid) || groups.has(found.groupId) || found.sessionId === rootPid;
          if (isOurs) add(found);
          return !isOurs;
        });
      }
      ours = new Map([...tree.values()].map(({ pid, startedAt }) => [pid, startedAt]));
      return [...tree.values()];
    },
    newest: () => {
      if (platform !== 'linux') return [];
      const last = linuxLastPid();
      return Array.from({ length: newestCount }, (_, back) => last - back).filter(
        (pid) => pid !== process.pid && linuxEnvironmentHas(pid, marker),
      );
    },
  };
}
