import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { accessSync, constants, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/**
 * A cgroup made for one command: plain data, so that it can be handed to another thread. With version 1
 * each controller has a hierarchy and so a folder of its own; with version 2 both folders are one.
 */
export type Cgroup = {
  version: 1 | 2;
  /** Absent where memory is not accounted. */
  memoryFolder?: string;
  cpuFolder?: string;
  limitMb?: number;
};

/** What a cgroup has counted. `peakMb` (MiB) includes files cached in memory and the kernel's own share. */
export type CgroupUse = { cpuSeconds?: number; peakMb?: number; limitHit: boolean };

const bytesPerMb = 1024 * 1024;

const textOf = (folder: string, file: string): string | undefined => {
  try {
    return readFileSync(join(folder, file), 'latin1');
  } catch {
    return undefined;
  }
};

const numberIn = (text: string | undefined, name: string): number | undefined => {
  const found = new RegExp(`^${name} (\\d+)$`, 'm').exec(text ?? '');
  return found ? Number(found[1]) : undefined;
};

/** One row of /proc/self/mountinfo: where a hierarchy is mounted, and which part of it. */
type Mount = { root: string; at: string; type: string; options: string[] };

const mountsIn = (mountinfo: string): Mount[] =>
  mountinfo.split('\n').flatMap((line) => {
    const [left, right] = line.split(' - ');
    const [, , , root, at] = (left ?? '').split(' ');
    const [type, , options] = (right ?? '').split(' ');
    if (!root || !at || !type?.startsWith('cgroup')) return [];
    return { root, at, type, options: (options ?? '').split(',') };
  });

/**
 * The folder of our own cgroup, below which new ones are made: there the limits that already hold for
 * us go on holding. `controller` is one of version 1; without it, the folder of version 2.
 */
export function ownCgroupFolder(controller?: string): string | undefined {
  const rows = (textOf('/proc/self', 'cgroup') ?? '').split('\n');
  const row = rows.find((text) => {
    const [number, controllers] = text.split(':');
    return controller ? controllers?.split(',').includes(controller) : number === '0';
  });
  if (!row) return undefined;
  const path = row.split(':').slice(2).join(':');
  const mount = mountsIn(textOf('/proc/self', 'mountinfo') ?? '').find(({ type, options }) =>
    controller ? type === 'cgroup' && options.includes(controller) : type === 'cgroup2',
  );
  if (!mount) return undefined;
  // In a container only a part of the hierarchy may be mounted, as its top.
  const below = posix.relative(mount.root, path);
  return join(mount.at, below.startsWith('..') ? path : below);
}

const canWrite = (path: string): boolean => {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
};

/** A new folder below our own cgroup, or undefined where we may not make one. */
function makeBelow(own: string | undefined, name: string): string | undefined {
  // Moving a process takes the right to write where it comes from, too.
  if (own === undefined || !canWrite(join(own, 'cgroup.procs'))) return undefined;
  const folder = join(own, name);
  try {
    mkdirSync(folder);
    return folder;
  } catch {
    return undefined;
  }
}

function limitVersion1(folder: string, limitMb: number): void {
  const bytes = String(Math.floor(limitMb * bytesPerMb));
  writeFileSync(join(folder, 'memory.limit_in_bytes'), bytes);
  // Memory and swap together may not exceed the same bytes: no swap. Absent where swap isn't accounted.
  if (canWrite(join(folder, 'memory.memsw.limit_in_bytes')))
    writeFileSync(join(folder, 'memory.memsw.limit_in_bytes'), bytes);
}

function limitVersion2(folder: string, limitMb: number): void {
  writeFileSync(join(folder, 'memory.max'), String(Math.floor(limitMb * bytesPerMb)));
  if (canWrite(join(folder, 'memory.swap.max')))
    writeFileSync(join(folder, 'memory.swap.max'), '0');
}

/** A folder that can be made is not always one that can be joined: the kernel has rules of its own. */
async function tryToJoin(cgroup: Cgroup): Promise<void> {
  const script = 'for file; do echo $$ >"$file" || exit 1; done';
  await promisify(execFile)('/bin/sh', ['-c', script, 'sh', ...joinFiles(cgroup)]);
}

/**
 * Makes a cgroup below our own, with a limit in MiB if one is given. Undefined where that is not
 * possible: not on Linux, not allowed, or (version 2) the memory controller is not handed on to us.
 */
export async function makeCgroup(limitMb?: number): Promise<Cgroup | undefined> {
  if (process.platform !== 'linux') return undefined;
  const name = `kneepoint-${randomUUID().slice(0, 13)}`;
  const limited = limitMb === undefined ? {} : { limitMb };
  const made: Cgroup[] = [];
  try {
    const ownMemory = ownCgroupFolder('memory');
    if (ownMemory) {
      const memoryFolder = makeBelow(ownMemory, name);
      const cpuFolder = makeBelow(ownCgroupFolder('cpuacct'), name);
      if (!memoryFolder && !cpuFolder) return undefined;
      const cgroup: Cgroup = {
        version: 1,
        ...(memoryFolder && { memoryFolder }),
        ...(cpuFolder && { cpuFolder }),
        ...limited,
      };
      made.push(cgroup);
      if (limitMb !== undefined) {
        if (!memoryFolder) throw new Error('no memory folder');
        limitVersion1(memoryFolder, limitMb);
      }
      await tryToJoin(cgroup);
      return cgroup;
    }
    const folder = makeBelow(ownCgroupFolder(), name);
    if (!folder) return undefined;
    const accounted = (textOf(folder, 'cgroup.controllers') ?? '').split(/\s/).includes('memory');
    const cgroup: Cgroup = {
      version: 2,
      cpuFolder: folder,
      ...(accounted && { memoryFolder: folder }),
      ...limited,
    };
    made.push(cgroup);
    if (limitMb !== undefined) limitVersion2(folder, limitMb);
    await tryToJoin(cgroup);
    return cgroup;
  } catch {
    // No such file, or not for us.
    for (const cgroup of made) await removeCgroup(cgroup);
    return undefined;
  }
}

const foldersOf = ({ memoryFolder, cpuFolder }: Cgroup): string[] => [
  ...new Set([memoryFolder, cpuFolder].filter((folder) => folder !== undefined)),
];

/** The cgroup (version 2) of a process, if its folder has that name: systemd decides where a scope is. */
export function cgroupNamed(name: string, pid: number): Cgroup | undefined {
  const own = ownCgroupFolder();
  const path = /^0::(.*)$/m.exec(textOf(`/proc/${pid}`, 'cgroup') ?? '')?.[1];
  if (own === undefined || path === undefined || posix.basename(path) !== name) return undefined;
  const ownPath = /^0::(.*)$/m.exec(textOf('/proc/self', 'cgroup') ?? '')?.[1] ?? '/';
  const folder = join(own, posix.relative(ownPath, path));
  return { version: 2, memoryFolder: folder, cpuFolder: folder };
}

/** The files into which a process writes its number to join. */
export const joinFiles = (cgroup: Cgroup): string[] =>
  foldersOf(cgroup).map((folder) => join(folder, 'cgroup.procs'));

/** Numbers of the processes within, read at one moment by the kernel. */
export function cgroupPids(cgroup: Cgroup): number[] {
  const pids = joinFiles(cgroup).flatMap((file) => {
    try {
      return readFileSync(file, 'latin1').split('\n').map(Number);
    } catch {
      return [];
    }
  });
  return [...new Set(pids)].filter((pid) => pid > 0);
}

/** Kills all within at once, where the kernel can (version 2, Linux 5.14); nothing escapes by forking. */
export function killCgroup({ version, cpuFolder }: Cgroup): void {
  if (version === 1 || !cpuFolder) return;
  try {
    writeFileSync(join(cpuFolder, 'cgroup.kill'), '1');
  } catch {
    // An older kernel: whoever calls this kills one by one as well.
  }
}

/** What the cgroup has counted so far; to be read before it is removed. */
export function cgroupUse({ version, memoryFolder, cpuFolder }: Cgroup): CgroupUse {
  const cpu = (file: string) => (cpuFolder ? textOf(cpuFolder, file) : undefined);
  const memory = (file: string) => (memoryFolder ? textOf(memoryFolder, file) : undefined);
  const [cpuSeconds, peak, killed] =
    version === 1
      ? [
          cpu('cpuacct.usage') && Number(cpu('cpuacct.usage')) / 1e9,
          memory('memory.max_usage_in_bytes'),
          numberIn(memory('memory.oom_control'), 'oom_kill'),
        ]
      : [
          cpu('cpu.stat') && (numberIn(cpu('cpu.stat'), 'usage_usec') ?? 0) / 1e6,
          memory('memory.peak'),
          numberIn(memory('memory.events'), 'oom_kill'),
        ];
  return {
    ...(typeof cpuSeconds === 'number' && { cpuSeconds }),
    ...(peak && { peakMb: Number(peak) / bytesPerMb }),
    limitHit: (killed ?? 0) > 0,
  };
}

function removeFolder(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EBUSY';
  }
}

/** To be called when all within have ended; the kernel may take a moment to see it. */
export async function removeCgroup(cgroup: Cgroup): Promise<void> {
  for (const folder of foldersOf(cgroup))
    for (let tries = 0; tries < 100 && !removeFolder(folder); tries++) await sleep(20);
}
