import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export type Ended = { exitCode: number | null; stdout: string; stderr: string };

/** A command in a process group of its own, as a shell would start it. */
export type Started = {
  pid: number;
  ended: Promise<Ended>;
  /** What it has said on stderr so far. */
  log: () => string;
  /** To the whole group, as Ctrl-C does. */
  signal: (name: NodeJS.Signals) => void;
};

export function start(command: string[], cwd: string, env: NodeJS.ProcessEnv): Started {
  const child = spawn(command[0]!, command.slice(1), { cwd, env, detached: true });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
  });
  return {
    pid: child.pid!,
    ended,
    log: () => stderr,
    signal: (name) => void process.kill(-child.pid!, name),
  };
}

/** Ids of the processes of a group, its first one included. */
export function membersOf(group: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        // After the name in parentheses: state, parent, group. A zombie has ended.
        const [state, , pgrp] = readFileSync(`/proc/${pid}/stat`, 'utf8')
          .replace(/^.*\) /s, '')
          .split(' ');
        return Number(pgrp) === group && state !== 'Z';
      } catch {
        return false;
      }
    });
}

/** MiB that a process alone has written, of the PSS that counts shared pages in part. */
export function privateMb(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Private_Dirty:\s+(\d+)/m.exec(rollup)![1]) / 1_024;
}

/** MiB of a process, each shared page divided by those who share it. */
export function pssMb(pid: number): number {
  return (
    Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))![1]) / 1_024
  );
}

/** Waits for something to become true: at most a minute. */
export async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 1_200) throw new Error('it did not happen within a minute');
    await sleep(50);
  }
}
