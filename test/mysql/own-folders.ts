import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for something to become true: at most a minute. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries > 600) throw new Error('it did not happen within a minute');
    await sleep(100);
  }
}

/** The server that runs in a folder of ours, as its own files tell. */
export function mysqldIn(folder: string): { pid: number; url: string } {
  const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'));
  const password = /IDENTIFIED BY '([^']+)'/.exec(
    readFileSync(join(folder, 'init.sql'), 'utf8'),
  )![1];
  const port = /--port=(\d+)/.exec(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))![1];
  return { pid, url: `mysql://kneepoint:${password}@127.0.0.1:${port}/kneepoint` };
}

/** Ids of processes in whose command line a text occurs. */
export function processesOf(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(text);
      } catch {
        return false;
      }
    })
    .map(Number);
}
