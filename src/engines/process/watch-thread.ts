/**
 * A thread of its own that looks at the processes of a command and ends them: reading what the kernel
 * knows of many large processes takes tens of milliseconds, for which the mocks, which run in the main
 * thread, would answer nothing. Here it may be done without awaiting, which is also several times cheaper.
 */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import {
  type Cgroup,
  type CgroupUse,
  cgroupNamed,
  cgroupPids,
  cgroupUse,
  killCgroup,
} from './cgroup.ts';
import { endTree, looksForNone } from './end-tree.ts';
import { type Listed, linuxProcess } from './list-processes.ts';
import { createProcessTree } from './process-tree.ts';
import { createSamples, type MemorySample } from './samples.ts';
import { createTreeCpu } from './tree-cpu.ts';
import { createTreeMemory } from './tree-memory.ts';

/** What the thread is started with. `scopeName`: the cgroup of that name, made while it starts. */
export type ThreadInput = {
  marker: string;
  sampleMs: number;
  cgroup?: Cgroup;
  scopeName?: string;
};

/** To the thread: the command runs (since `startedMs` after 1970); end all of it now. */
export type ThreadOrder =
  | { kind: 'watch'; rootPid: number; startedMs: number }
  | { kind: 'end'; commandEnded: boolean };

/** What the thread found, once no process is left. */
export type ThreadSummary = {
  peakMb: number;
  peakProcesses: number;
  samples: MemorySample[];
  source: 'pss' | 'rss';
  /** By adding up processes; `use` knows it better where there is a cgroup. */
  cpuSeconds: number;
  use: CgroupUse;
  leftBehind: number;
};

export type ThreadReport =
  | { kind: 'ready' }
  | { kind: 'sample'; sample: MemorySample }
  | { kind: 'summary'; summary: ThreadSummary };

/** Of one core, for all that the thread does while the command runs. */
const shareOfCore = 0.02;
/** CPU time that a short run may use beyond that share, so that it is measured at all. */
const startAllowanceMs = 200;
/** The first samples follow each other faster: a short command ends before the second usual one. */
const firstIntervalMs = 10;
const intervalGrowth = 1.3;
/** Time for processes that end with their parent, such as those that wait for a closed pipe. */
const partingMs = 250;
/** Every so many scans looks again at processes found foreign. */
const scansPerThorough = 20;

const port = parentPort!;
const report = (message: ThreadReport) => port.postMessage(message);
const { marker, sampleMs, cgroup: given, scopeName } = workerData as ThreadInput;

/** CPU milliseconds of this thread; before Node 23.9, the time that has passed, which is no less. */
const usedMs = (): number => {
  const use = process.threadCpuUsage?.();
  return use ? (use.user + use.system) / 1000 : performance.now();
};

const affordableMs = (elapsedMs: number) => shareOfCore * elapsedMs + startAllowanceMs;

const keysOf = (processes: Listed[]) =>
  processes.map(({ pid, startedAt }) => `${pid} ${startedAt}`).join(',');

function watchTree(rootPid: number, startedMs: number) {
  let cgroup = given;
  let use: CgroupUse = { limitHit: false };
  const members = () => (cgroup ? cgroupPids(cgroup) : []);
  const tree = createProcessTree({
    rootPid,
    marker,
    members,
  });
  // Older kernels name those, too, that have ended and wait to be collected.
  const atOnce = () =>
    cgroup ? members().filter((pid) => !linuxProcess(pid)?.zombie) : tree.newest();
  const memory = createTreeMemory();
  const cpu = createTreeCpu();
  const samples = createSamples();
  let peakMb = 0;
  let peakProcesses = 0;
  let scans = 0;
  const scan = (thorough = false): Listed[] => {
    scans += 1;
    const processes = tree.scan(thorough || scans % scansPerThorough === 0);
    cpu.add(processes);
    return processes.filter(({ zombie }) => !zombie);
  };
  const readUse = () => {
    if (scopeName) cgroup ??= cgroupNamed(scopeName, rootPid);
    if (!cgroup) return;
    // The folder of a scope is gone when its last process is: the figures before it stay.
    const now = cgroupUse(cgroup);
    use = { ...use, ...now, limitHit: use.limitHit || now.limitHit };
  };

  let spentMs = 0;
  let fullMs = 0;
  let nextFullAt = 0;
  let keysAtFull = '';
  const sample = (whateverItCosts = false): void => {
    const begun = usedMs();
    const processes = scan();
    const elapsedMs = Date.now() - startedMs;
    const keys = keysOf(processes);
    const affordable = spentMs + fullMs <= affordableMs(elapsedMs);
    // Who shares pages with whom changes when processes come and go.
    const due = elapsedMs >= nextFullAt || keys !== keysAtFull;
    let full = whateverItCosts || (due && affordable);
    let megabytes = memory.measure(processes, full);
    // A peak stays for good, so it should not be an estimate.
    if (!full && megabytes > peakMb && affordable) {
      full = true;
      megabytes = memory.measure(processes, full);
    }
    if (scopeName) readUse();
    const tookMs = usedMs() - begun;
    spentMs += tookMs;
    if (full) {
      fullMs = tookMs;
      keysAtFull = keys;
      // Two thirds of the share for full rounds, so that the samples between them are not held up.
      nextFullAt = elapsedMs + (1.5 * fullMs) / shareOfCore;
    }
    const taken = { seconds: elapsedMs / 1000, megabytes, processes: processes.length };
    peakMb = Math.max(peakMb, megabytes);
    peakProcesses = Math.max(peakProcesses, processes.length);
    samples.add(taken);
    report({ kind: 'sample', sample: taken });
  };

  let ending = false;
  let timer: NodeJS.Timeout | undefined;
  let intervalMs = firstIntervalMs;
  const again = () => {
    sample();
    intervalMs = Math.min(sampleMs, intervalMs * intervalGrowth);
    const overdrawnMs = spentMs - affordableMs(Date.now() - startedMs);
    timer = setTimeout(again, Math.max(intervalMs, overdrawnMs / shareOfCore));
  };
  again();

  return async (commandEnded: boolean): Promise<void> => {
    if (ending) return;
    ending = true;
    clearTimeout(timer);
    let leftBehind = 0;
    if (commandEnded) {
      const partingEnd = performance.now() + partingMs;
      let counts: number[] = [];
      do {
        counts = [...counts, Math.max(scan().length, atOnce().length)].slice(-looksForNone);
        await sleep(5);
      } while (
        (counts.length < looksForNone || Math.max(...counts) > 0) &&
        performance.now() < partingEnd
      );
      leftBehind = Math.max(...counts);
      if (leftBehind > 0) sample(true);
    } else sample(true);
    readUse();
    if (process.platform === 'win32')
      spawnSync('taskkill', ['/pid', String(rootPid), '/T', '/F'], { windowsHide: true });
    await endTree({ scan, atOnce, killAll: () => cgroup && killCgroup(cgroup) });
    readUse();
    const summary: ThreadSummary = {
      peakMb,
      peakProcesses,
      samples: samples.all(),
      source: memory.source(),
      cpuSeconds: cpu.seconds(),
      use,
      leftBehind,
    };
    report({ kind: 'summary', summary });
  };
}

let end: ((commandEnded: boolean) => Promise<void>) | undefined;
port.on('message', (order: ThreadOrder) => {
  if (order.kind === 'watch') end = watchTree(order.rootPid, order.startedMs);
  else void end?.(order.commandEnded);
});
report({ kind: 'ready' });
