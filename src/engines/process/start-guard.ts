import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { extname, join } from 'node:path';
import type { Guarded, GuardOrder } from './guard.ts';

/** What ends a command should this process be killed. */
export type Guard = {
  /** The command runs, as this process. */
  watch: (rootPid: number) => void;
  /** Its work is over: it goes, or ends what is left of the command before. */
  dismiss: (allEnded: boolean) => void;
};

/** The guard stands beside this file, compiled or not. */
const guard = join(import.meta.dirname, `guard${extname(import.meta.filename)}`);

/** Starts a guard, and waits until it listens. Where none can be started, the command runs without. */
export async function startGuard(guarded: Guarded): Promise<Guard> {
  // Detached, so that what ends this process does not end the guard.
  const child = spawn(process.execPath, [guard, JSON.stringify(guarded)], {
    detached: true,
    windowsHide: true,
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { PATH: process.env.PATH, LANG: 'C' },
  });
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  await Promise.race([once(child.stdout, 'data'), once(child.stdout, 'close')]);
  child.unref();
  const tell = (order: GuardOrder) => child.stdin.write(`${JSON.stringify(order)}\n`);
  return {
    watch: (rootPid) => tell({ rootPid }),
    dismiss: (allEnded) => {
      if (allEnded) tell({ done: true });
      child.stdin.end();
    },
  };
}
