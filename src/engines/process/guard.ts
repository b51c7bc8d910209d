/**
 * Ends a command whose watcher was killed. A SIGKILL leaves nobody a chance to tidy up, but it closes
 * pipes: this small process hears of its owner by stdin, and when that ends without a word, it kills all
 * processes of the command and removes their cgroup.
 *
 * Run as `node guard.ts GUARDED`, which is JSON. A line on stdout says that it listens; on stdin comes one
 * GuardOrder a line.
 */
import { createInterface } from 'node:readline';
import { type Cgroup, cgroupPids, killCgroup, removeCgroup } from './cgroup.ts';
import { endTree } from './end-tree.ts';
import { createProcessTree, type ProcessTree } from './process-tree.ts';

/** What to end: whatever carries `marker` (a whole `NAME=value`) in its environment, or is in `cgroup`. */
export type Guarded = { marker: string; cgroup?: Cgroup };

/** The command runs; or all of it has ended, and there is nothing left to guard. */
export type GuardOrder = { rootPid: number } | { done: true };

const { marker, cgroup } = JSON.parse(process.argv[2]!) as Guarded;
const members = () => (cgroup ? cgroupPids(cgroup) : []);
let tree: ProcessTree | undefined;

function watch(rootPid: number): void {
  tree = createProcessTree({ rootPid, marker, members });
  // Now, so that its number is not taken for it when it is given out anew.
  tree.scan();
}

async function endAll({ scan, newest }: ProcessTree): Promise<void> {
  await endTree({
    scan: () => scan(true),
    atOnce: () => (cgroup ? members() : newest()),
    killAll: () => cgroup && killCgroup(cgroup),
    graceMs: 0,
  });
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const order = JSON.parse(line) as GuardOrder;
    if ('done' in order) process.exit(0);
    watch(order.rootPid);
  })
  .on('close', async () => {
    if (tree) await endAll(tree);
    if (cgroup) await removeCgroup(cgroup);
    process.exit(0);
  });
// It ends with its owner, not with the terminal.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.stdout.on('error', () => {});
process.stdout.write('ready\n');
