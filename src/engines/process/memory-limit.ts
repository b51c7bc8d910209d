import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { makeCgroup, removeCgroup } from './cgroup.ts';

const run = promisify(execFile);

/**
 * A scope of systemd: where we may not make a cgroup ourselves, the user's service manager may. Its
 * folder vanishes with the last process, so its figures are read while it runs and its result is asked
 * of systemd.
 */
export type Scope = { unit: string; manager: '--user' | '--system' };

const timeoutMs = 10_000;

const properties = (limitMb: number) => [
  `--property=MemoryMax=${Math.floor(limitMb * 1024)}K`,
  '--property=MemorySwapMax=0',
];

/** A name for a scope to be, if the service manager can make one. */
export async function findScope(limitMb: number): Promise<Scope | undefined> {
  if (process.platform !== 'linux') return undefined;
  const manager = process.getuid?.() === 0 ? '--system' : '--user';
  const unit = `kneepoint-${randomUUID().slice(0, 13)}`;
  try {
    const trial = { unit: `${unit}-trial`, manager } as const;
    const [program, ...args] = [...scopeCommand(trial, limitMb), 'true'];
    await run(program!, args, { timeout: timeoutMs });
    return { unit, manager };
  } catch {
    return undefined;
  }
}

/** What stands before a command that is to run in the scope; it takes its place, process number and all. */
export const scopeCommand = ({ unit, manager }: Scope, limitMb: number): string[] => [
  'systemd-run',
  manager,
  '--scope',
  '--quiet',
  `--unit=${unit}`,
  ...properties(limitMb),
  '--',
];

/** Without these systemd-run does not find the user's service manager. */
export const scopeEnvironment = (env: NodeJS.ProcessEnv): Record<string, string> => {
  const { XDG_RUNTIME_DIR, DBUS_SESSION_BUS_ADDRESS } = env;
  return {
    ...(XDG_RUNTIME_DIR && { XDG_RUNTIME_DIR }),
    ...(DBUS_SESSION_BUS_ADDRESS && { DBUS_SESSION_BUS_ADDRESS }),
  };
};

/** Whether the scope was ended by its limit; forgets it then. */
export async function endScope({ unit, manager }: Scope): Promise<{ limitHit: boolean }> {
  const name = `${unit}.scope`;
  const systemctl = (...args: string[]) =>
    run('systemctl', [manager, ...args, name], { timeout: timeoutMs }).then(
      ({ stdout }) => stdout,
      () => '',
    );
  const result = await systemctl('show', '--property=Result', '--value');
  await systemctl('reset-failed');
  return { limitHit: result.trim() === 'oom-kill' };
}

/**
 * Why `--memory-limit` is not possible here, in one line without the option's name; undefined if it is.
 * Makes a cgroup and removes it, since nothing less tells for sure.
 */
export async function memoryLimitProblem(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'a memory limit needs the cgroups of Linux';
  const trialMb = 64;
  const cgroup = await makeCgroup(trialMb);
  if (cgroup) {
    await removeCgroup(cgroup);
    return undefined;
  }
  if (await findScope(trialMb)) return undefined;
  return 'no cgroup with a memory limit can be made here: neither is our own one writable with its memory controller handed on, nor does systemd-run --scope work';
}

/** What helps against `memoryLimitProblem`. */
export const memoryLimitWays = [
  'run as root, or in a login session of systemd',
  'limit a container that Kneepoint runs in instead',
  'leave --memory-limit out',
];
